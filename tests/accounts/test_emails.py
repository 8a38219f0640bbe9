"""Emails are written in the transaction of their action, claimed by one worker, and never lost."""

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
from django.test import Client
from django.utils import timezone
from pytest_django.fixtures import Settings

from accounts.actor import Actor
from accounts.emails import delivery, outbox, preferences
from accounts.flows import invitations, members
from accounts.flows.members import Role
from accounts.models import AuditEvent, Email, EmailKind, Invitation, Membership
from provisioning import tasks
from provisioning.demo.seed import Cast, seed
from provisioning.flows.entitlements import request
from provisioning.notifications import reminders
from tests import messages
from tests.accounts.full_disk import disk_full_for
from tests.accounts.outbox import recipients
from tests.entitlements import approved
from tests.portal.pages.pages import as_user, just_signed_in, words


@pytest.fixture
def email(cast: Cast) -> Email:
    """Tells Alice that her request has arrived."""
    request(cast.birch, cast.server, by=Actor(cast.alice))
    Email.objects.exclude(kind="request_received").delete()
    return Email.objects.get()


def make_due(email: Email, **age: float) -> None:
    """Make the email due now, and as old as ``age`` says."""
    Email.objects.filter(pk=email.pk).update(
        due_at=timezone.now(), created_at=timezone.now() - timedelta(**age)
    )


