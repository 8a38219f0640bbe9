"""Single sign-on with an OpenID Connect provider."""

from typing import Any

from allauth.account.models import EmailAddress
from playwright.sync_api import Page, expect
from pytest_django import Settings

from accounts.models import User
from provisioning.demo.seed import Cast
from tests.browser.signing_in import confirm, expect_home, sign_in, sign_out


def sign_in_at_provider(page: Page) -> None:
    page.get_by_role("link", name="Birch ID").click()
    page.get_by_role("button", name="Continue").click()


def test_member_connects_single_sign_on_and_then_signs_in_with_it(
    page: Page, cast: Cast, person: dict[str, Any]
) -> None:
    person["email"] = cast.alice.email
    sign_in(page, cast.alice.email)
    page.goto("/account/3rdparty/")
    confirm(page)
    sign_in_at_provider(page)
    expect(page.get_by_text("Single sign-on is connected")).to_be_visible()
    sign_out(page)
    sign_in_at_provider(page)
    expect_home(page)


def test_person_without_invitation_gets_no_account_by_single_sign_on(
    page: Page, cast: Cast, person: dict[str, Any]
) -> None:
    person["email"] = "mallory@example.com"
    page.goto("/account/login/")
    sign_in_at_provider(page)
    expect(page.get_by_role("heading", name="Accounts are by invitation")).to_be_visible()
    assert not User.objects.filter(email="mallory@example.com").exists()


def test_address_reported_by_an_identity_provider_opens_no_existing_account(
    page: Page, cast: Cast, person: dict[str, Any], settings: Settings
) -> None:
    settings.SIGNUP = "open"
    person["email"] = cast.alice.email
    page.goto("/account/login/")
    sign_in_at_provider(page)
    expect(page.get_by_role("heading", name="Verify your email address")).to_be_visible()
    page.goto("/")
    expect(page.get_by_role("heading", name="Verify your email address")).to_be_visible()
    assert EmailAddress.objects.filter(email=cast.alice.email).count() == 1
