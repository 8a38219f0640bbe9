"""Ops replace a key: a new one is created, and the old one retires at a set time."""

from datetime import timedelta

import pytest
from django.utils import timezone

from accounts.models import AuditEvent
from provisioning.demo.seed import Cast
from provisioning.flows import Actor, NotAllowed, Refused
from provisioning.flows.credentials import OVERLAP, reissue, reveal
from provisioning.flows.entitlements import withdraw
from provisioning.flows.retry import retry
from provisioning.models import AccessKey, OneTimeSecret, PullUser, Repository
from tests.entitlements import approved
from tests.provisioned import add_key, provision


@pytest.fixture
def pull_user(cast: Cast) -> PullUser:
    """Birch Bank's, whose key Alice has revealed."""
    approved(cast)
    pull_user = provision(cast.birch)
    reveal(pull_user, by=Actor(cast.alice))
    return pull_user


def retires_in(key: AccessKey) -> timedelta:
    key.refresh_from_db()
    assert key.retires_at is not None
    return key.retires_at - timezone.now()


def test_old_key_keeps_working_for_the_overlap_and_a_turn_is_due(
    cast: Cast, pull_user: PullUser
) -> None:
    reissue(pull_user, by=Actor(cast.otto, "192.0.2.9"), reason="Rotation")
    key = AccessKey.objects.get()
    assert OVERLAP - timedelta(minutes=1) < retires_in(key) <= OVERLAP
    pull_user.refresh_from_db()
    assert pull_user.due_at is not None
    event = AuditEvent.objects.get(action="reissued")
    assert (event.actor, event.customer, event.reason, event.address) == (
        cast.otto,
        cast.birch,
        "Rotation",
        "192.0.2.9",
    )
    assert key.access_key_id in event.subject


def test_leaked_key_retires_now(cast: Cast, pull_user: PullUser) -> None:
    reissue(pull_user, by=Actor(cast.otto), reason="Leaked", overlap=timedelta(0))
    assert retires_in(AccessKey.objects.get()) <= timedelta(0)


def test_unrevealed_key_retires_now_and_its_secret_is_destroyed(cast: Cast) -> None:
    approved(cast)
    reissue(provision(cast.birch), by=Actor(cast.otto), reason="Vault key lost")
    assert retires_in(AccessKey.objects.get()) <= timedelta(0)
    assert OneTimeSecret.objects.get().destroyed_at is not None


def test_third_key_needs_a_choice_of_the_one_to_delete(cast: Cast, pull_user: PullUser) -> None:
    first = AccessKey.objects.get()
    reissue(pull_user, by=Actor(cast.otto), reason="Rotation")
    second = add_key(pull_user)
    reveal(pull_user, by=Actor(cast.alice))
    for key_to_delete in ("", "AKIAOFSOMEONEELSE"):
        with pytest.raises(Refused, match=f"(?s){second}.*{first}.*Choose"):
            reissue(pull_user, by=Actor(cast.otto), reason="Again", key_to_delete=key_to_delete)
    second.refresh_from_db()
    assert second.retires_at is None
    assert AuditEvent.objects.filter(action="reissued").count() == 1
    reissue(pull_user, by=Actor(cast.otto), reason="Again", key_to_delete=first.access_key_id)
    assert retires_in(first) <= timedelta(0)
    assert retires_in(second) > timedelta(days=6)


def test_unrevealed_key_is_replaced_without_a_choice(cast: Cast, pull_user: PullUser) -> None:
    first = AccessKey.objects.get()
    reissue(pull_user, by=Actor(cast.otto), reason="Rotation")
    unrevealed = add_key(pull_user)
    reissue(pull_user, by=Actor(cast.otto), reason="Lost the link")
    assert retires_in(unrevealed) <= timedelta(0)
    assert retires_in(first) > timedelta(days=6)


def test_reissue_in_progress_is_not_reissued_again(cast: Cast, pull_user: PullUser) -> None:
    reissue(pull_user, by=Actor(cast.otto), reason="Rotation")
    with pytest.raises(Refused, match="already being created"):
        reissue(pull_user, by=Actor(cast.otto), reason="Again")


def test_customer_without_access_gets_no_new_key(cast: Cast, pull_user: PullUser) -> None:
    withdraw(cast.birch.entitlements.get(), by=Actor(cast.sandra), reason="Contract ended")
    with pytest.raises(Refused, match="has no access"):
        reissue(pull_user, by=Actor(cast.otto), reason="Rotation")


@pytest.mark.parametrize("reason", ["", "  "])
def test_reissue_needs_a_reason(cast: Cast, pull_user: PullUser, reason: str) -> None:
    with pytest.raises(Refused, match="Give a reason"):
        reissue(pull_user, by=Actor(cast.otto), reason=reason)
    assert AccessKey.objects.current().exists()


@pytest.mark.parametrize("who", ["alice", "sandra"])
def test_only_ops_reissue_and_retry(cast: Cast, pull_user: PullUser, who: str) -> None:
    by = Actor(getattr(cast, who))
    with pytest.raises(NotAllowed, match="Ops"):
        reissue(pull_user, by=by, reason="Rotation")
    with pytest.raises(NotAllowed, match="Ops"):
        retry(pull_user, by=by)
    assert AccessKey.objects.current().exists()
    assert not AuditEvent.objects.filter(action__in=["reissued", "retried"]).exists()


def test_retry_makes_a_row_due_whatever_its_backoff(cast: Cast, pull_user: PullUser) -> None:
    repository = Repository.objects.get(name="acme/server")
    for row in (pull_user, repository):
        later = timezone.now() + timedelta(hours=1)
        type(row).objects.filter(pk=row.pk).update(failures=9, due_at=later)
        retry(row, by=Actor(cast.otto))
        row.refresh_from_db()
        assert row.failures == 0
        assert row.due_at is not None
        assert row.due_at <= timezone.now()
    events = AuditEvent.objects.filter(action="retried").order_by("pk")
    assert list(events.values_list("subject", "customer")) == [
        ("pull user birch-bank", cast.birch.pk),
        ("repository acme/server", None),
    ]
