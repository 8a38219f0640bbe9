"""What people do to their own account leaves a line, is reported to them, and ends their other
sessions."""

import re
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

import pytest
from allauth.account import signals as account
from allauth.account.models import EmailAddress
from allauth.mfa import signals as mfa
from allauth.mfa.totp.internal.auth import (
    SECRET_SESSION_KEY,
    TOTP,
)
from allauth.socialaccount import signals as social
from django.core import mail
from django.db import OperationalError
from django.dispatch import Signal
from django.test import Client

from accounts import account_events
from accounts.actor import Actor
from accounts.emails import delivery
from accounts.flows import invitations
from accounts.flows.members import Role
from accounts.models import AuditEvent, Email, User
from provisioning.demo.seed import PASSWORD, Cast
from tests.accounts.app_codes import app_code
from tests.accounts.full_disk import disk_full_for
from tests.accounts.outbox import code_by_email
from tests.accounts.own_account import ON_OWN_ACCOUNT
from tests.portal.pages.captured_state import database
from tests.portal.pages.pages import as_user, just_signed_in

SECRET = "JBSWY3DPEHPK3PXP"
NEW_PASSWORD = "another battery staple"
SIGN_IN = {"login": "alice@birch.example", "password": PASSWORD}


def lines() -> list[tuple[str, str]]:
    found = AuditEvent.objects.order_by("pk").values_list("action", "subject")
    return [(action, subject) for action, subject in found]


def emails() -> list[tuple[str, str]]:
    return [(email.kind, email.to) for email in Email.objects.order_by("pk")]


# --- Which signals there are ---------------------------------------------------------

# Before or beside an action that has a signal of its own.
IGNORED = {
    account.email_confirmation_sent,
    account._add_email,
    mfa.authenticator_used,
    # They come after the transaction; the rows themselves are watched.
    mfa.authenticator_added,
    mfa.authenticator_removed,
    mfa.authenticator_reset,
    social.pre_social_login,
    social.social_account_updated,
}


def signals(*modules: ModuleType) -> Iterator[Signal]:
    for module in modules:
        yield from (value for value in vars(module).values() if isinstance(value, Signal))


def test_every_signal_of_allauths_is_received_or_known_to_say_nothing_new() -> None:
    known = set(account_events.RECEIVERS) | IGNORED
    assert set(signals(account, mfa, social)) <= known
    assert not set(account_events.RECEIVERS) & IGNORED


# --- One line for each action, in its transaction ------------------------------------


def forgot(cast: Cast) -> tuple[Client, str]:
    client = Client()
    client.post("/account/password/reset/", {"email": cast.alice.email})
    link = re.search(r"/account/password/reset/key/\S+", str(mail.outbox[-1].body))
    assert link
    page = client.get(link[0])["Location"]
    return client, page


def invited(cast: Cast) -> Client:
    invitations.invite(cast.birch, "dana@birch.example", Role.VIEWER, by=Actor(cast.alice))
    delivery.send_due()
    link = re.search(r"/account/invitation/[\w-]+/", str(mail.outbox[-1].body))
    assert link
    client = Client()
    client.get(link[0])
    return client


def with_second_address(cast: Cast, *, verified: bool = True) -> Client:
    EmailAddress.objects.create(user=cast.alice, email="alice@new.example", verified=verified)
    return just_signed_in(cast.alice)


def adding_an_address(cast: Cast) -> Client:
    client = just_signed_in(cast.alice)
    client.post("/account/email/", {"email": SECOND, "action_add": ""})
    return client


def with_app(cast: Cast) -> Client:
    TOTP.activate(cast.alice, SECRET)
    return just_signed_in(cast.alice, "mfa", type="totp")


def setting_up_app(cast: Cast) -> Client:
    client = just_signed_in(cast.alice)
    client.get("/account/2fa/totp/activate/")
    session = client.session
    session[SECRET_SESSION_KEY] = SECRET
    session.save()
    return client


def asking_for_a_code(cast: Cast) -> Client:
    client = Client()
    client.post("/account/login/code/", {"email": cast.alice.email})
    return client


NEW = {"password1": NEW_PASSWORD, "password2": NEW_PASSWORD}
SIGN_UP = {"name": "Dana", "email": "dana@birch.example", "password1": PASSWORD}
SIGN_UP |= {"password2": PASSWORD}
SECOND = "alice@new.example"
Prepare = Callable[[Cast], Any]
Act = Callable[[Any], Any]
ALICE = "alice@birch.example"
CHANGED = [("sign_in_changed", ALICE)]

