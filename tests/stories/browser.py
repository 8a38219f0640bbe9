"""A real browser within a sandbox, where the portal and AWS's own names are."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, BrowserContext, sync_playwright

from tests import requires
from tests.browser.conftest import FLAGS, environment
from tests.stories.portal import SITE
from tests.stories.sandbox import Sandbox


@contextmanager
def chromium(box: Sandbox, home: Path) -> Iterator[Browser]:
    """Playwright speaks with the browser through pipes; the browser, which its driver starts,
    is where the driver was started: on the sandbox's network."""
    requires.require("Chromium")
    with box.network():
        playwright = sync_playwright().start()
    try:
        started = playwright.chromium.launch(
            executable_path=requires.chromium(), args=FLAGS, env=environment(home)
        )
        yield started
        started.close()
    finally:
        playwright.stop()


def profile(browser: Browser, **options: object) -> BrowserContext:
    """A new person's browser at the portal."""
    context = browser.new_context(
        base_url=SITE,
        permissions=["clipboard-read", "clipboard-write"],
        **options,  # type: ignore[arg-type]
    )
    context.set_default_timeout(15_000)
    return context
