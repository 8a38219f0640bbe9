"""People are reminded 30, 14, 7 and 1 days before a key expires or access ends."""

from datetime import datetime, timedelta

import pytest
from django.core import mail
from django.db import OperationalError, connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.emails import delivery
from accounts.flows import members
from accounts.models import Email, Membership, User
from provisioning import tasks
from provisioning.demo.seed import Cast
from provisioning.flows import Actor
from provisioning.flows.credentials import reveal
from provisioning.flows.entitlements import extend, request, suspend
from provisioning.models import AccessKey, Entitlement, OneTimeSecret
from provisioning.notifications import reminders
from tests.accounts.full_disk import disk_full_for
from tests.entitlements import approved
from tests.provisioned import provision


@pytest.fixture
def key(cast: Cast) -> AccessKey:
    approved(cast)
    key = provision(cast.birch).access_keys.get()
    Email.objects.all().delete()
    return key


def expires_in(key: AccessKey, days: float) -> None:
    AccessKey.objects.filter(pk=key.pk).update(expires_at=timezone.now() + timedelta(days=days))


def test_each_reminder_of_an_expiring_key_is_sent_once(cast: Cast, key: AccessKey) -> None:
    sent = []
    for days in (40, 31, 29, 20, 13.5, 13, 8, 6.5, 3, 0.9, 0.1):
        expires_in(key, days)
        tasks.send_reminders()
        tasks.send_reminders()
        delivery.send_due()
        sent += [(days, email.subject) for email in mail.outbox]
        mail.outbox.clear()
    assert sent == [
        (29, "Birch Bank: credentials expire in 30 days"),
        (13.5, "Birch Bank: credentials expire in 14 days"),
        (6.5, "Birch Bank: credentials expire in 7 days"),
        (0.9, "Birch Bank: credentials expire in 1 day"),
    ]


def test_only_members_who_can_act_are_reminded(cast: Cast, key: AccessKey) -> None:
    erik = User.objects.create_user("erik@birch.example")
    Membership.objects.create(user=erik, customer=cast.birch, role="engineer")
    expires_in(key, 5)
    reminders.send()
    delivery.send_due()
    assert [email.to for email in mail.outbox] == [[cast.alice.email], [erik.email]]
    for email in mail.outbox:
        assert key.access_key_id not in email.message().as_string()


def test_nobody_is_reminded_of_a_key_that_retires_or_never_expires(
    cast: Cast, key: AccessKey
) -> None:
    expires_in(key, 5)
    AccessKey.objects.update(retires_at=timezone.now() + timedelta(days=1))
    reminders.send()
    AccessKey.objects.update(retires_at=None, expires_at=None)
    reminders.send()
    assert not Email.objects.exists()


def test_each_reminder_of_the_end_of_a_term_is_sent_once_to_owner_and_salesperson(
    cast: Cast,
) -> None:
    entitlement = approved(cast)
    Email.objects.all().delete()
    sent = []
    for days in (40, 29, 20, 13, 6, 3, 0.9, 0.1):
        ends_in(entitlement, days)
        for _ in range(2):
            tasks.send_reminders()
        delivery.send_due()
        sent += [(days, email.subject, email.to[0]) for email in mail.outbox]
        mail.outbox.clear()
    assert sent == [
        (days, f"Birch Bank: {what} ends in {words}", person.email)
        for days, words in ((29, "30 days"), (13, "14 days"), (6, "7 days"), (0.9, "1 day"))
        for what, person in (("access to Acme Server", cast.alice), ("Acme Server", cast.sandra))
    ]


def test_extended_term_gets_reminders_of_its_own(cast: Cast) -> None:
    entitlement = approved(cast)
    ends_in(entitlement, 5)
    reminders.send()
    in_six_days = timezone.now() + timedelta(days=6)
    extend(entitlement, by=Actor(cast.sandra), ends_at=in_six_days, reason="Renewed")
    reminders.send()
    assert Email.objects.filter(kind="term_ending", user=cast.alice).count() == 2


def test_nobody_is_reminded_of_a_term_that_is_suspended_or_has_no_end(cast: Cast) -> None:
    approved(cast)
    entitlement = approved(cast, cast.reports)
    ends_in(entitlement, 5)
    suspend(entitlement, by=Actor(cast.sandra), reason="Unpaid")
    reminders.send()
    assert not Email.objects.filter(kind="term_ending").exists()


def test_reminder_that_could_not_be_written_is_written_the_next_time(
    cast: Cast, key: AccessKey
) -> None:
    expires_in(key, 5)
    with pytest.raises(OperationalError), disk_full_for("accounts_email"):
        reminders.send()
    reminders.send()
    assert Email.objects.get().kind == "key_expiring"


def ends_in(entitlement: Entitlement, days: float) -> None:
    starts_at, ends_at = (timezone.now() + timedelta(days=n) for n in (-1, days))
    Entitlement.objects.filter(pk=entitlement.pk).update(starts_at=starts_at, ends_at=ends_at)


