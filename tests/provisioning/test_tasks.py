"""Messages and rows: a row that is due has one message waiting, and none that is lost."""

import errno
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest
from django.conf import settings
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from provisioning import tasks
from provisioning.demo.seed import Cast
from provisioning.desired import schedule
from provisioning.embedded_aws.faults import Fault, Kind
from provisioning.models import Entitlement, Priority, PullUser, Registry, Repository
from provisioning.reconciler.lease import LEASE, claim
from tests import messages
from tests.aws import Aws
from tests.entitlements import approved
from tests.worker import take_turns

TURNS = ("pull_user_turn", "repository_turn", "registry_turn")


@dataclass(frozen=True)
class Rows:
    """The rows that are due, by primary key."""

    pull_user: int
    repositories: set[int]

    def enqueue(self) -> None:
        tasks.enqueue(PullUser, {self.pull_user})
        tasks.enqueue(Repository, self.repositories)


@pytest.fixture
def rows(cast: Cast) -> Rows:
    """Birch Bank's pull user and the two repositories of Acme Server, all due."""
    messages.clear()
    approved(cast)
    Registry.objects.update(due_at=None)
    Entitlement.objects.update(due_at=None)
    repositories = Repository.objects.filter(due_at__isnull=False)
    return Rows(PullUser.objects.get().pk, set(repositories.values_list("pk", flat=True)))


def test_row_has_at_most_one_message_waiting(rows: Rows) -> None:
    rows.enqueue()
    rows.enqueue()
    for _ in range(3):
        tasks.sweep()
    expected = [("pull_user_turn", [rows.pull_user])]
    expected += [("repository_turn", [pk]) for pk in sorted(rows.repositories)]
    assert messages.waiting(*TURNS) == expected


def test_row_that_becomes_due_again_after_its_message_arrived_gets_another(rows: Rows) -> None:
    rows.enqueue()
    lease = claim(PullUser, rows.pull_user)
    assert lease is not None
    # Something else becomes desired while the turn runs; the end of the turn will notice.
    PullUser.objects.update(due_at=timezone.now())
    tasks.enqueue(PullUser, {rows.pull_user})
    tasks.sweep()
    assert messages.waiting("pull_user_turn") == [("pull_user_turn", [rows.pull_user])]
    assert lease.release(None)
    tasks.enqueue(PullUser, {rows.pull_user})
    assert messages.waiting("pull_user_turn") == [("pull_user_turn", [rows.pull_user])] * 2


def test_message_for_a_row_that_is_not_due_does_nothing(aws: Aws, rows: Rows) -> None:
    PullUser.objects.update(due_at=timezone.now() + timedelta(minutes=1), queued_at=timezone.now())
    before = len(aws.embedded.calls)
    with CaptureQueriesContext(connection) as queries:
        tasks.pull_user_turn(rows.pull_user)
    assert len(aws.embedded.calls) == before
    assert len(queries) <= 2
    # The message has arrived, so the row can get another when it is due.
    assert PullUser.objects.get().queued_at is None


def test_message_that_waits_behind_many_others_is_not_sent_again(rows: Rows) -> None:
    rows.enqueue()
    long_ago = timezone.now() - timedelta(hours=1)
    PullUser.objects.update(queued_at=long_ago, due_at=long_ago)
    tasks.sweep()
    assert len(messages.waiting("pull_user_turn")) == 1


def test_message_is_lost_when_a_later_one_arrives_before_it(rows: Rows) -> None:
    rows.enqueue()
    PullUser.objects.update(queued_at=timezone.now() - timedelta(minutes=1))
    messages.clear()
    tasks.sweep()
    for _, arguments in messages.waiting("release_lost"):
        tasks.release_lost(*arguments)
    tasks.sweep()
    # The repositories' were sent a moment ago: a worker may have taken them off the queue.
    assert messages.waiting(*TURNS) == [("pull_user_turn", [rows.pull_user])]


def test_message_is_not_lost_because_one_of_another_queue_came_first(rows: Rows) -> None:
    rows.enqueue()
    PullUser.objects.update(queued_at=timezone.now() - timedelta(minutes=1))
    tasks.release_lost(timezone.now().isoformat(), Priority.OBSERVATION)
    assert PullUser.objects.get().queued_at is not None


