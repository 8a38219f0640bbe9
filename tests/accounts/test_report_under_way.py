"""What was under way when misuse is reported opens nothing: each test plays the report at one of
the statements of a request."""

from datetime import timedelta

import pytest
from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal.auth import TOTP, generate_totp_secret
from django.contrib.auth.hashers import PBKDF2PasswordHasher, make_password
from django.core import mail
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from accounts.models import User
from provisioning.demo.seed import PASSWORD, Cast
from tests.accounts.app_codes import app_code
from tests.accounts.outbox import code_by_email
from tests.accounts.reported import ALICE, THIEF, addresses_of, reported_before
from tests.portal.pages.pages import just_signed_in


def test_password_that_is_hashed_while_the_report_is_made_is_not_set(cast: Cast) -> None:
    thief = just_signed_in(cast.alice)
    new = {"password1": "a-thiefs-password", "password2": "a-thiefs-password"}
    with reported_before('UPDATE "accounts_user" SET "password"', cast.alice):
        answer = thief.post("/account/password/change/", new | {"oldpassword": PASSWORD})
    assert answer["Location"] == "/account/login/"
    # In this test the report is part of the transaction that is rolled back.
    cast.alice.refresh_from_db()
    assert not cast.alice.check_password("a-thiefs-password")


def test_session_that_ended_since_the_request_began_changes_no_address(cast: Cast) -> None:
    thief = just_signed_in(cast.alice)
    with reported_before("SAVEPOINT", cast.alice):
        answer = thief.post("/account/email/", {"action_add": "", "email": THIEF})
    assert answer["Location"] == "/account/login/"
    assert addresses_of(cast.alice) == [ALICE]
    assert not mail.outbox


def test_code_that_is_being_sent_while_the_report_is_made_opens_nothing(cast: Cast) -> None:
    plant_address(cast)
    thief = Client()
    with reported_before("RELEASE", cast.alice):
        thief.post("/account/login/code/", {"email": THIEF})
    assert mail.outbox[-1].to == [THIEF]
    thief.post("/account/login/code/confirm/", {"code": code_by_email()})
    assert_kept_out(thief, cast)


def plant_address(cast: Cast) -> None:
    EmailAddress.objects.create(user=cast.alice, email=THIEF, verified=True)
    User.objects.update(last_login=timezone.now())


def assert_kept_out(thief: Client, cast: Cast) -> None:
    """Neither in, nor with an address of the account whose code the thief could enter."""
    assert thief.get("/account/security/").status_code == 302
    for mailed in {each.to[0] for each in mail.outbox}:
        assert mailed == THIEF
    thief.post("/account/confirm-email/", {"code": code_by_email()})
    assert thief.get("/account/security/").status_code == 302
    assert addresses_of(cast.alice) == [ALICE]


def test_code_that_is_entered_while_the_report_is_made_opens_nothing(cast: Cast) -> None:
    plant_address(cast)
    thief = Client()
    thief.post("/account/login/code/", {"email": THIEF})
    with reported_before("SAVEPOINT", cast.alice):
        thief.post("/account/login/code/confirm/", {"code": code_by_email()})
    assert_kept_out(thief, cast)


@pytest.mark.parametrize("change", ["report", "password"])
def test_code_that_was_sent_before_a_change_opens_nothing_after_it(cast: Cast, change: str) -> None:
    """Who asks again within the minute is not given it either."""
    alice = just_signed_in(cast.alice)
    Client().post("/account/login/code/", {"email": ALICE})
    seen = code_by_email()
    if change == "report":
        alice.post("/account/security/misuse/")
    else:
        new = {"password1": "Other-long-9pass", "password2": "Other-long-9pass"}
        alice.post("/account/password/change/", new | {"oldpassword": PASSWORD})
    thief = Client()
    thief.post("/account/login/code/", {"email": ALICE})
    assert code_by_email() != seen
    thief.post("/account/login/code/confirm/", {"code": seen})
    assert thief.get("/account/security/").status_code == 302


def test_password_that_is_checked_while_the_report_is_made_opens_nothing(cast: Cast) -> None:
    """With a second factor, which comes after it, and is older than what a report removes."""
    secret = generate_totp_secret()
    factor = TOTP.activate(cast.alice, secret).instance
    Authenticator.objects.filter(pk=factor.pk).update(created_at=timezone.now() - timedelta(days=8))
    thief = Client()
    with reported_before('SELECT "account_emailaddress"."email" AS', cast.alice):
        thief.post("/account/login/", {"login": ALICE, "password": PASSWORD})
    code = app_code(secret)
    thief.post("/account/2fa/authenticate/", {"code": code})
    assert thief.get("/account/security/").status_code == 302


def test_code_for_an_address_of_another_account_is_forgotten(cast: Cast) -> None:
    """It was sent in the same browser, before a report ended that sign-in."""
    EmailAddress.objects.create(user=cast.alice, email=THIEF)
    User.objects.update(last_login=timezone.now())
    thief = Client()
    thief.post("/account/login/", {"login": THIEF, "password": PASSWORD})
    code = code_by_email()
    EmailAddress.objects.filter(email=THIEF).delete()
    session = thief.session
    del session["account_login"]
    session.save()
    thief.post("/account/login/", {"login": cast.charlie.email, "password": PASSWORD})
    assert thief.get("/account/security/").status_code == 200
    thief.post("/account/confirm-email/", {"code": code})
    assert not EmailAddress.objects.filter(email=THIEF).exists()


def test_hash_of_a_password_that_is_renewed_while_the_report_is_made_is_not_stored(
    cast: Cast, settings: Settings
) -> None:
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.PBKDF2PasswordHasher"]
    old = make_password(PASSWORD, hasher=OfLongAgo())
    User.objects.filter(pk=cast.alice.pk).update(password=old)
    with reported_before('UPDATE "accounts_user" SET "password"', cast.alice):
        Client().post("/account/login/", {"login": ALICE, "password": PASSWORD})
    cast.alice.refresh_from_db()
    assert not cast.alice.has_usable_password()


class OfLongAgo(PBKDF2PasswordHasher):
    iterations = 1_000


def test_hash_of_a_password_is_renewed(cast: Cast, settings: Settings) -> None:
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.PBKDF2PasswordHasher"]
    old = make_password(PASSWORD, hasher=OfLongAgo())
    User.objects.filter(pk=cast.alice.pk).update(password=old)
    Client().post("/account/login/", {"login": ALICE, "password": PASSWORD})
    cast.alice.refresh_from_db()
    assert cast.alice.password != old
    assert cast.alice.check_password(PASSWORD)