# What is done → how it is prepared, the request, the lines (action, subject), and the emails.
EVENTS: dict[str, tuple[Prepare, Act, list[tuple[str, str]], list[tuple[str, str]]]] = {
    "sign-in": (
        lambda cast: Client(),
        lambda client: client.post("/account/login/", SIGN_IN),
        [("signed_in", "by password, A browser")],
        [],
    ),
    "sign-up": (
        invited,
        lambda client: client.post("/account/signup/", SIGN_UP),
        [
            ("signed_up", "dana@birch.example"),
            ("signed_in", "by creating the account, A browser"),
        ],
        [],
    ),
    "sign-out": (
        lambda cast: as_user(cast.alice),
        lambda client: client.post("/account/logout/"),
        [("signed_out", "A browser")],
        [],
    ),
    "wrong password": (
        lambda cast: Client(),
        lambda client: client.post("/account/login/", SIGN_IN | {"password": "x"}),
        [("failed_sign_in", ALICE)],
        [],
    ),
    "wrong code by email": (
        asking_for_a_code,
        lambda client: client.post("/account/login/code/confirm/", {"code": "WRONG"}),
        [("failed_sign_in", ALICE)],
        [],
    ),
    "wrong code of the app": (
        lambda cast: (with_app(cast), Client())[1],
        lambda client: [
            client.post("/account/login/", SIGN_IN),
            client.post("/account/2fa/authenticate/", {"code": "000000"}),
        ],
        [("failed_sign_in", ALICE)],
        [],
    ),
    "confirmation": (
        lambda cast: as_user(cast.alice),
        lambda client: client.post("/account/reauthenticate/", {"password": PASSWORD}),
        [("confirmed", "by password")],
        [],
    ),
    "wrong confirmation": (
        lambda cast: as_user(cast.alice),
        lambda client: client.post("/account/reauthenticate/", {"password": "x"}),
        [("failed_sign_in", ALICE)],
        [],
    ),
    "changed password": (
        lambda cast: just_signed_in(cast.alice),
        lambda client: client.post("/account/password/change/", NEW | {"oldpassword": PASSWORD}),
        [("changed_sign_in", "password changed")],
        CHANGED,
    ),
    "reset password": (
        forgot,
        lambda found: found[0].post(found[1], NEW),
        [("changed_sign_in", "password reset by a link in an email")],
        CHANGED,
    ),
    "added address": (
        adding_an_address,
        lambda client: client.post("/account/confirm-email/", {"code": code_by_email()}),
        [
            ("changed_sign_in", f"email address {SECOND} added"),
            ("changed_sign_in", f"email address {SECOND} verified"),
        ],
        CHANGED,
    ),
    "removed address": (
        with_second_address,
        lambda client: client.post("/account/email/", {"email": SECOND, "action_remove": ""}),
        [("changed_sign_in", f"email address {SECOND} removed")],
        [*CHANGED, ("sign_in_changed", SECOND)],
    ),
    "other primary address": (
        with_second_address,
        lambda client: client.post("/account/email/", {"email": SECOND, "action_primary": ""}),
        [("changed_sign_in", f"{SECOND} made the primary address")],
        [("sign_in_changed", SECOND), *CHANGED],
    ),
    "new app": (
        setting_up_app,
        lambda client: client.post("/account/2fa/totp/activate/", {"code": app_code(SECRET)}),
        [
            ("changed_sign_in", "authenticator app added"),
            ("changed_sign_in", "recovery codes added"),
        ],
        CHANGED,
    ),
    "removed app": (
        with_app,
        lambda client: client.post("/account/2fa/totp/deactivate/"),
        [("changed_sign_in", "authenticator app removed")],
        CHANGED,
    ),
    "new recovery codes": (
        with_app,
        lambda client: client.post("/account/2fa/recovery-codes/generate/"),
        [("changed_sign_in", "recovery codes added")],
        CHANGED,
    ),
    "stranger reported": (
        lambda cast: as_user(cast.alice),
        lambda client: client.post("/account/security/misuse/"),
        [("locked", ALICE), ("locked", ALICE), ("signed_out", "A browser")],
        [("member_locked", ALICE)],
    ),
}


