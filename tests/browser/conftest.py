"""A real browser at the running site."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, CDPSession, ConsoleMessage, Page, sync_playwright
from pytest_django.fixtures import Settings
from pytest_django.live_server_helper import LiveServer

from provisioning.demo.seed import Cast, seed
from tests import identity_provider, requires

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
    """Chromium, in a clean environment. Not for the session: Playwright runs an event loop in
    this thread, and other modules must not run inside it."""
    requires.require("Chromium")
    home = tmp_path_factory.mktemp("chromium")
    with pytest.MonkeyPatch.context() as patch, sync_playwright() as playwright:
        # Django takes the loop for async code, and would refuse database access.
        patch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "true")
        started = playwright.chromium.launch(
            executable_path=requires.chromium(), args=FLAGS, env=environment(home)
        )
        yield started
        started.close()


def environment(home: Path) -> dict[str, str | float | bool]:
    return {"PATH": os.environ["PATH"], "HOME": str(home), "LANG": "C.UTF-8"}


@pytest.fixture
def page(browser: Browser, live_server: LiveServer) -> Iterator[Page]:
    """A page in a new profile. The test fails if the browser reports anything: an error in a
    script, a missing file, a violation of the content security policy."""
    context = browser.new_context(
        base_url=live_server.url, permissions=["clipboard-read", "clipboard-write"]
    )
    context.set_default_timeout(15_000)
    page = context.new_page()
    reports: list[str] = []

    def collect(message: ConsoleMessage) -> None:
        # The status of an error page itself is expected; that of one of its files is not.
        is_its_own_status = "status of" in message.text and message.location["url"] == page.url
        if message.type in {"error", "warning"} and not is_its_own_status:
            reports.append(f"{page.url}: {message.text}")

    page.on("console", collect)
    page.on("pageerror", lambda error: reports.append(f"{page.url}: {error}"))
    yield page
    context.close()
    assert reports == []


@pytest.fixture
def authenticator(page: Page) -> Iterator[CDPSession]:
    """A passkey device in the browser, whose owner always consents."""
    session = page.context.new_cdp_session(page)
    session.send("WebAuthn.enable")
    session.send(
        "WebAuthn.addVirtualAuthenticator",
        {
            "options": {
                "protocol": "ctap2",
                "transport": "internal",
                "hasResidentKey": True,
                "hasUserVerification": True,
                "isUserVerified": True,
                "automaticPresenceSimulation": True,
            }
        },
    )
    yield session
    session.detach()


@pytest.fixture
def cast(page: Page, transactional_db: None) -> Cast:
    """People whom the running site sees as well."""
    return seed()


@pytest.fixture
def person(settings: Settings) -> Iterator[dict[str, Any]]:
    """The person signed in at the provider."""
    with identity_provider.serving(settings) as person:
        yield person
