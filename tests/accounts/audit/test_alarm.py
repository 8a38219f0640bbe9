"""Who learns that the audit log was changed beside the portal, and what keeps nobody from it."""

import os

import pytest
from django.core import mail
from django.db import connection
from django.utils import timezone
from pytest_django import Settings

from accounts.actor import Actor
from accounts.audit import head
from accounts.audit.chain import link
from accounts.audit.log import Action, record
from accounts.models import ChainLink, Email, User
from provisioning.demo.seed import Cast
from provisioning.tasks import watch_audit_log
from tests.accounts.audit.directly import change_directly


def test_administrators_learn_once_a_day_that_the_log_was_changed(
    pks: list[int], caplog: pytest.LogCaptureFixture, settings: Settings
) -> None:
    User.objects.create_superuser("root@acme.example")
    watch_audit_log()
    assert mail.outbox == []
    change_directly("UPDATE accounts_auditevent SET subject = 'x' WHERE id = %s", pks[2])
    # Who changed the log can write what was sent, too, and empty the outbox.
    now = timezone.now()
    Email.objects.create(kind="audit_broken", to="x@y.example", sent_at=now, due_at=None)
    for _ in range(2):
        watch_audit_log()
    assert sorted(to for message in mail.outbox for to in message.to) == sorted(
        ["root@acme.example", settings.SUPPORT_EMAIL]
    )
    assert "line of link 3" in str(mail.outbox[0].body)
    assert "The audit log was changed beside the portal. The line of link 3" in caplog.text
    os.utime(head._file().with_name(head.ALARM), (0, 0))
    watch_audit_log()
    assert len(mail.outbox) == 4


@pytest.mark.parametrize(
    ("column", "value"), [("signature", "{key}:\u00e9"), ("address", "10.0.0.0/8")]
)
def test_line_written_to_stop_the_check_is_found_and_stops_nothing(
    pks: list[int], cast: Cast, column: str, value: str
) -> None:
    key = ChainLink.objects.all()[0].hash.partition(":")[0]
    change_directly(
        f"UPDATE accounts_auditevent SET {column} = %s WHERE id = %s",  # noqa: S608
        value.format(key=key),
        pks[2],
    )
    watch_audit_log()
    assert len(mail.outbox) == 1
    record(Action.RETRIED, "one more", by=Actor(cast.otto))
    assert link(10) == 1


def test_row_of_a_reader_that_cannot_be_used_keeps_nobody_from_the_alarm(
    pks: list[int], settings: Settings
) -> None:
    for name in ("a", "z"):
        User.objects.create_superuser(f"{name}@acme.example")
    User.objects.create_superuser(settings.SUPPORT_EMAIL)
    User.objects.exclude(email="z@acme.example").update(time_zone="Bad/Zone")
    change_directly("UPDATE accounts_auditevent SET subject = 'x' WHERE id = %s", pks[2])
    watch_audit_log()
    sent = {to for message in mail.outbox for to in message.to}
    assert sent == {settings.SUPPORT_EMAIL, "z@acme.example"}


@pytest.mark.skipif(connection.vendor != "sqlite", reason="PostgreSQL refuses such a moment")
def test_row_that_cannot_even_be_read_keeps_the_operator_from_nothing(
    pks: list[int], settings: Settings
) -> None:
    root = User.objects.create_superuser("a@acme.example")
    change_directly("UPDATE accounts_auditevent SET subject = 'x' WHERE id = %s", pks[2])
    change_directly(
        "UPDATE accounts_user SET last_login = '2026-13-45 00:00:00' WHERE id = %s", root.pk
    )
    watch_audit_log()
    assert [message.to for message in mail.outbox] == [[settings.SUPPORT_EMAIL]]


def test_alarm_that_reached_nobody_is_given_again(pks: list[int], settings: Settings) -> None:
    change_directly("UPDATE accounts_auditevent SET subject = 'x' WHERE id = %s", pks[2])
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", 9
    watch_audit_log()
    settings.EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
    watch_audit_log()
    assert len(mail.outbox) == 1
