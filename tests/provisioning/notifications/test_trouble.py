"""Ops learn by email what needs them: once, together, and not again at once."""

from datetime import timedelta

import pytest
from django.core import mail
from django.utils import timezone
from pytest_django.fixtures import Settings

from accounts.emails import delivery, outbox
from accounts.models import Email, User
from provisioning.demo.seed import Cast
from provisioning.embedded_aws.faults import Fault, Kind
from provisioning.models import Drift, PullUser, Registry
from tests.accounts.full_disk import disk_full_for
from tests.accounts.outbox import recipients
from tests.aws import Aws
from tests.entitlements import approved
from tests.worker import long_ago, run_until_settled, take_turns


def lines() -> list[str]:
    """Of all emails about trouble."""
    return [line for email in Email.objects.filter(kind="trouble") for line in email.facts["lines"]]


def refuse(aws: Aws, operation: str, code: str, message: str) -> None:
    aws.embedded.faults.lay(Fault(operation, Kind.REFUSED, 10_000, 400, code, message))


def test_row_that_needs_attention_is_reported_once(aws: Aws, cast: Cast) -> None:
    refuse(aws, "CreateUser", "LimitExceeded", "Cannot exceed quota for UsersPerAccount: 5000")
    approved(cast)
    for _ in range(3):
        PullUser.objects.update(due_at=timezone.now())
        take_turns()
        delivery.send_due()
    assert recipients("trouble") == [cast.otto.email]
    (line,) = lines()
    assert line.startswith("Pull user birch-bank of Birch Bank needs attention. ")


def test_paused_registry_is_reported_once(aws: Aws, cast: Cast) -> None:
    message = "The security token included in the request is invalid"
    refuse(aws, "GetCallerIdentity", "InvalidClientTokenId", message)
    refuse(aws, "GetUser", "InvalidClientTokenId", message)
    approved(cast)
    approved(cast, customer=cast.cedar)
    take_turns()
    assert Registry.objects.get().paused_at
    assert len([line for line in lines() if line.startswith("Registry Frankfurt is paused.")]) == 1


def test_drift_is_reported_when_it_is_certain_and_without_the_id_of_a_key(
    aws: Aws, cast: Cast, settings: Settings
) -> None:
    settings.DRIFT_CONFIRM = timedelta(0)
    approved(cast)
    run_until_settled()
    key_id = aws.iam.create_access_key(UserName="birch-bank")["AccessKey"]["AccessKeyId"]
    long_ago()
    run_until_settled()
    assert Drift.objects.filter(subject=key_id).exists()
    (line,) = lines()
    assert line == "Access key that the portal did not create: Pull user birch-bank of Birch Bank"


def test_difference_is_not_reported_before_it_is_confirmed(aws: Aws, cast: Cast) -> None:
    """A single read may be stale."""
    approved(cast)
    run_until_settled()
    (key_id,) = aws.keys("birch-bank")
    aws.iam.update_access_key(UserName="birch-bank", AccessKeyId=key_id, Status="Inactive")
    run_until_settled()
    assert Drift.objects.get().kind == "key_status"
    assert lines() == []
    first = timezone.now() - timedelta(minutes=5)
    Drift.objects.update(first_seen_at=first, last_seen_at=first, times_seen=1)
    PullUser.objects.update(due_at=timezone.now())
    run_until_settled()
    assert lines() == ["Access key deactivated in IAM: Pull user birch-bank of Birch Bank"]


def test_what_happens_together_shares_an_email_and_the_next_waits(cast: Cast) -> None:
    for number in range(12):
        outbox.trouble(f"Line {number}.")
    outbox.trouble("Line 3.")
    delivery.send_due()
    (message,) = mail.outbox
    assert "Line 0. (and 9 more)" in message.subject
    assert str(message.body).count("* Line") == 10
    outbox.trouble("Another one.")
    delivery.send_due()
    assert len(mail.outbox) == 1
    Email.objects.filter(sent_at=None).update(due_at=timezone.now())
    delivery.send_due()
    assert "Another one." in str(mail.outbox[-1].body)


def test_line_names_no_key(cast: Cast, aws: Aws) -> None:
    refuse(aws, "CreateUser", "ValidationError", "Key AKIAIOSFODNN7EXAMPLE is not valid.")
    approved(cast)
    take_turns()
    assert "Key [masked] is not valid." in lines()[0]


def test_email_that_cannot_be_written_fails_no_turn(aws: Aws, cast: Cast) -> None:
    refuse(aws, "CreateUser", "LimitExceeded", "Cannot exceed quota for UsersPerAccount: 5000")
    approved(cast)
    with disk_full_for("accounts_email"):
        take_turns()
    assert PullUser.objects.get().attention


@pytest.mark.parametrize("change", [{"is_active": False}, {"switched": ["trouble"]}])
def test_nobody_else_is_told(cast: Cast, change: dict[str, object]) -> None:
    User.objects.filter(pk=cast.otto.pk).update(**change)
    outbox.trouble("Line.")
    assert recipients("trouble") == []
