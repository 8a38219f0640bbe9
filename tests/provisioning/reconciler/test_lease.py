"""Only one turn at a time works on a row, and the row of a dead turn is found again."""

from datetime import timedelta

import pytest
from django.utils import timezone

from provisioning.demo.seed import Cast
from provisioning.models import PullUser
from provisioning.reconciler.lease import LEASE, Lease, LeaseLost, claim
from tests.worker import due


@pytest.fixture
def row(cast: Cast) -> PullUser:
    return PullUser.objects.create(
        customer=cast.birch, account_id="123456789012", name="birch", due_at=timezone.now()
    )


def claimed(row: PullUser) -> Lease:
    lease = claim(PullUser, row.pk)
    assert lease is not None
    return lease


def expire(row: PullUser) -> None:
    """Let the lease run out."""
    past = timezone.now() - timedelta(seconds=1)
    PullUser.objects.filter(pk=row.pk).update(lease_until=past, due_at=past)


def test_second_claim_gets_nothing(row: PullUser) -> None:
    claimed(row)
    assert claim(PullUser, row.pk) is None


def test_missing_row_cannot_be_claimed(row: PullUser) -> None:
    assert claim(PullUser, row.pk + 1) is None


def test_released_row_can_be_claimed_again(row: PullUser) -> None:
    assert claimed(row).release(None) is False
    row.refresh_from_db()
    assert (row.lease_token, row.lease_until, row.due_at) == (None, None, None)
    assert claim(PullUser, row.pk) is None
    PullUser.objects.update(due_at=timezone.now())
    claimed(row)


def test_row_of_a_dead_worker_is_due_again_when_the_lease_ends(row: PullUser) -> None:
    lease = claimed(row)
    row.refresh_from_db()
    assert row.due_at == row.lease_until == lease.due_at
    assert timezone.now() < lease.due_at <= timezone.now() + LEASE
    assert due(PullUser) == []
    expire(row)
    assert due(PullUser) == [row.pk]
    claimed(row)


def test_lost_lease_writes_nothing(row: PullUser) -> None:
    lost = claimed(row)
    expire(row)
    successor = claimed(row)
    with pytest.raises(LeaseLost), lost.writing():
        PullUser.objects.update(attention="written too late")
    with pytest.raises(LeaseLost):
        lost.release(None, attention="written too late")
    row.refresh_from_db()
    assert (row.attention, row.lease_token) == ("", successor.token)


def test_expired_lease_writes_nothing_even_if_nobody_else_has_the_row(row: PullUser) -> None:
    lost = claimed(row)
    expire(row)
    with pytest.raises(LeaseLost), lost.writing():
        PullUser.objects.update(attention="written too late")
    row.refresh_from_db()
    assert row.attention == ""


def test_writing_renews_the_lease(row: PullUser) -> None:
    lease = claimed(row)
    soon = timezone.now() + timedelta(seconds=10)
    PullUser.objects.filter(pk=row.pk).update(lease_until=soon)
    with lease.writing():
        pass
    row.refresh_from_db()
    assert row.lease_until is not None
    assert row.lease_until > soon


def test_writing_is_one_transaction(row: PullUser) -> None:
    def fail_half_way() -> None:
        PullUser.objects.update(attention="half")
        raise RuntimeError("half way")

    with pytest.raises(RuntimeError, match="half way"), claimed(row).writing():
        fail_half_way()
    row.refresh_from_db()
    assert row.attention == ""


def test_release_records_when_the_row_is_due_and_the_result(row: PullUser) -> None:
    later = timezone.now() + timedelta(hours=1)
    assert claimed(row).release(later, failures=3, attention="Look here.") is False
    row.refresh_from_db()
    assert (row.due_at, row.failures, row.attention) == (later, 3, "Look here.")


def test_change_made_during_the_turn_is_not_forgotten(row: PullUser) -> None:
    lease = claimed(row)
    asked_at = timezone.now()
    PullUser.objects.filter(pk=row.pk).update(due_at=asked_at)
    assert lease.release(asked_at + timedelta(hours=1)) is True
    row.refresh_from_db()
    assert (row.due_at, row.lease_token) == (asked_at, None)
