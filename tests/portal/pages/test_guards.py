"""An old session is not enough to add a way to sign in, or to change what matters."""

import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from allauth.account.internal.flows.login import AUTHENTICATION_METHODS_SESSION_KEY as RECORDS
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal.auth import (
    TOTP,
    format_hotp_value,
    generate_totp_secret,
    hotp_value,
)
from allauth.socialaccount.models import SocialAccount
from bs4 import BeautifulSoup
from django.core import mail
from django.test import Client
from django.urls import get_resolver
from pytest_django import Settings

from accounts.actor import Actor
from accounts.models import Customer, Membership
from portal import oidc
from portal.pages.guards import WAYS_TO_SIGN_IN
from provisioning.demo.seed import PASSWORD, Cast
from provisioning.flows.entitlements import request
from provisioning.models import Entitlement
from tests.portal.pages.pages import as_user, just_signed_in, words

INVITE = "/customers/{}/invite/"


@pytest.fixture
def _no_password(cast: Cast) -> None:
    cast.alice.set_unusable_password()
    cast.alice.save()


def signed_in_by_code(cast: Cast, *, seconds_ago: int = 0) -> Client:
    """Alice's browser, in which she signed in with a code ``seconds_ago``."""
    client = Client()
    client.post("/account/login/code/", {"email": cast.alice.email})
    code = next(line for line in str(mail.outbox[-1].body).splitlines() if line.isupper())
    client.post("/account/login/code/confirm/", {"code": code})
    session = client.session
    session[RECORDS] = [record | {"at": record["at"] - seconds_ago} for record in session[RECORDS]]
    session.save()
    return client


@pytest.mark.usefixtures("_no_password")
@pytest.mark.parametrize(
    "address",
    [
        "account/password/set/",
        "account/email/",
        "account/2fa/totp/activate/",
        "account/2fa/webauthn/add/",
        "account/3rdparty/",
        "account/oidc/oidc/login/?process=connect",
    ],
)
@pytest.mark.parametrize("method", ["get", "post"])
def test_person_without_password_or_second_factor_must_sign_in_again_to_add_one(
    cast: Cast, address: str, method: str, settings: Settings
) -> None:
    settings.SOCIALACCOUNT_PROVIDERS = oidc.providers(
        "https://id.example.com", name="Example", client_id="portal", secret="s"
    )
    # Alice signs in through an identity provider.
    SocialAccount.objects.create(user=cast.alice, provider="oidc", uid="alice")
    client = as_user(cast.alice)
    answer = getattr(client, method)(f"/{address}")
    assert answer.status_code == 302
    if method == "post":
        answer = client.get(answer["Location"])
    assert answer["Location"].startswith("/account/login/")
    assert "_auth_user_id" not in client.session


@pytest.mark.usefixtures("_no_password")
def test_sign_in_with_a_code_counts_as_recent_for_a_while(cast: Cast) -> None:
    address = INVITE.format(cast.birch.pk)
    assert signed_in_by_code(cast).get(address).status_code == 200
    answer = signed_in_by_code(cast, seconds_ago=301).get(address)
    assert answer["Location"] == f"/account/login/?next={address}"


