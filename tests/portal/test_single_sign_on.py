"""Single sign-on beside passwords: whose identity may be connected, and what a provider reports."""

import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.socialaccount.models import SocialAccount
from bs4 import BeautifulSoup
from django.core import mail
from django.db import connection
from django.test import Client
from django.utils import timezone
from pytest_django.fixtures import Settings

from accounts.actor import Actor, Refused
from accounts.flows import invitations, members, own_account, sign_in_rules
from accounts.models import AuditEvent, Customer, Email, Membership, User
from accounts.permissions import NotAllowed
from provisioning.demo.seed import PASSWORD, Cast
from tests import identity_provider
from tests.accounts.reported import reported_before
from tests.portal.pages.pages import RECORDS, as_user, just_signed_in, words

CONNECTIONS = "/account/3rdparty/"


@pytest.fixture
def person(settings: Settings) -> Iterator[dict[str, Any]]:
    """The person signed in at the provider."""
    with identity_provider.serving(settings) as person:
        yield person


def single_sign_on(client: Client, process: str = "login", method: str = "get") -> Any:
    """Go to the provider and come back, as a browser does."""
    to = client.post(f"/account/oidc/oidc/login/?process={process}")
    if "state=" not in to.get("Location", ""):
        return to
    state = parse_qs(urlsplit(to["Location"]).query)["state"][0]
    callback = "/account/oidc/oidc/login/callback/"
    come_back = getattr(client, method)
    return come_back(f"{callback}?code=code&state={state}", follow=method == "get")


def identities(user: User) -> list[str]:
    return [row.uid for row in SocialAccount.objects.filter(user=user).order_by("uid")]


def opened(client: Client, cast: Cast, **extra: Any) -> Any:
    """The page of Cedar Clinic."""
    return client.get(f"/customers/{cast.cedar.pk}/", **extra)


def plant_identity(user: User, person: dict[str, Any]) -> None:
    """Who knows the password makes an address of their own the primary one, and connects the
    identity with that address."""
    own, evil = user.email, "thief@evil.example"
    thief = just_signed_in(user)
    EmailAddress.objects.create(user=user, email=evil, verified=True)
    EmailAddress.objects.get_or_create(user=user, email=own, verified=True)
    thief.post("/account/email/", {"email": evil, "action_primary": ""})
    person |= {"sub": "8", "email": evil}
    single_sign_on(thief, "connect")


@pytest.fixture
def strict(cast: Cast) -> Cast:
    """Cedar Clinic requires single sign-on of its members."""
    Customer.objects.filter(pk=cast.cedar.pk).update(requires_single_sign_on=True)
    return cast


@pytest.mark.parametrize(
    ("reported", "is_verified", "counts"),
    [
        ("charlie", True, True),
        ("charlie", "true", True),
        ("charlie", False, False),
        ("charlie", "false", False),
        ("charlie", None, False),
        ("foreign", True, False),
    ],
)
def test_only_the_identity_with_ones_own_address_counts_by_itself(
    strict: Cast, person: dict[str, Any], reported: str, *, is_verified: Any, counts: bool
) -> None:
    domain = strict.charlie.email.partition("@")[2]
    person |= {"email": f"{reported}@{domain}", "email_verified": is_verified}
    single_sign_on(just_signed_in(strict.charlie), "connect")
    charlie = Client()
    single_sign_on(charlie)
    shown = opened(charlie, strict)
    assert (shown.status_code == 200) is counts
    assert ("An owner must confirm your identity" in words(shown)) is not counts


