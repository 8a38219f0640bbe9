"""The appearance of pages, measured and used in a browser."""

import pytest
from allauth.account.models import EmailAddress
from playwright.sync_api import Page, expect
from pytest_django.live_server_helper import LiveServer

from accounts.models import User
from tests.browser.legible import check_legible

pytestmark = pytest.mark.urls("tests.browser.style_sheet")

PASSWORD = "correct horse battery"
STYLE_SHEET = "/style-sheet/"
PUBLIC = [
    STYLE_SHEET,
    "/account/login/",
    "/account/login/code/",
    "/account/password/reset/",
    "/account/signup/",
    "/nowhere/",
    "/reject/",
    "/fail/",
]
OWN = [
    "/",
    "/account/email/",
    "/account/password/change/",
    "/account/2fa/",
    "/account/reauthenticate/",
    "/account/logout/",
    "/ops/",
]


@pytest.fixture
def alice(page: Page) -> User:
    """Alice, signed in through the form."""
    user = User.objects.create_user("alice@example.com", PASSWORD, name="Alice")
    EmailAddress.objects.create(user=user, email=user.email, verified=True, primary=True)
    page.goto("/account/login/")
    sign_in(page)
    expect(page.get_by_role("button", name="account menu")).to_be_visible()
    return user


def sign_in(page: Page) -> None:
    page.get_by_label("Email").fill("alice@example.com")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in", exact=True).click()


@pytest.mark.parametrize("address", PUBLIC)
def test_page_is_legible_on_any_screen(page: Page, address: str) -> None:
    check_legible(page, address)


def test_pages_of_who_is_signed_in_are_legible_on_any_screen(page: Page, alice: User) -> None:
    for address in OWN:
        check_legible(page, address)


def test_admin_keeps_to_the_content_security_policy(page: Page, alice: User) -> None:
    User.objects.update(is_staff=True, is_superuser=True)
    for address in ("/admin/", "/admin/accounts/user/", f"/admin/accounts/user/{alice.pk}/change/"):
        page.goto(address)
        expect(page.locator("#site-name")).to_have_text("ECR Portal admin")


@pytest.mark.parametrize(("scheme", "is_dark"), [("light", False), ("dark", True)])
def test_background_follows_the_colours_of_the_system(
    page: Page, scheme: str, *, is_dark: bool
) -> None:
    page.emulate_media(color_scheme="dark" if is_dark else "light")
    page.goto("/account/login/")
    background = page.evaluate("getComputedStyle(document.documentElement).backgroundColor")
    lightness = float(background.removeprefix("oklch(").split()[0])
    assert (lightness < 0.3) == is_dark


def test_skip_link_is_the_first_stop_and_leads_to_the_content(page: Page) -> None:
    page.goto("/account/login/")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("main")).to_be_focused()


def test_copy_button_copies_the_command_without_its_prompt(page: Page) -> None:
    page.goto(STYLE_SHEET)
    command = page.locator(".command:visible").first
    command.get_by_role("button").click()
    expect(command.get_by_role("button")).to_contain_text("Copied")
    copied = page.evaluate("navigator.clipboard.readText()")
    assert copied == command.locator("code").text_content()
    assert copied.startswith("aws ecr get-login-password")


def test_copy_button_selects_where_the_browser_has_no_clipboard(page: Page) -> None:
    page.add_init_script("Object.defineProperty(navigator, 'clipboard', { value: undefined })")
    page.goto(STYLE_SHEET)
    page.locator(".secret").get_by_role("button").click()
    expect(page.locator(".secret").get_by_role("button")).to_contain_text("Selected")
    assert page.evaluate("getSelection().toString().trim()").endswith("EXAMPLEKEY")


def test_secret_is_covered_until_it_is_opened(page: Page) -> None:
    page.goto(STYLE_SHEET)
    secret = page.locator(".secret code")
    expect(secret).to_be_hidden()
    page.get_by_text("Show the secret access key").click()
    expect(secret).to_be_visible()


def test_error_of_a_field_is_tied_to_it(page: Page) -> None:
    page.goto(STYLE_SHEET)
    field = page.locator("#id_failed-reference")
    expect(field).to_have_attribute("aria-invalid", "true")
    expect(field).to_have_accessible_description("As on your order. This field is required.")


def test_account_menu_signs_out(page: Page, alice: User) -> None:
    expect(page.get_by_role("button", name="Sign out")).to_be_hidden()
    page.get_by_role("button", name="account menu").click()
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()


def test_site_works_without_script(page: Page, alice: User, live_server: LiveServer) -> None:
    browser = page.context.browser
    assert browser is not None
    plain = browser.new_context(base_url=live_server.url, java_script_enabled=False).new_page()
    plain.goto("/account/login/")
    sign_in(plain)
    plain.get_by_role("button", name="account menu").click()
    expect(plain.get_by_role("button", name="Sign out")).to_be_visible()
    plain.goto(STYLE_SHEET)
    expect(plain.locator(".command:visible").first).to_be_visible()
    expect(plain.locator("[data-copy]:visible")).to_have_count(0)
