"""Pages that no address alone opens, or that look different on the way: each scene goes there, and
yields the route, or a name, of each page to look at."""

import re
from collections.abc import Callable, Iterator
from datetime import timedelta
from urllib.parse import urlsplit

from allauth.account.models import EmailAddress
from allauth.mfa.totp.internal.auth import TOTP, generate_totp_secret
from django.core import mail
from django.utils import timezone
from playwright.sync_api import Locator, Page, expect

from accounts.emails import unsubscribing
from accounts.emails.delivery import send_due
from accounts.flows.invitations import invite
from accounts.models import EmailKind, Membership, User
from provisioning.admin.decisions import DECISIONS
from provisioning.desired.hold import begin as hold
from provisioning.flows import Actor
from provisioning.flows.entitlements import approve, reject, request, suspend, withdraw
from provisioning.models import AccessKey, Drift, Entitlement, PullUser
from tests.browser.signing_in import confirm, sign_in
from tests.portal.site import Site
from tests.provisioned import end, provision

Scene = Callable[[Page, Site], Iterator[str]]
NEW = "dana.van-den-bergh+registry@birch.example"


def link_in_mail() -> str:
    """The path of the first link in the last email."""
    found = re.search(r"https?://[^/\s]+(/\S+)", str(mail.outbox[-1].body))
    assert found
    return found[1]


def invite_new_person(site: Site) -> None:
    """The invitation is the last email that was sent."""
    invite(site.cast.birch, NEW, Membership.Role.ENGINEER, by=Actor(site.cast.alice))
    send_due()
    assert mail.outbox[-1].to == [NEW]


def click(target: Locator) -> None:
    """Waits for the page that opens: else the look might be at the page before."""
    with target.page.expect_navigation():
        target.click()


def press(page: Page, name: str) -> None:
    click(page.get_by_role("button", name=name, exact=True))


def follow(page: Page, name: str) -> None:
    click(page.get_by_role("link", name=name))


# --- Coming in ---------------------------------------------------------------------


def sign_in_by_code(page: Page, site: Site) -> Iterator[str]:
    page.goto("/account/login/code/")
    page.get_by_label("Email").fill(site.cast.bob.email)
    click(page.get_by_role("main").get_by_role("button").first)
    expect(page).to_have_url(re.compile("/account/login/code/confirm/"))
    yield "account/login/code/confirm/"


def unsubscribe(page: Page, site: Site) -> Iterator[str]:
    alice = Membership.objects.get(user=site.cast.alice)
    address = unsubscribing.headers(alice, EmailKind.APPROVED)["List-Unsubscribe"].strip("<>")
    page.goto(urlsplit(address).path)
    yield "account/unsubscribe/<str:token>/"
    press(page, "Turn them off")
    yield "unsubscribed"
    page.goto("/account/unsubscribe/nothing/")
    yield "unsubscribe, no longer valid"


def sessions(page: Page, site: Site) -> Iterator[str]:
    sign_in(page, site.cast.bob.email)
    page.goto("/account/sessions/")
    expect(page.get_by_text("This one")).to_be_visible()
    yield "sessions, one"


def wrong_password(page: Page, site: Site) -> Iterator[str]:
    page.goto("/account/login/")
    page.get_by_label("Email").fill(site.cast.bob.email)
    page.get_by_label("Password").fill("not hers")
    press(page, "Sign in")
    yield "sign in, refused"


def forgotten_password(page: Page, site: Site) -> Iterator[str]:
    page.goto("/account/password/reset/")
    page.get_by_label("Email").fill(site.cast.bob.email)
    click(page.get_by_role("main").get_by_role("button").first)
    expect(page).to_have_url(re.compile("/account/password/reset/done/"))
    page.goto(link_in_mail())
    yield "password reset, by the link"


def invitation(page: Page, site: Site) -> Iterator[str]:
    invite_new_person(site)
    page.goto("/account/invitation/gone/")
    yield "account/invitation/<str:token>/"
    page.goto(link_in_mail())
    yield "account/invitation/"
    follow(page, "Create your account")
    page.get_by_label("Your name").fill("Dana")
    page.get_by_label("Password", exact=False).first.fill("short")
    page.get_by_label("Password (again)").fill("shorter")
    press(page, "Create the account")
    yield "sign up, refused"


