"""A copy of the database opens no session, and says nothing that one holds."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal.auth import (
    TOTP,
    generate_totp_secret,
)
from django.contrib.sessions.backends.base import CreateError, UpdateError
from django.core import mail
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from accounts.models import Session, User
from accounts.sessions.models import device_of, hash_of
from accounts.sessions.store import SessionStore
from provisioning.demo.seed import PASSWORD, Cast
from tests.accounts.app_codes import app_code
from tests.portal.pages.captured_state import database
from tests.portal.pages.pages import as_user, just_signed_in, words


def everything_stored() -> str:
    rows = Session.objects.values_list("key_hash", "data", "user_agent")
    stored = b"".join(bytes(data) for _, data, _ in rows).decode("latin-1")
    return f"{database()}{list(rows)}{stored}"


def test_key_of_a_session_is_stored_as_its_hash(cast: Cast) -> None:
    client = as_user(cast.alice)
    key = client.cookies["sessionid"].value
    assert Session.objects.get(user=cast.alice).pk == hash_of(key)
    assert key not in everything_stored()
    stolen = Client()
    stolen.cookies["sessionid"] = hash_of(key)
    assert stolen.get("/")["Location"].startswith("/account/login/")


def test_sign_in_code_and_secret_of_an_app_being_set_up_are_encrypted(cast: Cast) -> None:
    client = just_signed_in(cast.alice)
    client.get("/account/2fa/totp/activate/")
    secret = client.session["mfa.totp.secret"]
    waiting = Client()
    waiting.post("/account/login/code/", {"email": cast.bob.email})
    code = next(line for line in str(mail.outbox[-1].body).splitlines() if line.isupper())
    assert code in str(dict(waiting.session))
    stored = everything_stored()
    assert secret not in stored
    assert code not in stored


def test_data_moved_to_another_row_opens_nothing(cast: Cast) -> None:
    alice, charlie = as_user(cast.alice), as_user(cast.charlie)
    alices = Session.objects.get(user=cast.alice)
    Session.objects.filter(user=cast.charlie).update(data=alices.data)
    assert charlie.get("/")["Location"].startswith("/account/login/")
    assert alice.get("/").status_code == 200


def test_session_whose_vault_key_is_gone_signs_out(cast: Cast, settings: Settings) -> None:
    client = as_user(cast.alice)
    settings.VAULT_KEYS = ["other:" + "B" * 43 + "="]
    assert client.get("/")["Location"].startswith("/account/login/")


def test_expired_sessions_open_nothing_and_are_removed(cast: Cast) -> None:
    client, other = as_user(cast.alice), as_user(cast.bob)
    Session.objects.filter(user=cast.alice).update(expires_at=timezone.now() - timedelta(1))
    assert client.get("/")["Location"].startswith("/account/login/")
    SessionStore.clear_expired()
    assert not Session.objects.filter(user=cast.alice).exists()
    assert other.get("/").status_code == 200


def test_store_creates_once_and_updates_only_what_is_there(db: None) -> None:
    store = SessionStore()
    store["a"] = 1
    store.save()
    again = SessionStore(store.session_key)
    assert again["a"] == 1
    with pytest.raises(CreateError):
        again.save(must_create=True)
    store.delete()
    with pytest.raises(UpdateError):
        again.save()


@pytest.mark.parametrize(
    ("user_agent", "device"),
    [
        (
            "Mozilla/5.0 (Windows NT 10.0) AppleWebKit Chrome/140 Safari/537 Edg/140",
            "Edge on Windows",
        ),
        ("Mozilla/5.0 (X11; Linux x86_64) AppleWebKit Chrome/140 Safari/537", "Chrome on Linux"),
        ("Mozilla/5.0 (iPhone; CPU iPhone OS 19 like Mac OS X) Safari/604", "Safari on iPhone"),
        ("curl/8.0", "curl"),
        ("", "A browser"),
    ],
)
def test_device_is_named_in_words(user_agent: str, device: str) -> None:
    assert device_of(user_agent) == device


# --- Sign-ins that wait for a second factor or a code ------------------------------------


NEW = {"oldpassword": PASSWORD, "password1": "Other-long-9pass", "password2": "Other-long-9pass"}


def confirmed(cast: Cast) -> Client:
    return just_signed_in(User.objects.get(pk=cast.alice.pk), "mfa", type="totp")


CHANGES: dict[str, Callable[[Cast], object]] = {
    "new password": lambda cast: confirmed(cast).post("/account/password/change/", NEW),
    "report": lambda cast: confirmed(cast).post("/account/security/misuse/"),
    "another address": lambda cast: EmailAddress.objects.create(
        user=cast.alice, email="new@birch.example", verified=True
    ),
}


@pytest.mark.parametrize("change", CHANGES)
def test_sign_in_that_waits_for_a_second_factor_ends_with_a_change(cast: Cast, change: str) -> None:
    secret = generate_totp_secret()
    TOTP.activate(cast.alice, secret)
    waiting = Client()
    waiting.post("/account/login/", {"login": cast.alice.email, "password": PASSWORD})
    assert waiting.get("/account/2fa/authenticate/").status_code == 200
    CHANGES[change](cast)
    code = app_code(secret)
    shown = waiting.post("/account/2fa/authenticate/", {"code": code}, follow=True)
    assert "Your account has changed. Sign in again." in words(shown)
    assert "_auth_user_id" not in waiting.session


def test_waiting_sign_in_that_ends_takes_nothing_else_of_the_session_along(cast: Cast) -> None:
    waiting = Client()
    waiting.post("/account/login/code/", {"email": cast.alice.email})
    session = waiting.session
    session["invitation"] = "kept"
    session.save()
    EmailAddress.objects.create(user=cast.alice, email="new@birch.example", verified=True)
    credentials = {"login": cast.alice.email, "password": PASSWORD}
    waiting.post("/account/login/", credentials)
    assert waiting.session["_auth_user_id"] == str(cast.alice.pk)
    assert waiting.session["invitation"] == "kept"


def test_sign_in_whose_second_factor_was_removed_starts_again(cast: Cast) -> None:
    TOTP.activate(cast.alice, generate_totp_secret())
    waiting = Client()
    waiting.post("/account/login/", {"login": cast.alice.email, "password": PASSWORD})
    Authenticator.objects.all().delete()
    assert waiting.get("/account/login/", follow=True).status_code == 200
    waiting.post("/account/login/", {"login": cast.alice.email, "password": PASSWORD})
    assert waiting.session["_auth_user_id"] == str(cast.alice.pk)


def test_sign_in_goes_on_from_the_first_proof_of_an_address_to_the_second_factor(
    cast: Cast,
) -> None:
    """The code verifies the address, which is no change by someone else."""
    secret = generate_totp_secret()
    EmailAddress.objects.filter(user=cast.alice).update(verified=False)
    TOTP.activate(cast.alice, secret)
    client = Client()
    client.post("/account/login/code/", {"email": cast.alice.email})
    code = next(line for line in str(mail.outbox[-1].body).splitlines() if line.isupper())
    client.post("/account/login/code/confirm/", {"code": code})
    code = app_code(secret)
    client.post("/account/2fa/authenticate/", {"code": code})
    assert client.session["_auth_user_id"] == str(cast.alice.pk)
