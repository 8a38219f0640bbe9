"""The page of a product in a browser: its tabs, and the explanation of errors."""

import pytest
from playwright.sync_api import Page, expect

from provisioning.demo.seed import PASSWORD, Cast
from provisioning.models import Repository
from tests.browser.legible import check_legible
from tests.browser.looking import PHONE
from tests.entitlements import approved
from tests.images import digest, pushed
from tests.provisioned import provision


@pytest.fixture
def address(page: Page, request: pytest.FixtureRequest) -> str:
    """The address of Acme Server, which is ready; Alice is signed in."""
    # Tests with a live server empty every table, and the migrations' groups go with them.
    cast: Cast = request.getfixturevalue("cast")
    entitlement = approved(cast)
    provision(cast.birch)
    pushed("acme/agent", 1)
    pushed("acme/server", 2)
    page.goto("/account/login/")
    page.get_by_label("Email").fill(cast.alice.email)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in", exact=True).click()
    expect(page.get_by_role("button", name="account menu")).to_be_visible()
    return f"/access/{entitlement.pk}/"


def test_pages_about_pulling_are_legible_on_any_screen(page: Page, address: str) -> None:
    for tab in ("", "images/", "credentials/", "diagnosis/", "activity/"):
        path = address + tab
        check_legible(page, path)


def test_commands_follow_each_choice_and_the_address_keeps_it(page: Page, address: str) -> None:
    page.goto(address)
    page.evaluate("window.isAsLoaded = true")
    commands = page.locator(".numbered")
    page.get_by_label("Repository").select_option("acme/server")
    expect(commands).to_contain_text("docker pull")
    expect(commands).to_contain_text("/acme/server:1.2")
    page.get_by_label("Version").select_option("1.1")
    expect(commands).to_contain_text("/acme/server:1.1")
    page.get_by_label("Where it runs").select_option("In Kubernetes")
    expect(commands).to_contain_text("kubectl")
    page.get_by_role("link", name="Renewed").click()
    expect(commands).to_contain_text("kind: CronJob")
    page.get_by_label("Namespace").fill("build-farm")
    page.get_by_label("Namespace").press("Tab")
    expect(commands).to_contain_text("--namespace build-farm")
    # All on the same page, which can be opened again as it is.
    assert page.evaluate("window.isAsLoaded")
    page.goto(page.url)
    expect(commands).to_contain_text("--namespace build-farm")
    expect(commands).to_contain_text("/acme/server:1.1")
    page.go_back()
    expect(page.get_by_label("Where it runs")).to_have_value("cluster")


def test_tool_is_chosen_from_a_list_on_a_phone(page: Page, address: str) -> None:
    page.set_viewport_size(PHONE)
    page.goto(address)
    expect(page.get_by_role("link", name="Podman")).to_be_hidden()
    page.get_by_label("Tool", exact=True).select_option("Podman")
    expect(page.locator(".numbered")).to_contain_text("podman pull")


def test_all_steps_and_the_link_can_be_copied(page: Page, address: str) -> None:
    page.goto(f"{address}?tool=podman")
    copy = page.get_by_role("button", name="Copy all steps")
    copy.click()
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    assert page.evaluate("navigator.clipboard.readText()").startswith("#!/bin/sh")
    expect(copy).to_be_visible()
    page.get_by_role("button", name="Copy link to this choice").click()
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    page.goto(page.evaluate("navigator.clipboard.readText()"))
    expect(page.locator(".numbered")).to_contain_text("podman pull")


def test_images_are_named_by_their_copy_buttons_in_each_way(page: Page, address: str) -> None:
    server = Repository.objects.get(name="acme/server")
    page.goto(f"{address}images/?repository=acme/server")
    row = page.locator("#images tbody tr").first
    for name, copied in (
        ("Copy address of 1.2", f"{server.pull_uri}:1.2"),
        ("the digest", f"{server.pull_uri}@{digest(2)}"),
    ):
        button = row.get_by_role("button", name=name)
        button.click()
        expect(row.get_by_role("button", name="Copied")).to_be_visible()
        # The next one is pressed when this one is itself again.
        expect(button).to_be_visible()
        assert page.evaluate("navigator.clipboard.readText()") == copied


def test_pasted_error_leads_to_its_cause_and_leaves_the_field_empty(
    page: Page, address: str
) -> None:
    page.goto(f"{address}diagnosis/")
    page.get_by_label("Error message").fill("no basic auth credentials")
    page.get_by_role("button", name="Explain this error").click()
    expect(page.locator("#found h3")).to_contain_text("no basic auth credentials")
    expect(page.get_by_label("Error message")).to_have_value("")
    assert "basic" not in page.url
