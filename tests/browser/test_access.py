"""The page of a product in a browser: its tabs, and the explanation of errors."""

import pytest
from django.utils import timezone
from playwright.sync_api import Page, expect

from provisioning.demo.seed import PASSWORD, Cast
from provisioning.models import Repository
from tests.browser.legible import check_legible
from tests.entitlements import approved
from tests.provisioned import provision

DIGEST = f"sha256:{'5e' * 32}"


@pytest.fixture
def address(page: Page, request: pytest.FixtureRequest) -> str:
    """The address of Acme Server, which is ready; Alice is signed in."""
    # Tests with a live server empty every table, and the migrations' groups go with them.
    cast: Cast = request.getfixturevalue("cast")
    entitlement = approved(cast)
    provision(cast.birch)
    page.goto("/account/login/")
    page.get_by_label("Email").fill(cast.alice.email)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in", exact=True).click()
    expect(page.get_by_role("button", name="account menu")).to_be_visible()
    return f"/access/{entitlement.pk}/"


def test_pages_about_pulling_are_legible_on_any_screen(page: Page, address: str) -> None:
    for path in (address, f"{address}diagnosis/"):
        check_legible(page, path)


def test_tools_of_a_group_show_when_the_group_is_chosen(page: Page, address: str) -> None:
    page.goto(address)
    page.get_by_role("link", name="acme/server").click()
    card = page.locator("section.card", has=page.get_by_role("heading", name="Pull acme/server"))
    docker = card.get_by_text("docker pull", exact=False).first
    job = card.get_by_text("kind: CronJob")
    expect(docker).to_be_visible()
    card.get_by_text("In Kubernetes", exact=True).click()
    expect(docker).to_be_hidden()
    # The first tool of the group is chosen; the arrow key leads to the next.
    card.get_by_role("radio", name="Kubernetes", exact=True).press("ArrowRight")
    expect(job).to_be_visible()


def test_images_are_named_by_their_copy_buttons_in_each_way(page: Page, address: str) -> None:
    server = Repository.objects.get(name="acme/server")
    server.images.create(digest=DIGEST, tags=["1.1"], pushed_at=timezone.now())
    check_legible(page, f"{address}repositories/{server.pk}/")
    row = page.locator("#images tbody tr")
    for name, copied in (
        ("Copy address of 1.1", f"{server.pull_uri}:1.1"),
        ("Copy the digest", DIGEST),
        ("Copy address by digest", f"{server.pull_uri}@{DIGEST}"),
    ):
        button = row.get_by_role("button", name=name)
        button.click()
        expect(button).to_have_count(0)  # It says "Copied" now.
        assert page.evaluate("navigator.clipboard.readText()") == copied
        expect(button).to_be_visible()


def test_pasted_error_leads_to_its_cause_and_leaves_the_field_empty(
    page: Page, address: str
) -> None:
    page.goto(address)
    page.get_by_label("Error message").fill("no basic auth credentials")
    page.get_by_role("button", name="Explain this error").click()
    expect(page.locator("#found h3")).to_contain_text("no basic auth credentials")
    expect(page.get_by_label("Error message")).to_have_value("")
    assert "basic" not in page.url
