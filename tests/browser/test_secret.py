"""The secret in a browser: shown once, saved as a file, and gone."""

import configparser
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from playwright.sync_api import Download, Error, Page, expect
from pytest_django.live_server_helper import LiveServer

from provisioning.demo.seed import Cast
from provisioning.models import AccessKey, Entitlement, OneTimeSecret
from tests.browser.legible import check_legible
from tests.browser.signing_in import confirm, sign_in
from tests.entitlements import approved
from tests.images import pushed
from tests.provisioned import SECRET, provision

PROFILE = "acme-software"
# Whatever a page can keep beyond itself.
KEPT = """async () => {
    const databases = await indexedDB.databases();
    const caches_ = "caches" in self ? await caches.keys() : [];
    return JSON.stringify([
        {...localStorage}, {...sessionStorage}, databases, caches_, history.state, location.href,
        document.cookie, name, document.documentElement.outerHTML,
    ]);
}"""


@pytest.fixture
def address(cast: Cast) -> str:
    """Where a secret waits for Alice, who came from the page of Acme Server."""
    entitlement = approved(cast)
    pushed("acme/agent", 1)
    return f"/credentials/{provision(cast.birch).pk}/reveal/?from={entitlement.pk}"


def reveal(page: Page, address: str, email: str = "alice@birch.example") -> None:
    sign_in(page, email)
    expect(page.get_by_role("button", name="account menu")).to_be_visible()
    page.goto(address)
    confirm(page)
    page.get_by_role("button", name="Show the secret now").click()
    expect(page.get_by_role("heading", name="Your credentials (shown once)")).to_be_visible()
    # The heading shows before the page's script has run.
    page.wait_for_load_state("load")


def download(page: Page, name: str) -> Download:
    with page.expect_download() as caught:
        page.get_by_role("button", name=f"Download {name}").click()
    return caught.value


def store(page: Page) -> None:
    page.get_by_role("link", name="I have stored it").click()
    expect(page.get_by_role("heading", name="Store the credentials")).to_be_visible()


def back(page: Page) -> None:
    try:
        page.go_back()
    except Error as error:
        # The answer to a form: the browser would have to send it again, and asks first.
        assert "ERR_CACHE_MISS" in error.message  # noqa: PT017
        page.wait_for_url("chrome-error://**")


# --- Saved -------------------------------------------------------------------------


def test_file_of_credentials_is_one_that_the_aws_cli_reads(
    page: Page, address: str, tmp_path: Path
) -> None:
    reveal(page, address)
    saved = download(page, "credentials")
    assert saved.suggested_filename == "credentials"
    file = tmp_path / "credentials"
    saved.save_as(file)
    parsed = configparser.ConfigParser()
    parsed.read(file)
    key = AccessKey.objects.get().access_key_id
    assert {name: dict(parsed[name]) for name in parsed.sections()} == {
        PROFILE: {"aws_access_key_id": key, "aws_secret_access_key": SECRET}
    }
    aws = Path(sys.executable).with_name("aws")
    environment = os.environ | {"AWS_SHARED_CREDENTIALS_FILE": str(file), "HOME": str(tmp_path)}
    for name, value in parsed[PROFILE].items():
        command = [sys.executable, str(aws), "configure", "get", name, "--profile", PROFILE]
        read = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
        assert read.stdout == f"{value}\n"


def test_secret_is_visible_at_once(page: Page, address: str) -> None:
    reveal(page, address)
    expect(page.get_by_text(SECRET, exact=True).first).to_be_visible()
    store(page)


def test_file_for_a_cluster_is_a_secret_of_kubernetes(
    page: Page, address: str, tmp_path: Path
) -> None:
    reveal(page, address)
    saved = download(page, f"{PROFILE}-aws.yaml")
    saved.save_as(tmp_path / "secret.yaml")
    manifest = yaml.safe_load((tmp_path / "secret.yaml").read_text())
    assert (manifest["kind"], manifest["metadata"]) == ("Secret", {"name": f"{PROFILE}-aws"})
    key = AccessKey.objects.get()
    assert manifest["stringData"] == {
        "AWS_ACCESS_KEY_ID": key.access_key_id,
        "AWS_SECRET_ACCESS_KEY": SECRET,
    }
    store(page)


def test_env_file_is_one_that_a_shell_reads(page: Page, address: str, tmp_path: Path) -> None:
    reveal(page, address)
    saved = download(page, f"{PROFILE}.env")
    assert saved.suggested_filename == f"{PROFILE}.env"
    saved.save_as(tmp_path / ".env")
    read = subprocess.run(
        ["sh", "-ec", "set -a; . ./.env; env -u PWD"],
        cwd=tmp_path,
        env={"PATH": os.environ["PATH"]},
        check=True,
        capture_output=True,
        text=True,
    ).stdout.splitlines()
    key = AccessKey.objects.get().access_key_id
    assert {f"AWS_ACCESS_KEY_ID={key}", f"AWS_SECRET_ACCESS_KEY={SECRET}"} <= set(read)
    assert (tmp_path / ".env").read_bytes().count(b"\n") == 2


