"""A real browser at the site."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, sync_playwright
from pytest_django.live_server_helper import LiveServer

from tests.requires import require

CHROMIUM = "/usr/bin/chromium"
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """Chromium, with an environment of its own. Not for the session: Playwright runs an
    event loop in this thread, and other modules must not find themselves inside it."""
    require("Chromium")
    home = tmp_path_factory.mktemp("chromium")
    with pytest.MonkeyPatch.context() as patch, sync_playwright() as playwright:
        # Django takes the loop for async code, and would refuse the database to the tests.
        patch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "true")
        chromium = playwright.chromium.launch(
            executable_path=CHROMIUM, args=FLAGS, env=environment(home)
        )
        yield chromium
        chromium.close()


def environment(home: Path) -> dict[str, str | float | bool]:
    return {"PATH": os.environ["PATH"], "HOME": str(home), "LANG": "C.UTF-8"}


@pytest.fixture
def page(
    browser: Browser, django_db_serialized_rollback: None, live_server: LiveServer
) -> Iterator[Page]:
    """A page of a new profile at the site; the test fails if the browser complains of
    anything: an error of a script, a missing file, a breach of the content security policy."""
    context = browser.new_context(
        base_url=live_server.url, permissions=["clipboard-read", "clipboard-write"]
    )
    context.set_default_timeout(15_000)
    page = context.new_page()
    complaints: list[str] = []

    def hear(message: ConsoleMessage) -> None:
        # That an error page came as an error is no complaint; that a file of it did, is.
        is_its_own_status = "status of" in message.text and message.location["url"] == page.url
        if message.type in {"error", "warning"} and not is_its_own_status:
            complaints.append(f"{page.url}: {message.text}")

    page.on("console", hear)
    page.on("pageerror", lambda error: complaints.append(f"{page.url}: {error}"))
    yield page
    context.close()
    assert complaints == []