@pytest.mark.usefixtures("_no_password")
def test_person_with_only_an_authenticator_app_confirms_with_it(cast: Cast) -> None:
    secret = generate_totp_secret()
    TOTP.activate(cast.alice, secret)
    address = INVITE.format(cast.birch.pk)
    client = as_user(cast.alice)
    asked = client.get(address)
    assert (
        asked["Location"]
        == f"/account/2fa/reauthenticate/?next=%2Fcustomers%2F{cast.birch.pk}%2Finvite%2F"
    )
    wrong = client.post(asked["Location"], {"code": "000000", "next": address})
    assert wrong.status_code == 200
    assert client.get(address).status_code == 302
    code = format_hotp_value(hotp_value(secret, int(time.time()) // 30))
    answer = client.post(asked["Location"], {"code": code, "next": address})
    assert answer["Location"] == address
    assert client.get(address).status_code == 200


def test_second_factor_is_removed_only_after_a_recent_sign_in(cast: Cast) -> None:
    TOTP.activate(cast.alice, generate_totp_secret())
    client = as_user(cast.alice)
    for address in ("totp/deactivate/", "recovery-codes/generate/"):
        address = f"/account/2fa/{address}"
        assert client.post(address)["Location"] == address
        assert client.get(address)["Location"].startswith("/account/2fa/reauthenticate/")
    assert Authenticator.objects.count() == 1


def test_person_can_end_other_sessions(cast: Cast) -> None:
    here, elsewhere = Client(), Client()
    for client in (here, elsewhere):
        client.post("/account/login/", {"login": cast.alice.email, "password": PASSWORD})
        assert client.get("/").status_code == 200
    here.post("/account/security/")
    assert here.get("/").status_code == 200
    assert elsewhere.get("/")["Location"] == "/account/login/?next=/"


# --- The strongest factor ------------------------------------------------------------


def test_person_with_a_second_factor_is_not_asked_for_the_password(cast: Cast) -> None:
    TOTP.activate(cast.alice, generate_totp_secret())
    client = just_signed_in(cast.alice, "password")
    address = INVITE.format(cast.birch.pk)
    asked = client.get(address)["Location"]
    assert asked.startswith("/account/2fa/reauthenticate/")
    assert "Or use another method" not in words(client.get(asked))
    by_password = client.post("/account/reauthenticate/", {"password": PASSWORD, "next": address})
    assert by_password["Location"].startswith("/account/2fa/reauthenticate/")
    assert client.get(address)["Location"] == asked


def test_sign_in_with_the_second_factor_counts_as_recent(cast: Cast) -> None:
    TOTP.activate(cast.alice, generate_totp_secret())
    client = just_signed_in(cast.alice, "mfa", type="totp", reauthenticated=False)
    assert client.get(INVITE.format(cast.birch.pk)).status_code == 200
    assert client.get("/account/2fa/totp/deactivate/").status_code == 200


def test_every_page_of_allauths_needs_a_recent_sign_in_or_is_known_to_need_none() -> None:
    names = {
        pattern.name
        for pattern in _patterns(get_resolver().url_patterns)
        if pattern.lookup_str.startswith("allauth.") and pattern.name
    }
    assert names == WAYS_TO_SIGN_IN | NEED_NONE
    assert not WAYS_TO_SIGN_IN & NEED_NONE


# They sign people in or out, confirm who they are, or only show something.
NEED_NONE = {
    "account_confirm_login_code",
    "account_email_verification_sent",
    "account_inactive",
    "account_login",
    "account_logout",
    "account_reauthenticate",
    "account_request_login_code",
    "account_reset_password",
    "account_reset_password_done",
    "account_reset_password_from_key",
    "account_reset_password_from_key_done",
    "account_signup",
    "mfa_authenticate",
    "mfa_index",
    "mfa_list_webauthn",
    "mfa_login_webauthn",
    "mfa_reauthenticate",
    "mfa_reauthenticate_webauthn",
    "openid_connect_callback",
    "socialaccount_login_cancelled",
    "socialaccount_login_error",
    "socialaccount_signup",
}


def _patterns(patterns: list[Any]) -> Iterator[Any]:
    for pattern in patterns:
        if hasattr(pattern, "url_patterns"):
            yield from _patterns(pattern.url_patterns)
        else:
            yield pattern


# --- Staff ---------------------------------------------------------------------------


def test_interrupted_form_of_staff_is_sent_again_from_where_it_was(cast: Cast) -> None:
    address = "/admin/accounts/customer/add/?from=x"
    client = as_user(cast.sandra)
    fields: dict[str, Any] = {"name": "Dogwood <Bank>", "slug": "dogwood", "tag": ["a", "b"]}
    for rows in ("memberships", "invitations"):
        fields |= {f"{rows}-TOTAL_FORMS": "0", f"{rows}-INITIAL_FORMS": "0"}
    asked = client.post(address, fields)["Location"]
    assert not Customer.objects.filter(slug="dogwood").exists()
    back = parse_qs(urlsplit(asked).query)["next"][0]
    # Before the confirmation, and to anyone who guesses, the form is not shown.
    assert client.get("/admin/accounts/customer/add/?interrupted=x").status_code == 302
    asked = client.post(address, fields)["Location"]
    back = parse_qs(urlsplit(asked).query)["next"][0]
    shown = client.post(asked, {"password": PASSWORD, "next": back}, follow=True)
    assert "Dogwood <Bank>" in words(shown)
    hidden = BeautifulSoup(shown.content, "html.parser").select("main input[type=hidden]")
    sent = [(field["name"], field["value"]) for field in hidden]
    assert shown.request["PATH_INFO"] == "/admin/accounts/customer/add/"
    assert ("name", "Dogwood <Bank>") in sent
    assert [value for name, value in sent if name == "tag"] == ["a", "b"]
    assert client.post(address, dict(sent)).status_code == 302
    assert Customer.objects.filter(slug="dogwood").exists()
    # Shown once; then the page is itself again.
    assert client.get(back)["Location"] == "/admin/accounts/customer/add/"


def test_form_that_someone_else_left_is_not_offered_after_another_confirmation(cast: Cast) -> None:
    """A thief of an old session leaves a form for the rightful person to send."""
    session = as_user(cast.sandra)
    session.post("/admin/accounts/customer/add/", {"name": "Evil"})
    session.post("/account/reauthenticate/", {"password": PASSWORD})
    shown = session.get("/admin/accounts/customer/add/")
    assert "Go on where you were" not in words(shown)


def test_recent_sign_in_of_staff_counts_for_a_quarter_of_an_hour(cast: Cast) -> None:
    client = just_signed_in(cast.otto)
    session = client.session
    session[RECORDS] = [record | {"at": record["at"] - 899} for record in session[RECORDS]]
    session.save()
    assert client.post("/ops/").status_code == 405
    session[RECORDS] = [record | {"at": record["at"] - 1} for record in session[RECORDS]]
    session.save()
    assert client.post("/ops/")["Location"].startswith("/account/reauthenticate/")


# --- Django's own doors --------------------------------------------------------------


def test_no_address_leads_to_a_sign_in_of_djangos(cast: Cast) -> None:
    """Its views know neither rate limits nor second factors."""
    for pattern in _patterns(get_resolver().url_patterns):
        assert not pattern.lookup_str.startswith("django.contrib.auth."), pattern
    client = just_signed_in(cast.sandra)
    for address in ("/admin/password_change/", "/admin/password_change/done/"):
        answer = client.post(address, {"old_password": PASSWORD})
        assert answer["Location"] == "/account/password/change/"
    sign_in = {"username": cast.sandra.email, "password": PASSWORD}
    answer = Client().post("/admin/login/?next=/admin/", sign_in)
    assert answer["Location"] == "/account/login/?next=/admin/"
    assert client.post("/admin/logout/").status_code == 302
    assert "_auth_user_id" not in client.session


# --- Rules of an organisation --------------------------------------------------------


def rules_of(cast: Cast) -> str:
    return f"/customers/{cast.birch.pk}/sign-in-rules/"


def test_owner_requires_a_second_factor_of_members(cast: Cast) -> None:
    TOTP.activate(cast.alice, generate_totp_secret())
    alice = just_signed_in(cast.alice, "mfa", type="totp")
    alice.post(rules_of(cast), {"second_factor": "on"})
    cast.birch.refresh_from_db()
    assert cast.birch.requires_second_factor
    page = f"/customers/{cast.birch.pk}/"
    assert alice.get(page).status_code == 200
    bob = as_user(cast.bob)
    shown = bob.get(page, follow=True)
    assert shown.redirect_chain == [("/account/2fa/", 302)]
    assert "Birch Bank requires a second factor. Set one up first" in words(shown)
    assert bob.get("/account/security/").status_code == 200
    TOTP.activate(cast.bob, generate_totp_secret())
    assert as_user(cast.bob).get(page)["Location"].startswith("/account/2fa/reauthenticate/")
    assert just_signed_in(cast.bob, "mfa", type="totp").get(page).status_code == 200
    assert as_user(cast.charlie).get("/").status_code == 200


def test_owner_requires_single_sign_on_of_members(cast: Cast, settings: Settings) -> None:
    settings.OIDC_ISSUER = "https://id.example.com"
    alice = just_signed_in(cast.alice)
    session = alice.session
    used = {"method": "socialaccount", "at": time.time(), "uid": "7"}
    session[RECORDS] = [*session[RECORDS], used]
    session.save()
    SocialAccount.objects.create(
        user=cast.alice,
        provider="oidc",
        uid="7",
        extra_data={"userinfo": {"email": cast.alice.email, "email_verified": True}},
    )
    alice.post(rules_of(cast), {"single_sign_on": "on"})
    bob, page = as_user(cast.bob), f"/customers/{cast.birch.pk}/"
    shown = bob.get(page, follow=True)
    assert shown.redirect_chain[0] == ("/account/3rdparty/", 302)
    SocialAccount.objects.create(user=cast.bob, provider="oidc", uid="8")
    shown = bob.get(page, follow=True)
    assert shown.redirect_chain == [(f"/account/login/?next={page}", 302)]
    assert "Birch Bank requires single sign-on" in words(shown)
    assert alice.get(page).status_code == 200


def test_home_leaves_out_an_organisation_whose_rule_is_not_met_and_leads_there(cast: Cast) -> None:
    request(cast.birch, cast.server, by=Actor(cast.alice))
    request(cast.cedar, cast.reports, by=Actor(cast.charlie))
    Membership.objects.create(user=cast.alice, customer=cast.cedar, role="engineer")
    Customer.objects.filter(pk=cast.cedar.pk).update(requires_second_factor=True)
    alice = just_signed_in(cast.alice)
    shown = alice.get("/")
    assert f"/customers/{cast.birch.pk}/request/" in shown.content.decode()
    assert f"/customers/{cast.cedar.pk}/request/" not in shown.content.decode()
    assert "have not signed in as Cedar Clinic requires" in words(shown)
    products = BeautifulSoup(shown.content, "html.parser").select("a[href^='/access/']")
    of_birch = Entitlement.objects.get(customer=cast.birch)
    assert {link["href"] for link in products} == {f"/access/{of_birch.pk}/"}
    soup = BeautifulSoup(shown.content, "html.parser")
    ways = [f"/customers/{cast.cedar.pk}/", f"/customers/{cast.cedar.pk}/leave/"]
    assert [bool(soup.select(f"a[href='{way}']")) for way in ways] == [True, True]
    assert alice.get(ways[0])["Location"] == "/account/2fa/"
    alice.post(ways[1])
    assert not Membership.objects.filter(user=cast.alice, customer=cast.cedar).exists()


@pytest.mark.parametrize("rule", ["second_factor", "single_sign_on"])
def test_owner_cannot_require_what_they_do_not_use(
    cast: Cast, settings: Settings, rule: str
) -> None:
    settings.OIDC_ISSUER = "https://id.example.com"
    shown = just_signed_in(cast.alice).post(rules_of(cast), {rule: "on"})
    assert "yourself first" in words(shown)
    cast.birch.refresh_from_db()
    assert not cast.birch.requires_second_factor
    assert not cast.birch.requires_single_sign_on


def test_only_owners_change_the_rules(cast: Cast) -> None:
    cast.birch.memberships.filter(user=cast.bob).update(role="engineer")
    shown = just_signed_in(cast.bob).post(rules_of(cast), {})
    assert "Only an owner" in words(shown)