def test_download_asks_the_site_for_nothing_and_has_no_secret_in_its_address(
    page: Page, address: str
) -> None:
    reveal(page, address)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.evaluate(
        """() => {
            const revoke = URL.revokeObjectURL;
            self.revoked = [];
            URL.revokeObjectURL = (url) => { self.revoked.push(url); revoke(url); };
        }"""
    )
    saved = download(page, "credentials")
    assert page.evaluate("revoked") == [saved.url]
    assert saved.url.startswith("blob:")
    assert SECRET not in saved.url
    # The browser fetches the page's icon when it likes; that is none of the download's doing.
    icon = page.locator("link[rel=icon]").evaluate("link => link.href")
    assert [url for url in asked if not url.startswith("blob:") and url != icon] == []


def test_copied_file_is_the_downloaded_one(page: Page, address: str, tmp_path: Path) -> None:
    reveal(page, address)
    saved = download(page, "credentials")
    saved.save_as(tmp_path / "credentials")
    page.locator(".secret", has_text="file credentials").get_by_role("button", name="Copy").click()
    expect(page.get_by_text("Copied", exact=True).first).to_be_visible()
    copied = page.evaluate("navigator.clipboard.readText()")
    assert copied == (tmp_path / "credentials").read_text()


# --- Gone --------------------------------------------------------------------------


def test_stored_secret_is_gone_from_the_page_the_history_and_the_storage(
    page: Page, address: str
) -> None:
    reveal(page, address)
    assert SECRET in page.content()
    download(page, "credentials")
    store(page)
    key = AccessKey.objects.get()
    assert page.url.endswith(f"/access/{Entitlement.objects.get().pk}/?credential={key.pk}")
    assert SECRET not in page.evaluate(KEPT)
    for _ in range(3):
        back(page)
        assert SECRET not in page.content()
    assert SECRET not in str(page.context.storage_state())


def test_back_leads_to_who_revealed_it_and_when(page: Page, address: str) -> None:
    reveal(page, address)
    store(page)
    back(page)
    expect(page.get_by_text("You revealed the secret of access key")).to_be_visible()


def test_page_that_a_browser_keeps_in_memory_holds_nothing(page: Page, address: str) -> None:
    reveal(page, address)
    page.evaluate("dispatchEvent(new PageTransitionEvent('pagehide', { persisted: true }))")
    assert SECRET not in page.content()


def test_leaving_before_it_is_stored_is_asked_about(page: Page, address: str) -> None:
    reveal(page, address)
    page.get_by_text("Secret access key").first.click()  # As one who uses the page.
    asked: list[str] = []

    def answer(dialog: Any) -> None:
        asked.append(dialog.type)
        dialog.dismiss()

    page.on("dialog", answer)
    page.get_by_role("link", name="Products").click()
    expect(page.get_by_role("heading", name="Your credentials (shown once)")).to_be_visible()
    assert asked == ["beforeunload"]
    store(page)
    assert asked == ["beforeunload"]


def test_reload_reveals_nothing_and_says_what_happened(page: Page, address: str) -> None:
    reveal(page, address)
    page.on("dialog", lambda dialog: dialog.accept())
    page.reload()
    expect(
        page.get_by_role("heading", name="These credentials have already been revealed")
    ).to_be_visible()
    assert SECRET not in page.content()
    page.get_by_role("link", name="Create a new key").click()
    expect(page.get_by_role("heading", name="What will happen")).to_be_visible()


# --- Everywhere --------------------------------------------------------------------


def test_secret_is_read_and_left_without_script(
    page: Page, address: str, live_server: LiveServer
) -> None:
    browser = page.context.browser
    assert browser is not None
    plain = browser.new_context(base_url=live_server.url, java_script_enabled=False).new_page()
    reveal(plain, address)
    expect(plain.get_by_role("button", name="Download")).to_have_count(0)
    plain.get_by_text("Show the file credentials").click()
    text = plain.locator(".secret", has_text="file credentials").locator("code")
    expect(text).to_be_visible()
    assert f"aws_secret_access_key = {SECRET}" in (text.text_content() or "")
    store(plain)
    assert SECRET not in plain.content()
    back(plain)
    assert SECRET not in plain.content()
    plain.context.close()


def test_no_button_to_download_shows_where_the_script_did_not_come(
    page: Page, address: str, live_server: LiveServer
) -> None:
    browser = page.context.browser
    assert browser is not None
    poor = browser.new_context(base_url=live_server.url).new_page()
    poor.route("**/secret*.js", lambda route: route.abort())
    reveal(poor, address)
    expect(poor.locator("[data-download]")).to_have_count(3)
    expect(poor.get_by_role("button", name="Download")).to_have_count(0)
    store(poor)
    poor.context.close()


def test_pages_of_keys_are_legible_on_any_screen(page: Page, address: str) -> None:
    sign_in(page, "alice@birch.example")
    page.goto(address)
    confirm(page)
    key = AccessKey.objects.get()
    check_legible(page, "/")
    check_legible(page, address)
    page.get_by_role("button", name="Show the secret now").click()
    expect(page.get_by_role("heading", name="Your credentials (shown once)")).to_be_visible()
    for name in ("Show the file credentials", f"Show the file {PROFILE}.env"):
        page.get_by_text(name).click()
    store(page)
    assert not OneTimeSecret.objects.get().is_unrevealed
    rotate = address.replace("reveal", "rotate")
    label = f"/customers/{key.pull_user.customer_id}/labels/"
    for path in (address, rotate, f"/keys/{key.pk}/switch/", label):
        check_legible(page, path)
