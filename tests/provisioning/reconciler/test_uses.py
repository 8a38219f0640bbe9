"""When a key was last used: read on a clock of its own, whatever the turns do."""

from collections import Counter
from datetime import timedelta

import pytest
from django.utils import timezone

from provisioning import tasks
from provisioning.demo.seed import Cast
from provisioning.embedded_aws.faults import Fault, Kind
from provisioning.flows import Actor
from provisioning.flows.credentials import reveal, rotate
from provisioning.flows.entitlements import suspend
from provisioning.models import AccessKey, PullUser, Registry
from provisioning.reconciler import uses
from tests import messages
from tests.aws import Aws
from tests.entitlements import approved
from tests.worker import run_until_settled

READ = "GetAccessKeyLastUsed"


@pytest.fixture
def used(aws: Aws, cast: Cast) -> PullUser:
    """Birch Bank's, whose machine has just pulled."""
    approved(cast)
    run_until_settled()
    row = PullUser.objects.get()
    credentials = reveal(row, by=Actor(cast.alice))
    aws.machine(credentials.access_key_id, credentials.secret_access_key).pull("acme/server", "1.1")
    PullUser.objects.update(uses_due_at=timezone.now())
    return row


def hours_until_next() -> float:
    return (PullUser.objects.get().uses_due_at - timezone.now()) / timedelta(hours=1)


def test_last_use_is_read_once_a_day_with_what_it_was_for(aws: Aws, used: PullUser) -> None:
    assert AccessKey.objects.get().last_used_at is None
    assert uses.take_due(9) == {used.pk}
    uses.read(used.pk)
    key = AccessKey.objects.get()
    assert key.last_used_at
    assert timedelta(0) <= timezone.now() - key.last_used_at < timedelta(minutes=5)
    assert key.last_used_for == "ecr in eu-central-1"
    assert uses.take_due(9) == set()
    assert 23 < hours_until_next() <= 24


def test_it_is_read_at_once_when_a_key_is_replaced_and_then_hourly(
    aws: Aws, cast: Cast, used: PullUser
) -> None:
    uses.read(used.pk)
    rotate(used, by=Actor(cast.alice))
    assert uses.take_due(9) == {used.pk}
    run_until_settled()
    uses.read(used.pk)
    assert 0 < hours_until_next() <= 1
    old = AccessKey.objects.get(retires_at__isnull=False)
    assert old.last_used_at


def test_turns_do_not_ask_for_it(aws: Aws, cast: Cast, used: PullUser) -> None:
    before = len(aws.embedded.calls)
    PullUser.objects.update(due_at=timezone.now(), observed_at=timezone.now() - timedelta(days=2))
    run_until_settled()
    operations = Counter(call.operation for call in aws.embedded.calls[before:])
    assert "GetUser" in operations
    assert READ not in operations


def test_refused_reading_changes_nothing_and_is_tried_again_soon(aws: Aws, used: PullUser) -> None:
    aws.embedded.faults.lay(Fault(READ, Kind.REFUSED, 9, 403, "AccessDenied", "No."))
    uses.take_due(9)
    uses.read(used.pk)
    assert PullUser.objects.get().uses_read_at is None
    assert 0 < hours_until_next() * 60 <= 10
    assert PullUser.objects.get().attention == ""


def test_nothing_is_read_of_a_paused_registry_or_of_what_is_suspended(
    aws: Aws, cast: Cast, used: PullUser
) -> None:
    Registry.objects.update(paused_at=timezone.now(), paused_for="repository")
    assert uses.take_due(9) == {used.pk}
    PullUser.objects.update(uses_due_at=timezone.now())
    Registry.objects.update(paused_for="")
    assert uses.take_due(9) == set()
    Registry.objects.update(paused_at=None)
    suspend(cast.birch.entitlements.get(), by=Actor(cast.sandra), reason="Unpaid")
    run_until_settled()
    assert uses.take_due(9) == set()


def test_sweep_has_what_is_due_read_and_no_more_than_its_limit(
    aws: Aws, cast: Cast, used: PullUser
) -> None:
    approved(cast, customer=cast.cedar)
    run_until_settled()
    PullUser.objects.update(due_at=None, uses_due_at=timezone.now())
    assert len(uses.take_due(1)) == 1
    messages.clear()
    tasks.sweep()
    (message,) = messages.waiting("read_uses")
    tasks.read_uses(*message[1])
    assert PullUser.objects.filter(uses_read_at__isnull=False).count() == 1
