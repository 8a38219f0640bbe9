"""People are warned before a key grows too old: 30, 14, 7 and 1 days before."""

from datetime import timedelta

import pytest
from django.core import mail
from django.utils import timezone

from accounts.models import Membership, User
from provisioning import expiry, tasks
from provisioning.demo.cast import Cast
from provisioning.models import AccessKey
from tests.provisioned import approved, provision


@pytest.fixture
def key(cast: Cast) -> AccessKey:
    approved(cast)
    return provision(cast.birch).access_keys.get()


def days_left(key: AccessKey, days: float) -> None:
    AccessKey.objects.filter(pk=key.pk).update(expires_at=timezone.now() + timedelta(days=days))


def test_each_warning_is_sent_once(cast: Cast, key: AccessKey) -> None:
    told = []
    for days in (40, 31, 29, 20, 13.5, 13, 8, 6.5, 3, 0.9, 0.1):
        days_left(key, days)
        tasks.warn_of_expiry()
        tasks.warn_of_expiry()
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
    assert [letter.to for letter in mail.outbox] == [[cast.alice.email], [erik.email]]
    for letter in mail.outbox:
        assert key.access_key_id not in letter.message().as_string()


def test_key_that_retires_or_never_grows_old_is_not_warned_of(cast: Cast, key: AccessKey) -> None:
    days_left(key, 5)
    AccessKey.objects.update(retires_at=timezone.now() + timedelta(days=1))
    expiry.warn()
    AccessKey.objects.update(retires_at=None, expires_at=None)
    expiry.warn()
    assert mail.outbox == []


def test_letter_that_cannot_be_sent_is_sent_the_next_time(
    cast: Cast, key: AccessKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    days_left(key, 5)
    with monkeypatch.context() as broken:
        broken.setattr("django.core.mail.EmailMultiAlternatives.send", _no_server)
        expiry.warn()
    expiry.warn()
    assert len(mail.outbox) == 1


def _no_server(*_: object, **__: object) -> None:
    raise ConnectionRefusedError("no mail server")