def refuse(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    def fail(*_: Any) -> None:
        raise error

    monkeypatch.setattr(EmailBackend, "send_messages", fail)


def membership(cast: Cast, who: str) -> Membership:
    return Membership.objects.select_related("customer", "user").get(user=getattr(cast, who))


# --- Writing -----------------------------------------------------------------------


def test_failed_action_leaves_no_email(cast: Cast) -> None:
    with pytest.raises(OperationalError), disk_full_for("provisioning_grant"):
        approved(cast)
    assert recipients("approved") == []


def test_action_is_undone_when_its_email_cannot_be_written(cast: Cast) -> None:
    with pytest.raises(OperationalError), disk_full_for("accounts_email"):
        invitations.invite(cast.birch, "d@birch.example", Role.VIEWER, by=Actor(cast.alice))
    assert not Invitation.objects.exists()


def test_sweep_has_a_worker_send_the_email_once(email: Email) -> None:
    messages.clear()
    tasks.sweep()
    assert messages.waiting("send_emails") == [("send_emails", [])]
    tasks.send_emails()
    email.refresh_from_db()
    assert (email.state, email.tries, email.due_at) == ("Sent", 1, None)
    assert [sent.to for sent in mail.outbox] == [[email.to]]
    messages.clear()
    tasks.sweep()
    assert messages.waiting("send_emails") == []


# --- Sending -----------------------------------------------------------------------


def test_email_waits_while_the_mail_server_is_down(email: Email, settings: Settings) -> None:
    with socket.socket() as nobody_listens:
        nobody_listens.bind(("127.0.0.1", 0))
        settings.EMAIL_HOST, settings.EMAIL_PORT = nobody_listens.getsockname()
        settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
        delivery.send_due()
    email.refresh_from_db()
    assert email.state == "Will be retried"
    assert "cannot be reached" in email.last_error
    assert email.due_at is not None
    assert email.due_at > timezone.now() + timedelta(seconds=30)
    settings.EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
    delivery.send_due()
    assert mail.outbox == []
    make_due(email)
    delivery.send_due()
    email.refresh_from_db()
    assert (email.state, email.tries, email.last_error) == ("Sent", 2, "")


def test_only_one_email_is_tried_while_the_mail_server_is_down(
    cast: Cast, email: Email, monkeypatch: pytest.MonkeyPatch
) -> None:
    outbox.to_members(EmailKind.SUSPENDED, cast.cedar, path="/")
    refuse(monkeypatch, ConnectionRefusedError("no mail server"))
    delivery.send_due()
    assert sorted(Email.objects.values_list("tries", flat=True)) == [0, 1]
    assert not Email.objects.due().exists()


@pytest.mark.parametrize(
    "error", [smtplib.SMTPRecipientsRefused({}), ValueError("an unexpected error")]
)
def test_refused_email_does_not_hold_up_the_next_one(
    cast: Cast, email: Email, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    outbox.to_members(EmailKind.SUSPENDED, cast.cedar, path="/")
    send = EmailBackend.send_messages

    def refuse_alice(backend: EmailBackend, messages: list[Any]) -> Any:
        if messages[0].to == [email.to]:
            raise error
        return send(backend, messages)

    monkeypatch.setattr(EmailBackend, "send_messages", refuse_alice)
    delivery.send_due()
    assert [sent.to for sent in mail.outbox] == [[cast.charlie.email]]


def test_text_that_the_mail_server_repeats_is_neither_stored_nor_logged(
    cast: Cast, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    refuse(monkeypatch, smtplib.SMTPDataError(554, b"bad link /account/invitation/TOKEN/"))
    invitations.invite(cast.birch, "d@birch.example", Role.VIEWER, by=Actor(cast.alice))
    delivery.send_due()
    kept = Email.objects.get().last_error
    assert "SMTPDataError 554" in kept
    assert "TOKEN" not in kept + caplog.text


def test_retries_become_rarer_and_end_after_days(
    email: Email, monkeypatch: pytest.MonkeyPatch
) -> None:
    refuse(monkeypatch, smtplib.SMTPRecipientsRefused({}))
    waits = []
    for _ in range(4):
        make_due(email)
        delivery.send_due()
        email.refresh_from_db()
        assert email.due_at is not None
        waits.append(email.due_at - timezone.now())
    assert waits[0] < timedelta(minutes=3) < waits[3]
    make_due(email, days=5)
    delivery.send_due()
    email.refresh_from_db()
    assert (email.state, email.due_at) == ("Not sent", None)


def test_email_is_sent_by_another_worker_when_its_worker_dies(
    email: Email, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as dying:
        refuse(dying, SystemExit())
        with pytest.raises(SystemExit):
            delivery.send_due()
    delivery.send_due()
    assert mail.outbox == []
    make_due(email)
    delivery.send_due()
    assert len(mail.outbox) == 1


@pytest.mark.usefixtures("transactional_db")
def test_only_one_of_many_concurrent_workers_sends_an_email() -> None:
    people = seed()
    request(people.birch, people.server, by=Actor(people.alice))
    Email.objects.exclude(kind="request_received").delete()
    start, pk = Barrier(6), Email.objects.get().pk

    def wait_before_writing(execute: Any, sql: str, *rest: Any) -> Any:
        if sql.startswith('UPDATE "accounts_email"') and '"tries"' in sql:
            start.wait(timeout=20)
        return execute(sql, *rest)

    def work(_: int) -> None:
        try:
            with connection.execute_wrapper(wait_before_writing):
                delivery.send_due()
        finally:
            connection.close()

    with ThreadPoolExecutor(6) as threads:
        list(threads.map(work, range(6)))
    assert len(mail.outbox) == 1
    assert Email.objects.get(pk=pk).tries == 1


# --- Recipients --------------------------------------------------------------------


def test_only_the_kinds_that_a_member_turned_off_are_not_written(cast: Cast) -> None:
    Membership.objects.update(role="owner")
    preferences.choose(membership(cast, "bob"), {"approved"}, by=Actor(cast.bob))
    approved(cast)
    outbox.to_members(EmailKind.SUSPENDED, cast.birch, path="/")
    assert recipients("approved") == [cast.alice.email, cast.bob.email]
    assert recipients("suspended") == [cast.alice.email]


def test_viewer_gets_nothing_unless_asked_for_or_there_is_no_owner(cast: Cast) -> None:
    for kind in preferences.READERS:
        outbox.to_members(kind, cast.birch, path="/")
    assert not Email.objects.filter(user=cast.bob).exists()
    preferences.choose(membership(cast, "bob"), {"new_version"}, by=Actor(cast.bob))
    outbox.to_members(EmailKind.NEW_VERSION, cast.birch, path="/")
    assert recipients("new_version") == [cast.bob.email]
    membership(cast, "alice").delete()
    outbox.to_members(EmailKind.SUSPENDED, cast.birch, path="/")
    assert recipients("suspended") == [cast.alice.email, cast.bob.email]


def test_who_did_something_gets_the_email_about_it_whatever_their_role(cast: Cast) -> None:
    outbox.to_members(EmailKind.REVEALED, cast.birch, person=cast.bob, path="/")
    assert recipients("revealed") == [cast.alice.email, cast.bob.email]


def test_security_emails_cannot_be_turned_off(cast: Cast) -> None:
    alice = membership(cast, "alice")
    preferences.choose(alice, set(), by=Actor(cast.alice))
    wanted = [kind for kind in preferences.READERS if preferences.is_wanted_by(alice, kind)]
    assert wanted == list(preferences.ALWAYS)


@pytest.mark.parametrize(
    "leave",
    [
        lambda cast: members.remove(membership(cast, "bob"), by=Actor(cast.alice)),
        lambda cast: cast.bob.delete(),
        lambda cast: type(cast.bob).objects.filter(pk=cast.bob.pk).update(is_active=False),
        lambda cast: Membership.objects.filter(user=cast.bob).update(switched=["approved"]),
    ],
    ids=["removed", "deleted", "inactive", "muted"],
)
def test_email_is_not_sent_to_a_member_who_has_left_or_turned_it_off(
    cast: Cast, leave: Callable[[Cast], object]
) -> None:
    Membership.objects.update(role="owner")
    approved(cast)
    leave(cast)
    delivery.send_due()
    told = [sent.subject for sent in mail.outbox if sent.to == [cast.bob.email]]
    # Who was removed is told that.
    assert set(told) <= {"You are no longer a member of Birch Bank"}
    dropped = Email.objects.get(to=cast.bob.email, kind=EmailKind.APPROVED)
    assert dropped.state == "Not sent"
    assert dropped.last_error == "The reader has left, or has turned this kind off."


def test_withdrawn_invitation_is_not_sent(cast: Cast) -> None:
    invitation = invitations.invite(
        cast.birch, "d@birch.example", Role.VIEWER, by=Actor(cast.alice)
    )
    assert Invitation.objects.get().token_hash is None
    invitations.revoke(invitation, by=Actor(cast.alice))
    delivery.send_due()
    assert mail.outbox == []
    assert "accepted or withdrawn" in Email.objects.get().last_error


# --- Pages -------------------------------------------------------------------------


def test_member_chooses_notifications(cast: Cast) -> None:
    alice, address = as_user(cast.alice), f"/customers/{cast.birch.pk}/notifications/"
    assert "Notifications" in words(alice.get(f"/customers/{cast.birch.pk}/"))
    fields = {"products": ["ready"], "credentials": ["rotated"]}
    shown = alice.post(address, fields, follow=True)
    assert "saved" in words(shown)
    page = shown.content.decode()
    assert page.count(" checked") == 2
    changed = AuditEvent.objects.get()
    assert (changed.action, changed.actor) == ("notifications", cast.alice)
    assert "on: none. → Turned off: approved, ended, key_expiring" in changed.changes
    alice.post(address, fields)
    assert AuditEvent.objects.count() == 1


def test_page_says_which_emails_are_always_sent_and_to_whom(cast: Cast) -> None:
    address = f"/customers/{cast.birch.pk}/notifications/"
    for_alice, for_bob = (
        words(just_signed_in(user).get(address)) for user in (cast.alice, cast.bob)
    )
    assert "Credentials were revealed" in for_alice
    assert "cannot be turned off" in for_alice
    assert "cannot be turned off" not in for_bob
    assert "go to engineers and owners of Birch Bank" in for_bob


def test_person_changes_their_name_and_time_zone(cast: Cast) -> None:
    alice, address = as_user(cast.alice), "/account/profile/"
    shown = alice.post(address, {"name": "Alice A.", "time_zone": "Asia/Tokyo"}, follow=True)
    assert "Your name and your time zone are saved." in words(shown)
    assert '<option value="Asia/Tokyo" selected>' in shown.content.decode()
    changed = AuditEvent.objects.get()
    assert (changed.action, changed.subject) == ("profile", cast.alice.email)
    assert changed.changes == "Alice Ahlgren, UTC → Alice A., Asia/Tokyo"
    refused = words(alice.post(address, {"name": "A" * 200, "time_zone": "Mars/Olympus"}))
    assert "Mars/Olympus is not one of the available choices" in refused
    assert "A" * 200 in alice.post(address, {"name": "A" * 200}).content.decode()
    cast.alice.refresh_from_db()
    assert (cast.alice.name, cast.alice.time_zone) == ("Alice A.", "Asia/Tokyo")


def test_vendors_people_choose_what_they_are_told_by_what_they_may_do(cast: Cast) -> None:
    address = "/account/notifications/"
    sandra, otto = just_signed_in(cast.sandra), just_signed_in(cast.otto)
    assert "A request came in" in words(sandra.get(address))
    assert "A request came in" not in words(otto.get(address))
    assert "needs attention" in words(otto.get(address))
    sandra.post(address, {"kinds": ["requests_waiting"]})
    request(cast.birch, cast.server, by=Actor(cast.alice))
    assert recipients("new_request") == []
    reminders.send()
    reminders.send()
    assert recipients("requests_waiting") == [cast.sandra.email]
    links = words(as_user(cast.alice).get(address))
    assert "Birch Bank" in links
    assert "A request came in" not in links


def test_viewers_choice_keeps_choices_made_as_engineer(cast: Cast) -> None:
    Membership.objects.filter(user=cast.bob).update(switched=["rotated"])
    bob = membership(cast, "bob")
    others = {*preferences.PRODUCTS} - preferences.OPT_IN
    preferences.choose(bob, {str(kind) for kind in others}, by=Actor(cast.bob))
    assert bob.switched == ["rotated"]


def test_invalid_choice_changes_nothing(cast: Cast) -> None:
    address = f"/customers/{cast.birch.pk}/notifications/"
    shown = words(as_user(cast.alice).post(address, {"products": ["nonsense"]}))
    assert "nonsense is not one of the available choices" in shown
    assert membership(cast, "alice").switched == []


# --- The way out ---------------------------------------------------------------------


def unsubscribe_link(message: Any) -> str:
    assert message.extra_headers["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    link: str = message.extra_headers["List-Unsubscribe"].strip("<>")
    return link.removeprefix("http://127.0.0.1:8000")


def test_mail_program_turns_one_kind_off_without_a_sign_in(cast: Cast, client: Client) -> None:
    approved(cast)
    delivery.send_due()
    (message,) = [each for each in mail.outbox if each.subject.endswith("is approved")]
    link = unsubscribe_link(message)
    strict = type(client)(enforce_csrf_checks=True)
    assert "Turn these emails off?" in words(strict.get(link))
    assert membership(cast, "alice").switched == []
    assert "You no longer get emails" in words(strict.post(link, {"List-Unsubscribe": "One-Click"}))
    assert membership(cast, "alice").switched == ["approved"]
    strict.post(link)
    assert membership(cast, "alice").switched == ["approved"]
    assert AuditEvent.objects.filter(action="notifications").count() == 1


def test_staff_turn_a_kind_off_the_same_way(cast: Cast, client: Client) -> None:
    request(cast.birch, cast.server, by=Actor(cast.alice))
    delivery.send_due()
    (message,) = [each for each in mail.outbox if each.to == [cast.sandra.email]]
    client.post(unsubscribe_link(message))
    cast.sandra.refresh_from_db()
    assert cast.sandra.switched == ["new_request"]


def test_email_that_cannot_be_turned_off_has_no_way_out(cast: Cast) -> None:
    outbox.to_members(EmailKind.REVEALED, cast.birch, path="/")
    outbox.to_person(EmailKind.NEW_DEVICE, cast.alice, address="192.0.2.1", device="Firefox")
    delivery.send_due()
    assert [each.extra_headers for each in mail.outbox] == [{}, {}]


@pytest.mark.parametrize("change", ["x", ":x", ""])
def test_link_that_was_changed_turns_nothing_off(cast: Cast, client: Client, change: str) -> None:
    approved(cast)
    delivery.send_due()
    (message,) = [each for each in mail.outbox if each.subject.endswith("is approved")]
    link = unsubscribe_link(message)
    wrong = f"{link[:-2]}{change}/" if change else link.replace("unsubscribe/", "unsubscribe/a")
    assert client.post(wrong).status_code == 404
    assert membership(cast, "alice").switched == []


# --- Ops -----------------------------------------------------------------------------


def test_pages_show_times_in_the_readers_time_zone(cast: Cast) -> None:
    type(cast.alice).objects.filter(pk=cast.alice.pk).update(time_zone="Asia/Tokyo")
    Membership.objects.update(created_at="2026-05-03T20:00:00Z")
    address = f"/customers/{cast.birch.pk}/"
    shown = as_user(cast.alice).get(address).content.decode()
    assert 'title="Monday 4 May 2026, 05:00:00 JST (Asia/Tokyo)">4 May 2026<' in shown
    assert (
        'title="Sunday 3 May 2026, 20:00:00 UTC">'
        in as_user(cast.bob).get(address).content.decode()
    )


def test_ops_see_which_emails_wait_and_why(cast: Cast, email: Email) -> None:
    Email.objects.update(last_error="The mail server cannot be reached")
    page = "/admin/accounts/email/"
    shown = words(just_signed_in(cast.otto).get(page))
    assert "alice@birch.example Will be retried 0 The mail server cannot be reached" in shown
    assert just_signed_in(cast.sandra).get(page).status_code == 403
