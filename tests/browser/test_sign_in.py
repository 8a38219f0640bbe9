"""Every way to sign in, in a browser."""

import re

from django.core import mail
from playwright.sync_api import CDPSession, Page, expect

from accounts.actor import Actor
from accounts.emails import delivery
from accounts.flows import invitations
from accounts.flows.members import Role
from provisioning.demo.seed import PASSWORD, Cast
from tests.accounts.app_codes import app_code
from tests.browser.legible import check_legible
from tests.browser.signing_in import confirm, expect_home, sign_in, sign_out

DANA = "dana@birch.example"


def test_invited_colleague_signs_up_and_sees_what_her_organisation_has(
    page: Page, cast: Cast
) -> None:
    sign_in(page, cast.alice.email)
    page.get_by_role("link", name="Organisation").click()
    page.get_by_role("link", name="Invite a colleague").click()
    confirm(page)
    page.get_by_label("Email address").fill(DANA)
    page.get_by_label("Engineer").check()
    page.get_by_role("button", name="Send the invitation").click()
    expect(page.get_by_text(f"{DANA} is invited.")).to_be_visible()
    sign_out(page)
    delivery.send_due()
    link = re.search(r"/account/invitation/[\w-]+/", str(mail.outbox[-1].body))
    assert link
    page.goto(link[0])
    page.get_by_role("link", name="Create your account").click()
    page.get_by_label("Your name").fill("Dana Diaz")
    expect(page.get_by_label("Email")).to_have_value(DANA)
    page.get_by_label("Password", exact=False).first.fill(PASSWORD)
    page.get_by_label("Password (again)").fill(PASSWORD)
    page.get_by_role("button", name="Create the account").click()
    page.get_by_role("button", name="Join").click()
    expect(page.get_by_text("You are now a member of Birch Bank.")).to_be_visible()
    expect_home(page)


def test_authenticator_app_is_set_up_and_then_asked_for(page: Page, cast: Cast) -> None:
    sign_in(page, cast.alice.email)
    page.goto("/account/2fa/")
    page.get_by_role("link", name="Set up an app").click()
    confirm(page)
    secret = page.get_by_label("Secret of the app").input_value()
    page.get_by_label("Authenticator code").fill(app_code(secret))
    page.get_by_role("button", name="Start using the app").click()
    expect(page.get_by_role("heading", name="Recovery codes")).to_be_visible()
    sign_out(page)
    sign_in(page, cast.alice.email)
    page.get_by_label("Code").fill(app_code(secret, periods_later=1))  # Each works once.
    page.get_by_role("button", name="Sign in", exact=True).click()
    expect_home(page)


def test_passkey_is_made_signs_in_and_confirms_who_it_is(
    page: Page, cast: Cast, authenticator: CDPSession
) -> None:
    sign_in(page, cast.alice.email)
    page.goto("/account/2fa/webauthn/add/")
    confirm(page)
    page.get_by_label("A passkey").check()
    page.get_by_role("button", name="Add the key").click()
    expect(page.get_by_role("heading", name="Recovery codes")).to_be_visible()
    sign_out(page)
    # From now on the passkey is all that she has.
    cast.alice.set_unusable_password()
    cast.alice.save()
    page.get_by_role("button", name="Sign in with a passkey").click()
    expect_home(page)
    page.get_by_role("link", name="Organisation").click()
    page.get_by_role("link", name="Invite a colleague").click()
    # Her sign-in with the passkey counts for a while.
    expect(page.get_by_role("heading", name="Invite a colleague")).to_be_visible()
    page.goto("/account/reauthenticate/")
    expect(page.get_by_role("heading", name="Confirm that it is you")).to_be_visible()
    page.get_by_role("button", name="Use a passkey or security key").click()
    expect_home(page)


def test_pages_of_an_organisation_are_legible_on_any_screen(page: Page, cast: Cast) -> None:
    by = Actor(cast.alice)
    invitation = invitations.invite(cast.birch, DANA, Role.ENGINEER, by=by)
    members = f"/members/{cast.bob.memberships.get().pk}/"
    sign_in(page, cast.alice.email)
    page.goto(members)
    confirm(page)
    expect(page.get_by_role("heading", name="Bob Berger at Birch Bank")).to_be_visible()
    here = f"/customers/{cast.birch.pk}/"
    for address in (here, f"{here}invite/", f"{here}leave/", f"/invitations/{invitation.pk}/"):
        check_legible(page, address)
    for address in (members, "/account/sessions/", "/account/2fa/webauthn/add/"):
        check_legible(page, address)