def test_what_a_person_changes_does_not_wait_behind_observations(rows: Rows) -> None:
    PullUser.objects.update(priority=Priority.OBSERVATION, due_at=timezone.now())
    tasks.sweep()
    assert messages.queues("pull_user_turn") == ["3-observation"]
    with transaction.atomic():
        schedule.wake(pull_users={rows.pull_user})
    tasks.enqueue(PullUser, {rows.pull_user})
    assert messages.queues("pull_user_turn") == ["3-observation", "1-urgent"]
    # One in each queue: the first that arrives does the work.
    tasks.enqueue(PullUser, {rows.pull_user})
    assert len(messages.queues("pull_user_turn")) == 2


def test_change_of_many_rows_waits_behind_what_people_wait_for(rows: Rows) -> None:
    PullUser.objects.update(priority=Priority.OBSERVATION, due_at=None)
    schedule.wake(pull_users={rows.pull_user}, priority=Priority.LATER)
    tasks.enqueue(PullUser, {rows.pull_user})
    assert messages.queues("pull_user_turn") == ["2-later"]


def test_row_that_a_person_waits_for_stays_urgent_when_many_are_changed(rows: Rows) -> None:
    schedule.wake(pull_users={rows.pull_user}, priority=Priority.LATER)
    tasks.enqueue(PullUser, {rows.pull_user})
    assert messages.queues("pull_user_turn") == ["1-urgent"]


def test_sweep_adds_no_more_than_its_queue_has_room_for(
    rows: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tasks, "SWEEP_LIMIT", 1)
    for _ in range(3):
        tasks.sweep()
    assert len(messages.waiting("repository_turn")) == 1


def test_turn_that_settles_a_row_leaves_it_to_observation(aws: Aws, cast: Cast) -> None:
    approved(cast)
    take_turns()
    assert {row.priority for row in PullUser.objects.all()} == {Priority.OBSERVATION}
    opened = Repository.objects.filter(grants__isnull=False)
    assert {row.priority for row in opened} == {Priority.OBSERVATION}


def test_row_stays_urgent_while_its_turns_fail(aws: Aws, cast: Cast) -> None:
    aws.embedded.faults.lay(Fault("CreateUser", Kind.REFUSED, times=9))
    approved(cast)
    take_turns()
    row = PullUser.objects.get()
    assert (row.failures > 0, row.priority) == (True, Priority.URGENT)


def test_access_that_a_date_ends_is_taken_away_before_anything_else(cast: Cast) -> None:
    entitlement = approved(cast)
    PullUser.objects.update(priority=Priority.OBSERVATION)
    Entitlement.objects.filter(pk=entitlement.pk).update(
        ends_at=timezone.now(), due_at=timezone.now()
    )
    tasks.sweep()
    assert PullUser.objects.get().priority == Priority.URGENT


def test_killed_workers_row_is_due_again_when_its_lease_ends(rows: Rows) -> None:
    rows.enqueue()
    assert claim(PullUser, rows.pull_user)
    messages.clear()
    tasks.sweep()
    assert messages.waiting("pull_user_turn") == []
    PullUser.objects.update(due_at=timezone.now(), lease_until=timezone.now() - LEASE)
    tasks.sweep()
    assert messages.waiting("pull_user_turn") == [("pull_user_turn", [rows.pull_user])]


def test_rows_that_the_broker_rejected_are_sent_by_the_next_sweep(
    rows: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*args: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as disk:
        disk.setattr(Path, "write_text", full)
        rows.enqueue()
    assert messages.waiting(*TURNS) == []
    tasks.sweep()
    assert len(messages.waiting(*TURNS)) == 3


def test_messages_arrive_in_the_order_of_their_names(rows: Rows) -> None:
    """The folder's names are sorted as text, whatever the machine's clock shows."""
    rows.enqueue()
    names = [file.name for file in Path(settings.BROKER_DIR, "messages").glob("*.msg")]
    assert {len(name.partition("_")[0]) for name in names} == {20}
