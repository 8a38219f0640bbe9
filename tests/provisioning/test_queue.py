"""Messages and rows: a row that is due has one message waiting, and none that is lost."""

import errno
from datetime import timedelta
from pathlib import Path

import pytest
from django.conf import settings
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from provisioning import tasks
from provisioning.demo.cast import Cast
from provisioning.lease import LEASE, claim
from provisioning.models import Entitlement, PullUser, Registry, Repository
from provisioning.wanted import Due
from tests import messages
from tests.aws import Aws
from tests.provisioned import approved

TURNS = ("pull_user_turn", "repository_turn", "registry_turn")


@pytest.fixture
def rows(cast: Cast) -> Due:
    """Birch Bank's pull user and the two repositories of Acme Server, all due."""
    messages.clear()
    approved(cast)
    Registry.objects.update(due_at=None)
    Entitlement.objects.update(due_at=None)
    repositories = Repository.objects.filter(due_at__isnull=False)
    return Due({PullUser.objects.get().pk}, set(repositories.values_list("pk", flat=True)))


def test_row_has_at_most_one_message_waiting(rows: Due) -> None:
    tasks.enqueue(rows)
    tasks.enqueue(rows)
    for _ in range(3):
        tasks.sweep()
    expected = [("pull_user_turn", [pk]) for pk in rows.pull_users]
    expected += [("repository_turn", [pk]) for pk in sorted(rows.repositories)]
    assert messages.waiting(*TURNS) == expected


def test_row_that_becomes_due_again_after_its_message_arrived_gets_another(rows: Due) -> None:
    tasks.enqueue(rows)
    (pk,) = rows.pull_users
    lease = claim(PullUser, pk)
    assert lease is not None
    # Somebody changes what is wanted while the turn runs: its end will see that.
    PullUser.objects.update(due_at=timezone.now())
    tasks.enqueue(Due({pk}))
    tasks.sweep()
    assert messages.waiting("pull_user_turn") == [("pull_user_turn", [pk])]
    assert lease.release(None)
    tasks.enqueue(Due({pk}))
    assert messages.waiting("pull_user_turn") == [("pull_user_turn", [pk])] * 2


def test_message_for_a_row_that_is_not_due_does_nothing(aws: Aws, rows: Due) -> None:
    PullUser.objects.update(due_at=timezone.now() + timedelta(minutes=1), queued_at=timezone.now())
    (pk,) = rows.pull_users
    before = len(aws.embedded.calls)
    with CaptureQueriesContext(connection) as queries:
        tasks.pull_user_turn(pk)
    assert len(aws.embedded.calls) == before
    assert len(queries) <= 2
    # It has arrived, so that the row can get another when it is due.
    assert PullUser.objects.get().queued_at is None


def test_message_that_waits_behind_many_others_is_not_sent_again(rows: Due) -> None:
    tasks.enqueue(rows)
    long_ago = timezone.now() - timedelta(hours=1)
    PullUser.objects.update(queued_at=long_ago, due_at=long_ago)
    tasks.sweep()
    assert len(messages.waiting("pull_user_turn")) == 1


def test_message_is_lost_when_a_later_one_arrives_before_it(rows: Due) -> None:
    tasks.enqueue(rows)
    PullUser.objects.update(queued_at=timezone.now() - timedelta(minutes=1))
    messages.clear()
    tasks.sweep()
    (later,) = messages.waiting("release_lost")
    tasks.release_lost(*later[1])
    tasks.sweep()
    expected = [("pull_user_turn", [pk]) for pk in rows.pull_users]
    # The repositories' were sent a moment ago: a worker may have taken them off the queue.
    assert messages.waiting(*TURNS) == expected


def test_killed_workers_row_is_due_again_when_its_lease_ends(rows: Due) -> None:
    tasks.enqueue(rows)
    (pk,) = rows.pull_users
    assert claim(PullUser, pk)
    messages.clear()
    tasks.sweep()
    assert messages.waiting("pull_user_turn") == []
    PullUser.objects.update(due_at=timezone.now(), lease_until=timezone.now() - LEASE)
    tasks.sweep()
    assert messages.waiting("pull_user_turn") == [("pull_user_turn", [pk])]


def test_rows_that_the_broker_did_not_take_are_sent_by_the_next_sweep(
    rows: Due, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*args: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as disk:
        disk.setattr(Path, "write_text", full)
        tasks.enqueue(rows)
    assert messages.waiting(*TURNS) == []
    tasks.sweep()
    assert len(messages.waiting(*TURNS)) == 3


def test_messages_arrive_in_the_order_of_their_names(rows: Due) -> None:
    """The folder's names are sorted as text, whatever the clock of the machine shows."""
    tasks.enqueue(rows)
    names = [file.name for file in Path(settings.BROKER_DIR, "messages").glob("*.msg")]
    assert {len(name.partition("_")[0]) for name in names} == {20}