def single_sign_on(page: Page, site: Site) -> Iterator[str]:
    invite_new_person(site)
    page.goto(link_in_mail())
    page.goto("/account/login/")
    follow(page, "Birch ID")
    yield "account/oidc/<str:provider_id>/login/"
    press(page, "Continue")
    expect(page).to_have_url(re.compile("/account/3rdparty/signup/"))
    yield "account/3rdparty/signup/"


# --- One's own account -------------------------------------------------------------


def authenticator_app(page: Page, site: Site) -> Iterator[str]:
    TOTP.activate(site.cast.alice, generate_totp_secret())
    page.goto("/account/2fa/")
    yield "two factors, with an app"
    page.goto("/account/2fa/totp/deactivate/")
    yield "account/2fa/totp/deactivate/"
    page.goto("/account/2fa/reauthenticate/")
    yield "confirm by app"
    page.context.clear_cookies()
    sign_in(page, site.cast.alice.email)
    expect(page).to_have_url(re.compile("/account/2fa/authenticate/"))
    yield "account/2fa/authenticate/"


def passkey(page: Page, site: Site) -> Iterator[str]:
    page.goto("/account/2fa/webauthn/add/")
    page.get_by_label("A passkey").check()
    press(page, "Add the key")
    expect(page.get_by_role("heading", name="Recovery codes")).to_be_visible()
    page.goto("/account/2fa/webauthn/")
    yield "passkeys, one"
    follow(page, "Rename")
    yield "account/2fa/webauthn/keys/<int:pk>/edit/"
    page.goto("/account/2fa/webauthn/")
    follow(page, "Remove")
    yield "account/2fa/webauthn/keys/<int:pk>/remove/"
    page.goto("/account/reauthenticate/")
    expect(page).to_have_url(re.compile("/account/2fa/webauthn/reauthenticate/"))
    yield "account/2fa/webauthn/reauthenticate/"


def no_password(page: Page, site: Site) -> Iterator[str]:
    erik = User.objects.get(email="erik@birch.example")
    erik.set_unusable_password()
    erik.save()
    EmailAddress.objects.create(user=erik, email=erik.email, verified=True, primary=True)
    page.goto("/account/login/code/")
    page.get_by_label("Email").fill(erik.email)
    click(page.get_by_role("main").get_by_role("button").first)
    code = re.search(r"^\s*([A-Z0-9-]{6,})\s*$", str(mail.outbox[-1].body), re.MULTILINE)
    assert code
    page.get_by_label("Code").fill(code[1])
    click(page.get_by_role("main").get_by_role("button").first)
    expect(page.get_by_role("button", name="account menu")).to_be_visible()
    page.goto("/account/password/set/")
    yield "account/password/set/"


def unverified_address(page: Page, site: Site) -> Iterator[str]:
    page.goto("/account/email/")
    page.get_by_role("textbox").fill(f"a.rather.long.address.of.alice@{'department.' * 4}example")
    press(page, "Add the address")
    yield "account/confirm-email/"


# --- A customer --------------------------------------------------------------------


def states_of_access(page: Page, site: Site) -> Iterator[str]:
    cast, by = site.cast, Actor(site.cast.sandra)
    reports = request(cast.birch, cast.reports, reference="PO-2026-0017", by=Actor(cast.alice))
    address = f"/access/{reports.pk}/"
    page.goto(address)
    yield "access requested"
    approve(reports, by=by, note="Welcome to the reports; they come with a year of updates.")
    page.goto(address)
    yield "access being set up"
    PullUser.objects.update(attention="AccessDenied: the role may not do iam:CreateUser.")
    page.goto(address)
    yield "access needs attention"
    PullUser.objects.update(attention="")
    provision(cast.birch)
    page.goto("/")
    yield "home with two"
    suspend(reports, by=by, reason="Unpaid")
    page.goto(address)
    yield "access being suspended"
    withdraw(reports, by=by, reason="Unpaid")
    end(cast.birch)
    page.goto(address)
    yield "access ended"


