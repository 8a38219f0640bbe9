"""Nobody makes herself a proof of identity out of an old session, whatever she signs in by."""

import time

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
from django.core import mail
from django.test import Client
from pytest_django import Settings

from portal import oidc
from provisioning.demo.cast import PASSWORD, Cast
from tests.portal.pages.reading import as_user

INVITE = "/customers/{}/invite/"
WAYS_IN = [
    "account/password/set/",
    "account/email/",
    "account/2fa/totp/activate/",
    "account/2fa/webauthn/add/",
    "account/3rdparty/",
    "account/oidc/oidc/login/?process=connect",
]


@pytest.fixture
def _no_password(cast: Cast) -> None:
    cast.alice.set_unusable_password()
    cast.alice.save()


def by_code(cast: Cast, *, seconds_ago: int = 0) -> Client:
    """Alice's browser, in which she signed in by a code some time ago."""
    client = Client()
    client.post("/account/login/code/", {"email": cast.alice.email})
    code = next(line for line in str(mail.outbox[-1].body).splitlines() if line.isupper())
    client.post("/account/login/code/confirm/", {"code": code})
    session = client.session
    session[RECORDS] = [record | {"at": record["at"] - seconds_ago} for record in session[RECORDS]]
    session.save()
    return client


@pytest.mark.usefixtures("_no_password")
@pytest.mark.parametrize("address", WAYS_IN)
@pytest.mark.parametrize("method", ["get", "post"])
def test_person_with_nothing_to_confirm_with_signs_in_again_before_she_gets_a_way_in(
    cast: Cast, address: str, method: str, settings: Settings
) -> None:
    settings.SOCIALACCOUNT_PROVIDERS = oidc.providers(
        "https://id.example.com", name="Example", client_id="portal", secret="s"
    )
    # As one who signs in at another site does.
    SocialAccount.objects.create(user=cast.alice, provider="oidc", uid="alice")
    client = as_user(cast.alice)
    answer = getattr(client, method)(f"/{address}")
    assert answer.status_code == 302
    if method == "post":
        answer = client.get(answer["Location"])
    assert answer["Location"].startswith("/account/login/")
    assert "_auth_user_id" not in client.session


@pytest.mark.usefixtures("_no_password")
def test_who_signed_in_by_a_code_just_now_is_fresh_and_later_is_not(cast: Cast) -> None:
    address = INVITE.format(cast.birch.pk)
    assert by_code(cast).get(address).status_code == 200
    answer = by_code(cast, seconds_ago=301).get(address)
    assert answer["Location"] == f"/account/login/?next={address}"


@pytest.mark.usefixtures("_no_password")
def test_who_has_only_an_authenticator_app_confirms_by_it(cast: Cast) -> None:
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


def test_second_factor_is_taken_off_only_after_a_fresh_proof(cast: Cast) -> None:
    TOTP.activate(cast.alice, generate_totp_secret())
    client = as_user(cast.alice)
    for address in ("totp/deactivate/", "recovery-codes/generate/"):
        answer = client.post(f"/account/2fa/{address}")
        assert answer["Location"].startswith("/account/reauthenticate/"), address
    assert Authenticator.objects.count() == 1


def test_person_signs_out_of_her_other_sessions(cast: Cast) -> None:
    here, elsewhere = Client(), Client()
    for client in (here, elsewhere):
        client.post("/account/login/", {"login": cast.alice.email, "password": PASSWORD})
        assert client.get("/").status_code == 200
    here.post("/account/sessions/")
    assert here.get("/").status_code == 200
    assert elsewhere.get("/")["Location"] == "/account/login/?next=/"
