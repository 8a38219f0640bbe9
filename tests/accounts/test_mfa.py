"""The secrets of second factors are stored encrypted."""

import base64
import time

import pytest
from allauth.mfa.models import Authenticator
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.internal.auth import (
    TOTP,
)
from django.test import Client
from pytest_django import Settings

from accounts import encryption, mfa
from accounts.models import User
from provisioning.demo.seed import PASSWORD, Cast
from tests.accounts.app_codes import app_code
from tests.portal.pages.captured_state import database
from tests.portal.pages.pages import just_signed_in

SECRET = "JBSWY3DPEHPK3PXP"


def test_secrets_of_second_factors_are_stored_encrypted(cast: Cast) -> None:
    TOTP.activate(cast.alice, SECRET)
    RecoveryCodes.activate(cast.alice)
    for row in Authenticator.objects.all():
        stored = row.data.get("secret") or row.data["seed"]
        assert base64.b64decode(stored).startswith(b"embedded:")
    assert SECRET not in database()


@pytest.mark.parametrize("wrong", [False, True])
def test_right_code_signs_in_and_a_wrong_one_does_not(cast: Cast, *, wrong: bool) -> None:
    TOTP.activate(cast.alice, SECRET)
    client = Client()
    asked = client.post("/account/login/", {"login": cast.alice.email, "password": PASSWORD})
    assert asked["Location"] == "/account/2fa/authenticate/"
    client.post(asked["Location"], {"code": "000000" if wrong else app_code(SECRET)})
    assert ("_auth_user_id" in client.session) is not wrong


def test_admin_shows_no_secret_of_a_second_factor(cast: Cast) -> None:
    row = TOTP.activate(cast.alice, SECRET).instance
    root = just_signed_in(User.objects.create_superuser("root@acme.example", "x"))
    shown = root.get(f"/admin/mfa/authenticator/{row.pk}/change/").content.decode()
    assert cast.alice.email in shown or str(cast.alice) in shown
    assert SECRET not in shown
    assert row.data["secret"] not in shown


def test_code_works_once_for_as_long_as_it_is_valid(
    cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    TOTP.activate(cast.alice, SECRET)
    used = app_code(SECRET)
    start = time.time()
    for seconds in (0, 20, 40, 60):
        monkeypatch.setattr(time, "time", lambda now=start + seconds: now)
        client = Client()
        client.post("/account/login/", {"login": cast.alice.email, "password": PASSWORD})
        client.post("/account/2fa/authenticate/", {"code": used})
        assert ("_auth_user_id" in client.session) is (seconds == 0)


def test_secret_moved_to_another_persons_row_signs_nobody_in(cast: Cast) -> None:
    """Charlie, who can write to the database, gives Alice his own app."""
    charlie = just_signed_in(cast.charlie)
    charlie.get("/account/2fa/totp/activate/")
    session = charlie.session
    session["mfa.totp.secret"] = SECRET
    session.save()
    charlie.post("/account/2fa/totp/activate/", {"code": app_code(SECRET)})
    row = Authenticator.objects.get(user=cast.charlie, type="totp")
    Authenticator.objects.create(user=cast.alice, type="totp", data=row.data)
    client = Client()
    client.post("/account/login/", {"login": cast.alice.email, "password": PASSWORD})
    client.post("/account/2fa/authenticate/", {"code": app_code(SECRET)})
    assert "_auth_user_id" not in client.session


def test_secret_of_an_earlier_version_works_and_is_bound_at_the_next_rotation(
    cast: Cast, settings: Settings
) -> None:
    row = TOTP.activate(cast.alice, "x").instance
    old = encryption.encrypt(SECRET, bound_to=mfa.BOUND_TO)
    row.data = {"secret": base64.b64encode(old).decode()}
    row.save()
    assert not mfa.is_anothers(row)
    assert mfa.MfaAdapter().decrypt(row.data["secret"]) == SECRET
    settings.VAULT_KEYS = [
        "new:" + base64.b64encode(bytes(range(32))).decode(),
        *settings.VAULT_KEYS,
    ]
    assert mfa.reencrypt() == (1, 0)
    row.refresh_from_db()
    row.user = cast.bob
    assert mfa.is_anothers(row)
    assert mfa.MfaAdapter().decrypt(row.data["secret"]) == SECRET


def test_code_that_set_up_the_app_does_not_sign_in(cast: Cast) -> None:
    alice = just_signed_in(cast.alice)
    alice.get("/account/2fa/totp/activate/")
    session = alice.session
    session["mfa.totp.secret"] = SECRET
    session.save()
    used = app_code(SECRET)
    alice.post("/account/2fa/totp/activate/", {"code": used})
    assert Authenticator.objects.filter(user=cast.alice, type="totp").exists()
    client = Client()
    client.post("/account/login/", {"login": cast.alice.email, "password": PASSWORD})
    client.post("/account/2fa/authenticate/", {"code": used})
    assert "_auth_user_id" not in client.session
