"""People are warned before a key grows too old, or access ends: 30, 14, 7 and 1 days before."""

from datetime import timedelta

import pytest
from django.core import mail
from django.db import OperationalError
from django.utils import timezone

from accounts import sending
from accounts.models import Letter, Membership, User
from provisioning import expiry, tasks
from provisioning.demo.cast import Cast
from provisioning.flows import By
from provisioning.flows.decide import extend, suspend
from provisioning.models import AccessKey, Entitlement
from tests.accounts.test_audit import disk_full_for
from tests.provisioned import approved, provision


@pytest.fixture
def key(cast: Cast) -> AccessKey:
    approved(cast)
    key = provision(cast.birch).access_keys.get()
    Letter.objects.all().delete()
    return key


def days_left(key: AccessKey, days: float) -> None:
    AccessKey.objects.filter(pk=key.pk).update(expires_at=timezone.now() + timedelta(days=days))


def test_each_warning_is_sent_once(cast: Cast, key: AccessKey) -> None:
    told = []
    for days in (40, 31, 29, 20, 13.5, 13, 8, 6.5, 3, 0.9, 0.1):
        days_left(key, days)
        tasks.warn_of_expiry()
        tasks.warn_of_expiry()
        sending.send_due()
        told += [(days, letter.subject) for letter in mail.outbox]
        mail.outbox.clear()
    assert told == [
        (29, "Birch Bank: credentials expire in 30 days"),
        (13.5, "Birch Bank: credentials expire in 14 days"),
        (6.5, "Birch Bank: credentials expire in 7 days"),
        (0.9, "Birch Bank: credentials expire in 1 day"),
    ]


def test_those_who_can_act_are_told_and_nobody_else(cast: Cast, key: AccessKey) -> None:
    erik = User.objects.create_user("erik@birch.example")
    Membership.objects.create(user=erik, customer=cast.birch, role="engineer")
    days_left(key, 5)
    expiry.warn()
    sending.send_due()
    assert [letter.to for letter in mail.outbox] == [[cast.alice.email], [erik.email]]
    for letter in mail.outbox:
        assert key.access_key_id not in letter.message().as_string()


def test_key_that_retires_or_never_grows_old_is_not_warned_of(cast: Cast, key: AccessKey) -> None:
    days_left(key, 5)
    AccessKey.objects.update(retires_at=timezone.now() + timedelta(days=1))
    expiry.warn()
    AccessKey.objects.update(retires_at=None, expires_at=None)
    expiry.warn()
    assert not Letter.objects.exists()


def test_each_warning_of_a_terms_end_is_sent_once_to_every_member(cast: Cast) -> None:
    entitlement = approved(cast)
    Letter.objects.all().delete()
    told = []
    for days in (40, 29, 20, 13, 6, 3, 0.9, 0.1):
        _ends_in(entitlement, days)
        for _ in range(2):
            tasks.warn_of_expiry()
        sending.send_due()
        told += [(days, letter.subject, letter.to[0]) for letter in mail.outbox]
        mail.outbox.clear()
    assert told == [
        (days, f"Birch Bank: access to Acme Server ends in {words}", person.email)
        for days, words in ((29, "30 days"), (13, "14 days"), (6, "7 days"), (0.9, "1 day"))
        for person in (cast.alice, cast.bob)
    ]


def test_term_that_was_extended_is_warned_of_anew(cast: Cast) -> None:
    entitlement = approved(cast)
    _ends_in(entitlement, 5)
    expiry.warn()
    in_six_days = timezone.now() + timedelta(days=6)
    extend(entitlement, by=By(cast.sandra), ends_at=in_six_days, reason="Renewed")
    expiry.warn()
    assert Letter.objects.filter(kind="term_ending", user=cast.alice).count() == 2


def test_term_of_what_is_suspended_or_has_no_end_is_not_warned_of(cast: Cast) -> None:
    approved(cast)
    entitlement = approved(cast, cast.reports)
    _ends_in(entitlement, 5)
    suspend(entitlement, by=By(cast.sandra), reason="Unpaid")
    expiry.warn()
    assert not Letter.objects.filter(kind="term_ending").exists()


def test_warning_whose_letter_cannot_be_written_is_written_the_next_time(
    cast: Cast, key: AccessKey
) -> None:
    days_left(key, 5)
    with pytest.raises(OperationalError), disk_full_for("accounts_letter"):
        expiry.warn()
    expiry.warn()
    assert Letter.objects.get().kind == "key_expiring"


def _ends_in(entitlement: Entitlement, days: float) -> None:
    starts_at, ends_at = (timezone.now() + timedelta(days=n) for n in (-1, days))
    Entitlement.objects.filter(pk=entitlement.pk).update(starts_at=starts_at, ends_at=ends_at)