def rejection(page: Page, site: Site) -> Iterator[str]:
    cast = site.cast
    reports = request(cast.birch, cast.reports, by=Actor(cast.alice))
    reject(reports, by=Actor(cast.sandra), note="Reports come with the contract of 2027.")
    page.goto(f"/access/{reports.pk}/")
    yield "access rejected"


def credentials(page: Page, site: Site) -> Iterator[str]:
    page.goto(f"/credentials/{site.pull_user.pk}/reveal/")
    press(page, "Show the secret now")
    expect(page.get_by_text("Secret access key").first).to_be_visible()
    yield "the secret, once"
    long_ago, soon = timezone.now() - timedelta(days=80), timezone.now() + timedelta(days=3)
    AccessKey.objects.update(last_used_at=long_ago, last_used_for="ecr", expires_at=soon)
    page.goto(f"/access/{site.entitlement.pk}/")
    yield "access revealed"
    page.goto(f"/credentials/{site.pull_user.pk}/rotate/")
    yield "rotate a used key"
    click(page.get_by_role("main").get_by_role("button").last)
    page.goto(f"/access/{site.entitlement.pk}/")
    yield "access with a key that retires"
    old = AccessKey.objects.get()
    place = f"/access/{site.entitlement.pk}/credentials/"
    page.goto(place)
    yield "credentials with a key that retires"
    page.goto(f"/keys/{old.pk}/end/")
    yield "keys/<int:pk>/end/"


def diagnosis(page: Page, site: Site) -> Iterator[str]:
    page.goto(f"/access/{site.entitlement.pk}/diagnosis/")
    page.get_by_label("Error message").fill("no basic auth credentials")
    press(page, "Explain this error")
    yield "diagnosis with a known cause"
    page.get_by_label("Error message").fill("the moon is full")
    press(page, "Explain this error")
    yield "diagnosis without a known cause"


def viewer(page: Page, site: Site) -> Iterator[str]:
    for name in (f"/access/{site.entitlement.pk}/", f"/customers/{site.cast.birch.pk}/", "/"):
        page.goto(name)
        yield f"viewer at {name.split('/')[1] or 'home'}"


def no_organisation(page: Page, site: Site) -> Iterator[str]:
    Membership.objects.filter(user=site.cast.charlie).delete()
    page.goto("/")
    yield "home without an organisation"


# --- The vendor's people -----------------------------------------------------------


def problems_for_ops(page: Page, site: Site) -> Iterator[str]:
    PullUser.objects.update(attention="AccessDenied: the role may not do iam:CreateUser.")
    site.cast.registry.repositories.update(attention="The policy is full.", failures=3)
    site.cast.registry.paused_at = timezone.now()
    PullUser.objects.update(denied="the role")
    site.cast.registry.paused_because = "The role cannot be assumed."
    site.cast.registry.save()
    page.goto("/ops/")
    expect(page.get_by_text("Registry paused")).to_be_visible()
    yield "dashboard with problems"


def held_portal(page: Page, site: Site) -> Iterator[str]:
    hold("The backup of last night was restored.")
    user = PullUser.objects.get(name="birch-bank")
    made = {"status": "Active", "created_at": "2026-11-20T08:00:00+00:00"}
    used = {"used_at": "2026-11-26T08:00:00+00:00", "used_for": "ecr in eu-central-1"}
    for number in range(3):
        Drift.objects.create(
            kind="key_unknown", subject=f"AKIAEXAMPLE{number}", pull_user=user, facts=made | used
        )
    Drift.objects.create(
        kind="grant_unknown",
        subject="arn:aws:iam::123456789012:user/ecr-portal/delta-dental",
        repository=site.cast.registry.repositories.first(),
    )
    page.goto("/ops/")
    expect(page.get_by_text("The portal is held")).to_be_visible()
    yield "dashboard of a held portal"
    follow(page, "See what differs")
    expect(page.get_by_role("button", name="Adopt the selected").first).to_be_visible()
    yield "hold with differences"