def test_owner_confirms_an_identity_with_another_address(
    strict: Cast, person: dict[str, Any], settings: Settings
) -> None:
    person["email"] = "c.chen@cedar.example"
    single_sign_on(just_signed_in(strict.charlie), "connect")
    charlie = Client()
    single_sign_on(charlie)
    opened(charlie, strict)
    membership = strict.cedar.memberships.get(user=strict.charlie)
    with pytest.raises(Refused, match="Another owner"):
        members.confirm_identity(membership, "", by=Actor(strict.charlie))
    Membership.objects.create(user=strict.bob, customer=strict.cedar, role="owner")
    Membership.objects.filter(user=strict.bob, customer=strict.birch).delete()
    Customer.objects.update(requires_single_sign_on=False)
    bob = just_signed_in(strict.bob)
    page = f"/members/{membership.pk}/"
    Customer.objects.filter(pk=strict.cedar.pk).update(requires_single_sign_on=True)
    SocialAccount.objects.create(
        user=strict.bob,
        provider="oidc",
        uid="b",
        extra_data={"userinfo": {"email": strict.bob.email, "email_verified": True}},
    )
    session = bob.session
    used = {"method": "socialaccount", "at": 0, "uid": "b"}
    session[RECORDS] = [*session[RECORDS], used]
    session.save()
    shown = bob.get(page)
    assert "reports c.chen@cedar.example" in words(shown)
    field = BeautifulSoup(shown.content, "html.parser").select_one("input[name=identity]")
    assert field is not None
    # Meanwhile someone else signs in with it: the owner confirms what was on the page.
    seen = {"confirm_identity": "yes", "identity": str(field["value"])}
    person["email"] = "thief@evil.example"
    thief = Client()
    single_sign_on(thief)
    opened(thief, strict)
    bob.post(page, seen)
    assert opened(thief, strict).status_code == 403
    person["email"] = "c.chen@cedar.example"
    charlie = Client()
    single_sign_on(charlie)
    opened(charlie, strict)
    bob.post(page, seen)
    assert opened(charlie, strict).status_code == 200
    assert AuditEvent.objects.filter(subject__contains="signs in as c.chen@cedar").exists()


def test_member_without_an_identity_is_led_to_connect_one(strict: Cast) -> None:
    shown = opened(as_user(strict.charlie), strict)
    assert shown["Location"] == CONNECTIONS
    shown = opened(just_signed_in(strict.charlie), strict, follow=True)
    assert "Cedar Clinic requires single sign-on. Connect it to your account." in words(shown)


def test_address_that_is_not_verified_is_shown_as_such(
    strict: Cast, person: dict[str, Any]
) -> None:
    person |= {"email": strict.charlie.email, "email_verified": False}
    single_sign_on(just_signed_in(strict.charlie), "connect")
    charlie = Client()
    single_sign_on(charlie)
    shown = opened(charlie, strict)
    assert f"{strict.charlie.email} (not verified by the provider)" in words(shown)


def test_own_account_opens_only_where_every_strict_organisation_is_satisfied(
    strict: Cast, person: dict[str, Any]
) -> None:
    other = Customer.objects.create(name="Aaa", slug="aaa", requires_single_sign_on=True)
    Membership.objects.create(user=strict.charlie, customer=other, role="viewer", identity="66")
    person |= {"sub": "66", "email": "thief@evil.example"}
    single_sign_on(just_signed_in(strict.charlie), "connect")
    thief = Client()
    single_sign_on(thief)
    assert "An owner must confirm" in words(thief.get("/account/email/", follow=True))


def test_address_that_a_provider_has_not_verified_claims_nothing(
    cast: Cast, person: dict[str, Any]
) -> None:
    invitation = invitations.invite(
        cast.cedar, "x@evil.example", Membership.Role.VIEWER, by=Actor(cast.charlie)
    )
    thief = Client()
    thief.get(f"/account/invitation/{invitations.make_token(invitation.pk)}/")
    person |= {"sub": "9", "email": "victim@larch.example", "email_verified": False}
    single_sign_on(thief)
    thief.post("/account/3rdparty/signup/", {"email": "x@evil.example", "name": "X"})
    assert User.objects.filter(email="x@evil.example").exists()
    assert not EmailAddress.objects.filter(email="victim@larch.example").exists()


def test_identity_of_another_account_takes_nobodys_place(
    cast: Cast, person: dict[str, Any]
) -> None:
    person["email"] = cast.alice.email
    single_sign_on(just_signed_in(cast.alice), "connect")
    SocialAccount.objects.create(user=cast.bob, provider="oidc", uid="8")
    person["sub"] = "8"
    single_sign_on(just_signed_in(cast.alice), "connect")
    assert identities(cast.alice) == ["7"]


def test_sales_cannot_lift_the_rule(strict: Cast) -> None:
    with pytest.raises(NotAllowed):
        sign_in_rules.lift(strict.cedar, by=Actor(strict.sandra))