@pytest.mark.parametrize("event", EVENTS)
def test_event_leaves_its_lines_and_is_reported(cast: Cast, event: str) -> None:
    prepare, act, expected_lines, expected_emails = EVENTS[event]
    ready = prepare(cast)
    before_lines, before_emails = len(lines()), len(emails())
    act(ready)
    assert lines()[before_lines:] == expected_lines
    assert emails()[before_emails:] == expected_emails


@pytest.mark.parametrize("event", sorted(set(EVENTS) - {"wrong code of the app"}))
def test_event_is_undone_when_its_line_cannot_be_written(cast: Cast, event: str) -> None:
    prepare, act, _, _ = EVENTS[event]
    ready = prepare(cast)
    before = database()
    with pytest.raises(OperationalError), disk_full_for("accounts_auditevent"):
        act(ready)
    assert database() == before


def test_every_action_on_ones_own_account_is_covered() -> None:
    covered = {action for _, _, expected, _ in EVENTS.values() for action, _ in expected}
    assert covered == {str(action) for action in ON_OWN_ACCOUNT}


# --- Other sessions ------------------------------------------------------------------


@pytest.mark.parametrize(
    "event", [name for name, (_, _, _, sent) in EVENTS.items() if sent] + ["stranger reported"]
)
def test_what_changes_the_sign_in_ends_other_sessions(cast: Cast, event: str) -> None:
    prepare, act, _, _ = EVENTS[event]
    elsewhere = as_user(cast.alice)
    ready = prepare(cast)
    assert elsewhere.get("/").status_code == 200
    act(ready)
    assert elsewhere.get("/")["Location"].startswith("/account/login/")
    assert as_user(cast.bob).get("/").status_code == 200


def test_removal_of_a_factor_by_the_vendor_ends_all_sessions_and_is_told(cast: Cast) -> None:
    factor = TOTP.activate(cast.bob, SECRET).instance
    bob = just_signed_in(cast.bob, "mfa", type="totp")
    root = User.objects.create_superuser("root@acme.example", "x")
    just_signed_in(root).post(f"/admin/mfa/authenticator/{factor.pk}/delete/", {"post": "yes"})
    assert "_auth_user_id" not in bob.session
    assert emails() == [("sign_in_changed", cast.bob.email), ("factor_reset", cast.alice.email)]
    delivery.send_due()
    told = [str(message.body) for message in mail.outbox]
    assert "TOTP Authenticator removed by Acme Software" in told[0]
    assert "removed a second factor of bob@birch.example" in told[1]


# --- Devices and attempts ------------------------------------------------------------


def test_sign_in_on_a_new_device_is_reported_and_on_a_known_one_is_not(cast: Cast) -> None:
    first, second = Client(), Client()
    firefox = {"user-agent": "Mozilla/5.0 (Windows NT 10.0; rv:140.0) Firefox/140.0"}
    first.post("/account/login/", SIGN_IN)
    assert emails() == []
    second.post("/account/login/", SIGN_IN, headers=firefox)
    assert emails() == [("new_device", cast.alice.email)]
    second.post("/account/logout/")
    second.post("/account/login/", SIGN_IN, headers=firefox)
    assert len(emails()) == 1
    delivery.send_due()
    assert "signed in to your account with Firefox on Windows" in str(mail.outbox[-1].body)


def test_device_of_another_person_is_new(cast: Cast) -> None:
    client = Client()
    client.post("/account/login/", SIGN_IN)
    client.post("/account/logout/")
    for _ in range(2):
        Client().post("/account/login/", SIGN_IN | {"login": cast.bob.email})
    before = len(emails())
    client.post("/account/login/", SIGN_IN | {"login": cast.bob.email})
    assert emails()[before:] == [("new_device", cast.bob.email)]


def test_person_is_told_once_that_attempts_were_locked_out(cast: Cast) -> None:
    for _ in range(9):
        Client().post("/account/login/", SIGN_IN | {"password": "x"})
    assert emails() == [("locked_out", cast.alice.email)]


def test_failed_sign_in_is_logged_without_what_was_typed(
    cast: Cast, caplog: pytest.LogCaptureFixture
) -> None:
    Client().post("/account/login/", {"login": "typed-secret@x.example", "password": "x"})
    Client().post("/account/login/", SIGN_IN | {"password": "typed-secret"})
    found = [record.getMessage() for record in caplog.records if "Failed" in record.getMessage()]
    assert found == ["Failed sign-in of nobody known", f"Failed sign-in of user {cast.alice.pk}"]
    assert "typed-secret" not in caplog.text
