"""The outbox: a letter is written with its deed, claimed by one worker, and never lost."""

import smtplib
import socket
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier
from typing import Any

import pytest
from django.core import mail
from django.core.mail.backends.locmem import EmailBackend
from django.db import OperationalError, connection
from django.utils import timezone
from pytest_django.fixtures import Settings

from accounts import letters, organisations, sending
from accounts.deeds import By
from accounts.models import AuditEvent, Invitation, Kind, Letter, Membership
from accounts.organisations import Role
from provisioning import tasks
from provisioning.demo.cast import Cast, seed
from provisioning.flows.request import request
from tests.accounts.test_audit import disk_full_for
from tests.portal.pages.reading import as_user, words
from tests.provisioned import approved
from tests.provisioning.test_vault import committed

__all__ = ["committed"]


@pytest.fixture
def letter(cast: Cast) -> Letter:
    """To Alice: her request has arrived."""
    request(cast.birch, cast.server, by=By(cast.alice))
    return Letter.objects.get()


def in_a_while(letter: Letter, **passed: float) -> None:
    """Let the time pass for the letter."""
    Letter.objects.filter(pk=letter.pk).update(
        due_at=timezone.now(), made_at=timezone.now() - timedelta(**passed)
    )


def refuse(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    def fail(*_: Any) -> None:
        raise error

    monkeypatch.setattr(EmailBackend, "send_messages", fail)


def told(kind: str) -> list[str]:
    """To whom a letter of the kind is written."""
    return list(Letter.objects.filter(kind=kind).order_by("pk").values_list("to", flat=True))


def membership(cast: Cast, who: str) -> Membership:
    return Membership.objects.select_related("customer", "user").get(user=getattr(cast, who))


# --- Written -----------------------------------------------------------------------


def test_deed_that_fails_leaves_no_letter(cast: Cast) -> None:
    with pytest.raises(OperationalError), disk_full_for("provisioning_grant"):
        approved(cast)
    assert told("approved") == []


def test_deed_whose_letter_cannot_be_written_is_not_done(cast: Cast) -> None:
    with pytest.raises(OperationalError), disk_full_for("accounts_letter"):
        organisations.invite(cast.birch, "d@birch.example", Role.VIEWER, by=By(cast.alice))
    assert not Invitation.objects.exists()


def test_letter_is_sent_by_the_worker_whom_the_sweep_calls(
    letter: Letter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tasks.send_letters, "delay", tasks.send_letters)
    tasks.sweep()
    letter.refresh_from_db()
    assert (letter.state, letter.tries, letter.due_at) == ("Sent", 1, None)
    assert [sent.to for sent in mail.outbox] == [[letter.to]]
    tasks.sweep()
    assert len(mail.outbox) == 1


# --- Sent --------------------------------------------------------------------------


def test_letter_waits_for_a_mail_server_that_is_down(letter: Letter, settings: Settings) -> None:
    with socket.socket() as nobody_listens:
        nobody_listens.bind(("127.0.0.1", 0))
        settings.EMAIL_HOST, settings.EMAIL_PORT = nobody_listens.getsockname()
        settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
        sending.send_due()
    letter.refresh_from_db()
    assert letter.state == "Tried again"
    assert "cannot be reached" in letter.last_error
    assert letter.due_at is not None
    assert letter.due_at > timezone.now() + timedelta(seconds=30)
    settings.EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
    sending.send_due()
    assert mail.outbox == []
    in_a_while(letter)
    sending.send_due()
    letter.refresh_from_db()
    assert (letter.state, letter.tries, letter.last_error) == ("Sent", 2, "")


def test_while_the_server_is_down_one_letter_tries_for_all(
    cast: Cast, letter: Letter, monkeypatch: pytest.MonkeyPatch
) -> None:
    request(cast.cedar, cast.server, by=By(cast.charlie))
    refuse(monkeypatch, ConnectionRefusedError("no mail server"))
    sending.send_due()
    assert sorted(Letter.objects.values_list("tries", flat=True)) == [0, 1]
    assert not Letter.objects.due().exists()


@pytest.mark.parametrize(
    "error", [smtplib.SMTPRecipientsRefused({}), ValueError("nobody foresaw it")]
)
def test_letter_that_is_refused_does_not_hold_up_the_next(
    cast: Cast, letter: Letter, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    request(cast.cedar, cast.server, by=By(cast.charlie))
    send = EmailBackend.send_messages

    def refuse_alice(backend: EmailBackend, messages: list[Any]) -> Any:
        if messages[0].to == [letter.to]:
            raise error
        return send(backend, messages)

    monkeypatch.setattr(EmailBackend, "send_messages", refuse_alice)
    sending.send_due()
    assert [sent.to for sent in mail.outbox] == [[cast.charlie.email]]


def test_what_a_server_repeats_of_a_letter_is_kept_nowhere(
    cast: Cast, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    refuse(monkeypatch, smtplib.SMTPDataError(554, b"bad link /account/invitation/TOKEN/"))
    organisations.invite(cast.birch, "d@birch.example", Role.VIEWER, by=By(cast.alice))
    sending.send_due()
    kept = Letter.objects.get().last_error
    assert "SMTPDataError 554" in kept
    assert "TOKEN" not in kept + caplog.text


def test_tries_come_further_apart_and_end_after_days(
    letter: Letter, monkeypatch: pytest.MonkeyPatch
) -> None:
    refuse(monkeypatch, smtplib.SMTPRecipientsRefused({}))
    waits = []
    for _ in range(4):
        in_a_while(letter)
        sending.send_due()
        letter.refresh_from_db()
        assert letter.due_at is not None
        waits.append(letter.due_at - timezone.now())
    assert waits[0] < timedelta(minutes=3) < waits[3]
    in_a_while(letter, days=5)
    sending.send_due()
    letter.refresh_from_db()
    assert (letter.state, letter.due_at) == ("Not sent", None)


def test_letter_whose_worker_died_is_sent_by_another(
    letter: Letter, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as dying:
        refuse(dying, SystemExit())
        with pytest.raises(SystemExit):
            sending.send_due()
    sending.send_due()
    assert mail.outbox == []
    in_a_while(letter)
    sending.send_due()
    assert len(mail.outbox) == 1


@pytest.mark.usefixtures("committed")
def test_of_many_workers_who_race_one_sends_it() -> None:
    people = seed()
    request(people.birch, people.server, by=By(people.alice))
    start, pk = Barrier(6), Letter.objects.get().pk

    def wait_before_writing(execute: Any, sql: str, *rest: Any) -> Any:
        if sql.startswith('UPDATE "accounts_letter"') and '"tries"' in sql:
            start.wait(timeout=20)
        return execute(sql, *rest)

    def work(_: int) -> None:
        try:
            with connection.execute_wrapper(wait_before_writing):
                sending.send_due()
        finally:
            connection.close()

    with ThreadPoolExecutor(6) as threads:
        list(threads.map(work, range(6)))
    assert len(mail.outbox) == 1
    assert Letter.objects.get(pk=pk).tries == 1


# --- To whom -----------------------------------------------------------------------


def test_muted_kind_is_not_sent_and_the_others_are(cast: Cast) -> None:
    letters.choose(membership(cast, "bob"), {"approved"}, time_zone="UTC", by=By(cast.bob))
    approved(cast)
    letters.to_members(Kind.SUSPENDED, cast.birch, path="/")
    assert told("approved") == [cast.alice.email, cast.bob.email]
    assert told("suspended") == [cast.alice.email]


def test_viewer_gets_letters_about_products_alone(cast: Cast) -> None:
    for kind in letters.READERS:
        letters.to_members(kind, cast.birch, path="/")
        to_bob = [cast.bob.email] if kind in letters.PRODUCTS else []
        assert told(kind) == [cast.alice.email, *to_bob]


def test_letters_that_guard_cannot_be_turned_off(cast: Cast) -> None:
    alice = membership(cast, "alice")
    letters.choose(alice, set(), time_zone="UTC", by=By(cast.alice))
    assert [kind for kind in letters.READERS if letters.wants(alice, kind)] == letters.ALWAYS


@pytest.mark.parametrize(
    "leave",
    [
        lambda cast: organisations.remove(membership(cast, "bob"), by=By(cast.alice)),
        lambda cast: cast.bob.delete(),
        lambda cast: type(cast.bob).objects.filter(pk=cast.bob.pk).update(is_active=False),
        lambda cast: Membership.objects.filter(user=cast.bob).update(muted=["approved"]),
    ],
    ids=["removed", "deleted", "inactive", "muted"],
)
def test_who_left_before_it_was_sent_gets_nothing(
    cast: Cast, leave: Callable[[Cast], object]
) -> None:
    approved(cast)
    leave(cast)
    sending.send_due()
    assert cast.bob.email not in [sent.to[0] for sent in mail.outbox]
    left = Letter.objects.get(to=cast.bob.email)
    assert (left.state, left.last_error[:10]) == ("Not sent", "Its reader")


def test_invitation_taken_back_before_it_was_sent_is_not(cast: Cast) -> None:
    invitation = organisations.invite(cast.birch, "d@birch.example", Role.VIEWER, by=By(cast.alice))
    assert Invitation.objects.get().token_hash is None
    organisations.revoke(invitation, by=By(cast.alice))
    sending.send_due()
    assert mail.outbox == []
    assert "taken back" in Letter.objects.get().last_error


# --- The page ----------------------------------------------------------------------


def test_member_chooses_letters_and_time_zone_on_a_page(cast: Cast) -> None:
    alice, address = as_user(cast.alice), f"/customers/{cast.birch.pk}/letters/"
    assert "Your letters" in words(alice.get(f"/customers/{cast.birch.pk}/"))
    fields = {"products": ["ready"], "credentials": ["rotated"], "time_zone": "Asia/Tokyo"}
    shown = alice.post(address, fields, follow=True)
    assert "saved" in words(shown)
    page = shown.content.decode()
    assert page.count(" checked") == 2
    assert '<option value="Asia/Tokyo" selected>' in page
    changed = AuditEvent.objects.get()
    assert (changed.deed, changed.actor) == ("chose_letters", cast.alice)
    assert "UTC. → Without: approved, ended, key_expiring" in changed.changes
    alice.post(address, fields)
    assert AuditEvent.objects.count() == 1


def test_page_says_what_is_always_sent_and_to_whom(cast: Cast) -> None:
    address = f"/customers/{cast.birch.pk}/letters/"
    for_alice, for_bob = (words(as_user(user).get(address)) for user in (cast.alice, cast.bob))
    assert "Credentials are revealed" in for_alice
    assert "cannot be turned off" in for_alice
    assert "cannot be turned off" not in for_bob
    assert "go to engineers and owners of Birch Bank" in for_bob


def test_choice_of_a_viewer_keeps_what_an_engineer_chose(cast: Cast) -> None:
    Membership.objects.filter(user=cast.bob).update(muted=["rotated"])
    bob = membership(cast, "bob")
    letters.choose(bob, set(letters.PRODUCTS), time_zone="UTC", by=By(cast.bob))
    assert bob.muted == ["rotated"]


def test_wrong_choice_changes_nothing(cast: Cast) -> None:
    address = f"/customers/{cast.birch.pk}/letters/"
    fields = {"products": ["nonsense"], "time_zone": "Mars/Olympus"}
    shown = words(as_user(cast.alice).post(address, fields))
    assert "Mars/Olympus is not one of the available choices" in shown
    cast.alice.refresh_from_db()
    assert cast.alice.time_zone == "UTC"


def test_pages_tell_the_time_of_the_readers_zone(cast: Cast) -> None:
    type(cast.alice).objects.filter(pk=cast.alice.pk).update(time_zone="Asia/Tokyo")
    Membership.objects.update(created_at="2026-05-03T20:00:00Z")
    address = f"/customers/{cast.birch.pk}/"
    shown = as_user(cast.alice).get(address).content.decode()
    assert 'title="Monday 4 May 2026, 05:00:00 JST (Asia/Tokyo)">4 May 2026<' in shown
    assert (
        'title="Sunday 3 May 2026, 20:00:00 UTC">'
        in as_user(cast.bob).get(address).content.decode()
    )


def test_ops_see_what_waits_and_why(cast: Cast, letter: Letter) -> None:
    Letter.objects.update(last_error="The mail server cannot be reached")
    page = "/admin/accounts/letter/"
    shown = words(as_user(cast.otto).get(page))
    assert "alice@birch.example Tried again 0 The mail server cannot be reached" in shown
    assert as_user(cast.sandra).get(page).status_code == 403
