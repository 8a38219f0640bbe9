"""People are reminded 30, 14, 7 and 1 days before a key expires or access ends."""

from datetime import timedelta

import pytest
from django.core import mail
from django.db import OperationalError
from django.utils import timezone

from accounts.emails import delivery
from accounts.flows import members
from accounts.models import Email, Membership, User
from provisioning import tasks
from provisioning.demo.seed import Cast
from provisioning.flows import Actor
from provisioning.flows.credentials import reveal
from provisioning.flows.entitlements import extend, suspend
from provisioning.models import AccessKey, Entitlement
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


def test_each_reminder_of_the_end_of_a_term_is_sent_once_to_every_member(cast: Cast) -> None:
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
        (days, f"Birch Bank: access to Acme Server ends in {words}", person.email)
        for days, words in ((29, "30 days"), (13, "14 days"), (6, "7 days"), (0.9, "1 day"))
        for person in (cast.alice, cast.bob)
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