def member_to_confirm(page: Page, site: Site) -> Iterator[str]:
    bob = Membership.objects.filter(user=site.cast.bob)
    bob.update(awaits_confirmation=True, role=Membership.Role.OWNER)
    bob.update(reveals_locked_at=timezone.now())
    page.goto(f"/customers/{site.cast.birch.pk}/")
    expect(page.get_by_text("Awaits confirmation")).to_be_visible()
    yield "members, one to confirm"
    page.goto(f"/members/{bob.get().pk}/")
    expect(page.get_by_role("button", name="Confirm this member")).to_be_visible()
    yield "member to confirm"


def every_decision(page: Page, site: Site) -> Iterator[str]:
    asked = request(site.cast.cedar, site.cast.reports, by=Actor(site.cast.charlie))
    page.goto(f"/admin/provisioning/entitlement/{asked.pk}/change/")
    yield "admin request"
    pks = "&".join(f"pk={pk}" for pk in Entitlement.objects.values_list("pk", flat=True))
    for name in DECISIONS:
        page.goto(f"/admin/provisioning/entitlement/decide/{name}/?{pks}")
        yield f"decide {name}"
    page.evaluate("for (const form of document.forms) form.noValidate = true")
    click(page.get_by_role("button", name=DECISIONS[name].verb))
    expect(page.get_by_text("This field is required.")).to_be_visible()
    yield "decide, refused"


def interrupted_form(page: Page, site: Site) -> Iterator[str]:
    sign_in(page, site.cast.sandra.email)
    page.goto("/admin/accounts/customer/add/")
    page.get_by_label("Name").fill("Dogwood Bank")
    page.get_by_label("Slug").fill("dogwood")
    press(page, "Save")
    confirm(page)
    expect(page.get_by_role("heading", name="Go on where you were")).to_be_visible()
    yield "interrupted form"
    press(page, "Send the form")
    expect(page.get_by_text("was added successfully")).to_be_visible()


# --- Errors ------------------------------------------------------------------------


def errors(page: Page, site: Site) -> Iterator[str]:
    for status, address in (
        (400, "/reject/"),
        (403, "/ops/"),
        (404, "/nowhere/"),
        (500, "/fail/"),
    ):
        answer = page.goto(address)
        assert answer is not None
        assert answer.status == status
        yield f"error {status}"
    page.goto(f"/customers/{site.cast.birch.pk}/invite/")
    page.evaluate("document.querySelector('main [name=csrfmiddlewaretoken]').value = 'x'")
    page.get_by_label("Email address").fill(NEW)
    press(page, "Send the invitation")
    expect(page.get_by_role("heading", name="This form has expired")).to_be_visible()
    yield "error csrf"


def too_many_tries(page: Page, site: Site) -> Iterator[str]:
    heading = page.get_by_role("heading", name="Too many attempts")
    for _ in range(30):
        page.goto("/account/password/reset/")
        page.get_by_label("Email").fill(site.cast.bob.email)
        click(page.get_by_role("main").get_by_role("button").first)
        if heading.is_visible():
            break
    expect(heading).to_be_visible()
    yield "error 429"


# Each with who walks it.
SCENES: dict[Scene, str] = {
    sign_in_by_code: "nobody",
    sessions: "nobody",
    wrong_password: "nobody",
    unsubscribe: "nobody",
    forgotten_password: "nobody",
    invitation: "nobody",
    single_sign_on: "nobody",
    authenticator_app: "owner",
    passkey: "owner",
    no_password: "nobody",
    unverified_address: "owner",
    states_of_access: "owner",
    rejection: "owner",
    credentials: "owner",
    diagnosis: "owner",
    viewer: "viewer",
    no_organisation: "stranger",
    problems_for_ops: "ops",
    held_portal: "ops",
    member_to_confirm: "owner",
    every_decision: "sales",
    interrupted_form: "nobody",
    errors: "owner",
    too_many_tries: "nobody",
}
