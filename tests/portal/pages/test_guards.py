"""An old session is not enough to add a way to sign in, or to change what matters."""

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
from provisioning.demo.seed import PASSWORD, Cast
from tests.portal.pages.pages import as_user

INVITE = "/customers/{}/invite/"
WAYS_TO_SIGN_IN = [
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
@pytest.mark.parametrize("address", WAYS_TO_SIGN_IN)
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
        answer = client.post(f"/account/2fa/{address}")
        assert answer["Location"].startswith("/account/reauthenticate/"), address
    assert Authenticator.objects.count() == 1


def test_person_can_end_other_sessions(cast: Cast) -> None:
    here, elsewhere = Client(), Client()
    for client in (here, elsewhere):
        client.post("/account/login/", {"login": cast.alice.email, "password": PASSWORD})
        assert client.get("/").status_code == 200
    here.post("/account/sessions/")
    assert here.get("/").status_code == 200
    assert elsewhere.get("/")["Location"] == "/account/login/?next=/"