def test_vendor_lifts_the_rule_where_no_owner_can_sign_in(strict: Cast) -> None:
    root = just_signed_in(User.objects.create_superuser("root@acme.example", "x"))
    page = f"/admin/accounts/customer/{strict.cedar.pk}/change/"
    soup = BeautifulSoup(root.get(page).content, "html.parser")
    fields = {
        str(field["name"]): str(field.get("value") or "")
        for field in soup.select("#customer_form input[name]")
        if field.get("type") not in ("checkbox", "submit")
    }
    for choice in soup.select("#customer_form select[name]"):
        chosen = choice.select_one("option[selected]")
        fields[str(choice["name"])] = str(chosen["value"]) if chosen else ""
    shown = root.post(page, fields | {"single_sign_on": "lift"})
    assert shown.status_code == 302, words(shown)
    strict.cedar.refresh_from_db()
    assert not strict.cedar.requires_single_sign_on


def test_password_opens_no_way_in_once_an_identity_is_connected(
    strict: Cast, person: dict[str, Any]
) -> None:
    person["email"] = strict.charlie.email
    single_sign_on(just_signed_in(strict.charlie), "connect")
    for address in (CONNECTIONS, "/account/email/"):
        thief = just_signed_in(strict.charlie)
        shown = thief.get(address, follow=True)
        assert "Cedar Clinic requires single sign-on" in words(shown), address
    person |= {"sub": "8", "email": "thief@evil.example"}
    single_sign_on(just_signed_in(strict.charlie), "connect")
    assert identities(strict.charlie) == ["7"]
    # With single sign-on itself everything is open.
    person |= {"sub": "7", "email": strict.charlie.email}
    charlie = Client()
    single_sign_on(charlie)
    assert opened(charlie, strict).status_code == 200
    charlie.post("/account/reauthenticate/", {"password": PASSWORD})
    assert charlie.get(CONNECTIONS).status_code == 200


def test_identity_connected_before_the_rule_does_not_satisfy_it(
    cast: Cast, person: dict[str, Any]
) -> None:
    person["email"] = "thief@evil.example"
    single_sign_on(just_signed_in(cast.charlie), "connect")
    Customer.objects.filter(pk=cast.cedar.pk).update(requires_single_sign_on=True)
    thief = Client()
    single_sign_on(thief)
    shown = opened(thief, cast)
    assert shown.status_code == 403
    assert "An owner must confirm your identity" in words(shown)


def test_identity_of_an_address_that_the_organisation_does_not_know_waits_for_an_owner(
    cast: Cast, person: dict[str, Any]
) -> None:
    """Whoever knows the password makes another address the primary one before the rule is there."""
    own = cast.charlie.email
    plant_identity(cast.charlie, person)
    Customer.objects.filter(pk=cast.cedar.pk).update(requires_single_sign_on=True)
    for _ in range(2):
        thief = Client()
        single_sign_on(thief)
        shown = opened(thief, cast)
        assert shown.status_code == 403
        assert "An owner must confirm your identity" in words(shown)
    membership = Membership.objects.get(user=cast.charlie, customer=cast.cedar)
    assert (membership.joined_as, membership.identity) == (own, "")
    assert membership.identity_waits


def test_organisation_knows_who_was_invited_by_that_address(cast: Cast) -> None:
    invited = "bob@second.example"
    EmailAddress.objects.create(user=cast.bob, email=invited, verified=True)
    by, role = Actor(cast.charlie), Membership.Role.ENGINEER
    invitation = invitations.invite(cast.cedar, invited, role, by=by)
    membership = invitations.accept(invitation, by=Actor(cast.bob))
    assert membership.joined_as == invited


@pytest.mark.parametrize(("days_ago", "is_left"), [(6, False), (8, True)])
def test_identity_that_was_connected_lately_goes_with_a_forgotten_password(
    cast: Cast, person: dict[str, Any], days_ago: int, *, is_left: bool
) -> None:
    person |= {"sub": "8", "email": "thief@evil.example"}
    single_sign_on(just_signed_in(cast.charlie), "connect")
    SocialAccount.objects.update(date_joined=timezone.now() - timedelta(days=days_ago))
    charlie = Client()
    charlie.post("/account/password/reset/", {"email": cast.charlie.email})
    found = re.search(r"/account/password/reset/key/\S+", str(mail.outbox[-1].body))
    assert found
    form = charlie.get(found[0], follow=True).request["PATH_INFO"]
    charlie.post(form, {"password1": "a-Long-one-7", "password2": "a-Long-one-7"})
    assert (identities(cast.charlie) == ["8"]) is is_left
    thief = Client()
    single_sign_on(thief)
    assert (thief.get("/account/security/").status_code == 200) is is_left
    told = Email.objects.filter(kind="sign_in_changed").latest("pk").facts["what"]
    assert ("removed, because" in told) is not is_left