def test_salesperson_gets_a_link_that_extends_the_term(cast: Cast) -> None:
    entitlement = approved(cast)
    ends_in(entitlement, 6)
    reminders.send()
    delivery.send_due()
    (message,) = [each for each in mail.outbox if "ends in 7 days" in each.subject][1:]
    assert message.to == [cast.sandra.email]
    assert f"/admin/provisioning/entitlement/decide/extend/?pk={entitlement.pk}" in message.body


def test_unrevealed_credentials_are_mentioned_on_day_three_and_six_to_who_may_reveal_them(
    cast: Cast, key: AccessKey
) -> None:
    sent = []
    for days in (2.9, 3.1, 4, 5.9, 6.1, 6.9):
        created_at = timezone.now() - timedelta(days=days)
        OneTimeSecret.objects.update(created_at=created_at)
        tasks.send_reminders()
        tasks.send_reminders()
        delivery.send_due()
        sent += [(days, *email.to) for email in mail.outbox]
        mail.outbox.clear()
    assert sent == [(3.1, cast.alice.email), (6.1, cast.alice.email)]


def test_missed_reminder_of_unrevealed_credentials_is_not_made_up_for(
    cast: Cast, key: AccessKey
) -> None:
    OneTimeSecret.objects.update(created_at=timezone.now() - timedelta(days=6.5))
    for _ in range(3):
        reminders.send()
    assert Email.objects.get().kind == "unrevealed"


@pytest.mark.parametrize("change", [{"desired": "Inactive"}, {"tested_at": None}])
def test_nobody_is_reminded_of_credentials_that_cannot_be_revealed(
    cast: Cast, key: AccessKey, change: dict[str, object]
) -> None:
    AccessKey.objects.update(**change)
    OneTimeSecret.objects.update(created_at=timezone.now() - timedelta(days=6.5))
    reminders.send()
    assert not Email.objects.exists()


def test_waiting_requests_are_listed_once_a_day_for_who_asked(cast: Cast) -> None:
    User.objects.filter(pk=cast.sandra.pk).update(switched=["requests_waiting"])
    reminders.send()
    assert not Email.objects.exists()
    request(cast.birch, cast.server, by=Actor(cast.alice))
    request(cast.cedar, cast.server, by=Actor(cast.charlie))
    Entitlement.objects.update(requested_at=datetime.fromisoformat("2026-05-03T08:00:00Z"))
    for _ in range(3):
        reminders.send()
    email = Email.objects.get(kind="requests_waiting")
    delivery.send_due()
    (message,) = [each for each in mail.outbox if each.subject.startswith("2 requests")]
    assert message.subject == "2 requests wait, the oldest since 3 May"
    Email.objects.filter(pk=email.pk).update(created_at=timezone.now() - timedelta(hours=24))
    reminders.send()
    assert Email.objects.filter(kind="requests_waiting").count() == 2


def test_reminders_that_are_not_due_cost_nothing(cast: Cast, key: AccessKey) -> None:
    expires_in(key, 20)
    ends_in(Entitlement.objects.get(), 20)
    reminders.send()
    assert Email.objects.exists()
    with CaptureQueriesContext(connection) as captured:
        reminders.send()
    assert not [each["sql"] for each in captured if each["sql"].startswith("UPDATE")]


# --- Keys of former members ----------------------------------------------------------


@pytest.fixture
def revealed_by_bob(cast: Cast, key: AccessKey) -> AccessKey:
    Membership.objects.filter(user=cast.bob).update(role="engineer")
    reveal(key.pull_user, by=Actor(cast.bob))
    Email.objects.all().delete()
    return key


def test_owners_are_asked_once_to_replace_a_key_that_a_former_member_revealed(
    cast: Cast, revealed_by_bob: AccessKey
) -> None:
    tasks.send_reminders()
    assert not Email.objects.filter(kind="holder_left").exists()
    members.remove(Membership.objects.get(user=cast.bob), by=Actor(cast.alice))
    for _ in range(2):
        tasks.send_reminders()
    email = Email.objects.exclude(kind="member_removed").get()
    assert (email.kind, email.to) == ("holder_left", cast.alice.email)
    delivery.send_due()
    body = str(mail.outbox[-1].body)
    assert "Bob Berger (bob@birch.example) revealed the access key" in body
    assert f"/credentials/{revealed_by_bob.pull_user_id}/rotate/" in body


def test_replaced_key_of_a_former_member_is_not_mentioned(
    cast: Cast, revealed_by_bob: AccessKey
) -> None:
    members.remove(Membership.objects.get(user=cast.bob), by=Actor(cast.alice))
    AccessKey.objects.update(retires_at=timezone.now() + timedelta(days=7))
    tasks.send_reminders()
    assert not Email.objects.filter(kind="holder_left").exists()