def test_identity_planted_under_another_primary_address_is_forgotten_with_it(
    cast: Cast, person: dict[str, Any]
) -> None:
    own = cast.charlie.email
    plant_identity(cast.charlie, person)
    thief = Client()
    single_sign_on(thief)
    cast.charlie.refresh_from_db()
    thief = just_signed_in(cast.charlie)
    thief.post("/account/email/", {"email": own, "action_primary": ""})
    Customer.objects.filter(pk=cast.cedar.pk).update(requires_single_sign_on=True)
    thief = Client()
    single_sign_on(thief)
    assert opened(thief, cast).status_code == 403
    # And the rightful identity takes its place.
    cast.charlie.refresh_from_db()
    person |= {"sub": "7", "email": own}
    single_sign_on(just_signed_in(cast.charlie), "connect")
    charlie = Client()
    single_sign_on(charlie)
    assert opened(charlie, cast).status_code == 200


def test_own_identity_takes_the_place_of_one_that_does_not_count(
    cast: Cast, person: dict[str, Any]
) -> None:
    person |= {"sub": "8", "email": "thief@evil.example"}
    single_sign_on(just_signed_in(cast.charlie), "connect")
    Customer.objects.filter(pk=cast.cedar.pk).update(requires_single_sign_on=True)
    person |= {"sub": "7", "email": cast.charlie.email}
    single_sign_on(just_signed_in(cast.charlie), "connect")
    assert identities(cast.charlie) == ["7"]
    charlie = Client()
    single_sign_on(charlie)
    assert opened(charlie, cast).status_code == 200


def test_identity_stays_ones_own_when_the_provider_reports_another_address(
    strict: Cast, person: dict[str, Any]
) -> None:
    person["email"] = strict.charlie.email
    Customer.objects.update(requires_single_sign_on=False)
    single_sign_on(just_signed_in(strict.charlie), "connect")
    single_sign_on(Client())
    person["email"] = "charlie.married@cedar.example"
    Customer.objects.filter(pk=strict.cedar.pk).update(requires_single_sign_on=True)
    charlie = Client()
    single_sign_on(charlie)
    assert opened(charlie, strict).status_code == 200


def test_verified_identity_is_not_kept_out_by_an_account_that_was_never_used(
    cast: Cast, person: dict[str, Any], settings: Settings
) -> None:
    settings.SIGNUP = "open"
    fields = {"password1": "a-Long-one-7", "password2": "a-Long-one-7", "name": "Thief"}
    Client().post("/account/signup/", fields | {"email": "dana@larch.example"})
    person |= {"sub": "9", "email": "dana@larch.example"}
    dana = Client()
    single_sign_on(dana)
    assert dana.get("/").status_code == 200


def test_rule_of_an_organisation_keeps_nobody_from_securing_their_account(
    strict: Cast, person: dict[str, Any]
) -> None:
    person["email"] = strict.charlie.email
    single_sign_on(just_signed_in(strict.charlie), "connect")
    assert just_signed_in(strict.charlie).get("/account/password/change/").status_code == 200
    charlie = just_signed_in(strict.charlie)
    assert "are signed out" in words(charlie.post("/account/security/", follow=True))
    charlie.post("/account/security/misuse/")
    assert strict.charlie.is_locked


def test_password_alone_adds_no_factor_that_single_sign_on_must_then_use(
    strict: Cast, person: dict[str, Any]
) -> None:
    page = "/account/2fa/totp/activate/"
    # Who has no identity yet may secure the account.
    assert just_signed_in(strict.charlie).get(page).status_code == 200
    person["email"] = strict.charlie.email
    charlie = just_signed_in(strict.charlie)
    single_sign_on(charlie, "connect")
    for thief in (
        just_signed_in(strict.charlie).get(page),
        just_signed_in(strict.charlie).post(page),
    ):
        assert thief.status_code == 302
        assert page not in thief["Location"].partition("?")[0]
    assert not Authenticator.objects.filter(user=strict.charlie).exists()


def test_address_that_the_provider_has_not_verified_is_trusted_in_no_case(
    strict: Cast, person: dict[str, Any], settings: Settings
) -> None:
    settings.OIDC_ADDRESSES_ARE_VERIFIED = True
    person |= {"email": strict.charlie.email, "email_verified": False}
    single_sign_on(just_signed_in(strict.charlie), "connect")
    charlie = Client()
    single_sign_on(charlie)
    assert opened(charlie, strict).status_code == 403


def test_operator_may_trust_the_addresses_of_a_provider_that_says_nothing_of_them(
    strict: Cast, person: dict[str, Any], settings: Settings
) -> None:
    settings.OIDC_ADDRESSES_ARE_VERIFIED = True
    del person["email_verified"]
    person["email"] = strict.charlie.email
    single_sign_on(just_signed_in(strict.charlie), "connect")
    charlie = Client()
    single_sign_on(charlie)
    assert opened(charlie, strict).status_code == 200


def test_account_has_one_identity_at_a_provider(cast: Cast, person: dict[str, Any]) -> None:
    person["email"] = cast.alice.email
    single_sign_on(just_signed_in(cast.alice), "connect")
    person |= {"sub": "8", "email": "other@birch.example"}
    shown = single_sign_on(just_signed_in(cast.alice), "connect")
    assert "Disconnect that one first" in words(shown)
    assert identities(cast.alice) == ["7"]


@pytest.mark.parametrize("sub", ["", ["7"], "7" * 1000, "7\0", None, {"a": 1}])
def test_provider_that_reports_no_identity_gets_a_page_and_no_error(
    cast: Cast, person: dict[str, Any], settings: Settings, sub: Any
) -> None:
    settings.SIGNUP = "open"
    person |= {"sub": sub, "email": "new@birch.example"}
    client = Client(raise_request_exception=False)
    shown = single_sign_on(client)
    assert shown.status_code == 401
    assert "Single sign-on failed" in words(shown)
    assert not User.objects.filter(email="new@birch.example").exists()


@pytest.mark.parametrize("claim", [{"name": "a\0b"}, {"picture": "\ud800"}])
def test_claim_that_no_database_stores_gets_a_page_and_no_error(
    cast: Cast, person: dict[str, Any], settings: Settings, claim: dict[str, str]
) -> None:
    settings.SIGNUP = "open"
    person |= claim | {"email": "new@birch.example"}
    shown = single_sign_on(Client(raise_request_exception=False))
    assert (shown.status_code, User.objects.filter(email="new@birch.example").count()) == (401, 0)


def test_identity_is_not_connected_once_misuse_is_reported(
    cast: Cast, person: dict[str, Any]
) -> None:
    thief = just_signed_in(cast.alice)
    with reported_before("SAVEPOINT", cast.alice):
        single_sign_on(thief, "connect")
    cast.alice.refresh_from_db()
    assert identities(cast.alice) == []
    assert not cast.alice.has_usable_password()


@pytest.mark.parametrize("method", ["get", "head", "options", "post"])
def test_return_from_single_sign_on_writes_all_in_one_transaction(
    cast: Cast, person: dict[str, Any], method: str
) -> None:
    """allauth saves the whole row of the person, and a report may not come before that."""
    alice, depths = just_signed_in(cast.alice), {}

    def watch(execute: Any, sql: str, *rest: Any) -> Any:
        depths[sql.split(" SET ")[0]] = len(connection.savepoint_ids)
        return execute(sql, *rest)

    with connection.execute_wrapper(watch):
        single_sign_on(alice, "connect", method)
    assert identities(cast.alice) == ["7"]
    assert depths['UPDATE "accounts_user"'] > len(connection.savepoint_ids)


def test_identity_that_a_report_removes_during_the_sign_in_does_not_come_back(
    cast: Cast, person: dict[str, Any]
) -> None:
    single_sign_on(just_signed_in(cast.alice), "connect")
    thief = Client()
    with reported_before('SELECT "accounts_user"', cast.alice):
        shown = single_sign_on(thief)
    assert "Your session has ended. Sign in again." in words(shown)
    assert identities(cast.alice) == []


def test_locked_person_connects_no_identity_that_was_chosen_before_the_sign_in(
    cast: Cast, person: dict[str, Any]
) -> None:
    thief = Client()
    to = thief.post("/account/oidc/oidc/login/?process=connect")
    own_account.report_misuse(by=Actor(cast.alice))
    thief.force_login(User.objects.get(pk=cast.alice.pk))
    state = parse_qs(urlsplit(to["Location"]).query)["state"][0]
    answer = {"code": "code", "state": state}
    thief.get("/account/oidc/oidc/login/callback/", answer)
    assert identities(cast.alice) == []
