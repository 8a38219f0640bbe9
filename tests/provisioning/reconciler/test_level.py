"""What is said follows from what was seen: a call whose outcome is not known is settled by the next
turn, and the database's columns never claim what nobody saw."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.db import OperationalError, connection
from django.utils import timezone
from pytest_django.fixtures import Settings

from provisioning import queries, reconciler
from provisioning.demo.seed import Cast
from provisioning.embedded_aws.faults import Fault, Kind
from provisioning.flows import Actor
from provisioning.flows.credentials import activate, deactivate, reveal
from provisioning.flows.drift import resolve_drift
from provisioning.flows.entitlements import approve, extend, request, resume, suspend, withdraw
from provisioning.flows.labels import add_label
from provisioning.models import (
    AccessKey,
    Drift,
    Entitlement,
    Grant,
    PullUser,
    Registry,
    Repository,
    StepAttempt,
)
from provisioning.reconciler import entitlement as dates
from tests.aws import Aws
from tests.entitlements import approved
from tests.repository_policies import admitted
from tests.worker import due, long_ago, run_until_settled, take_turns

SANDRA = "Any reason"


@pytest.fixture(autouse=True)
def _fast(monkeypatch: pytest.MonkeyPatch, settings: Settings) -> None:
    monkeypatch.setattr("botocore.retries.standard.ExponentialBackoff.delay_amount", lambda *_: 0)
    settings.DRIFT_CONFIRM = timedelta(0)


def progress_of(entitlement: Entitlement) -> str:
    loaded = queries.entitlements(Entitlement.objects.filter(pk=entitlement.pk)).get()
    return queries.progress(loaded).state.slug


# --- The answer is lost ------------------------------------------------------------


@pytest.mark.parametrize("kind", [Kind.LOST, Kind.FAILED])
def test_suspension_whose_answer_was_lost_is_undone_by_the_resumption(
    aws: Aws, cast: Cast, kind: Kind
) -> None:
    entitlement = approved(cast)
    run_until_settled()
    credentials = reveal(PullUser.objects.get(), by=Actor(cast.alice))
    aws.embedded.faults.lay(Fault("UpdateAccessKey", kind, 3))
    suspend(entitlement, by=Actor(cast.sandra), reason="Unpaid")
    take_turns()
    aws.embedded.faults.clear()
    entitlement.refresh_from_db()
    resume(entitlement, by=Actor(cast.sandra), reason="Paid")
    run_until_settled()
    assert not Drift.objects.exists()
    aws.machine(credentials.access_key_id, credentials.secret_access_key).pull("acme/server", "1.1")
    assert progress_of(entitlement) == "ready"


def test_key_whose_creation_was_in_doubt_is_the_portals_own_however_long_aws_was_away(
    aws: Aws, cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    approved(cast)
    aws.embedded.faults.lay(Fault("CreateAccessKey", Kind.LOST))
    aws.embedded.faults.lay(Fault("ListAccessKeys", Kind.FAILED, 100))
    take_turns()
    later = timezone.now() + timedelta(hours=1)
    monkeypatch.setattr(timezone, "now", lambda: later)
    aws.embedded.faults.clear()
    run_until_settled()
    assert not Drift.objects.exists()
    assert list(aws.keys("birch-bank")) == [AccessKey.objects.current().get().access_key_id]


def test_key_that_an_attempt_in_doubt_left_is_no_drift_where_its_deletion_failed(
    aws: Aws, cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    approved(cast)
    aws.embedded.faults.lay(Fault("CreateAccessKey", Kind.LOST, 3))
    take_turns()
    aws.embedded.faults.clear()
    # It was seen after the time in which it could appear.
    later = timezone.now() + timedelta(hours=1)
    monkeypatch.setattr(timezone, "now", lambda: later)
    aws.embedded.faults.lay(Fault("DeleteAccessKey", Kind.REFUSED, 6))
    take_turns()
    run_until_settled()
    assert not Drift.objects.exists()
    assert list(aws.keys("birch-bank")) == [AccessKey.objects.current().get().access_key_id]


def test_deactivation_whose_answer_was_lost_is_undone_by_the_activation(
    aws: Aws, cast: Cast
) -> None:
    approved(cast)
    run_until_settled()
    aws.embedded.faults.lay(Fault("UpdateAccessKey", Kind.LOST, 3))
    key = AccessKey.objects.get()
    deactivate(key, by=Actor(cast.alice))
    take_turns()
    assert AccessKey.objects.get().written == ""
    aws.embedded.faults.clear()
    key.refresh_from_db()
    activate(key, by=Actor(cast.alice))
    run_until_settled()
    assert aws.keys("birch-bank") == {key.access_key_id: "Active"}
    assert not Drift.objects.exists()


@pytest.mark.parametrize("kind", [Kind.FAILED, Kind.REFUSED])
def test_removal_whose_answer_was_lost_is_no_drift_when_the_user_is_desired_again(
    aws: Aws, cast: Cast, kind: Kind
) -> None:
    """Refused, the user stays without its sign-in policy."""
    entitlement = approved(cast)
    run_until_settled()
    aws.embedded.faults.lay(Fault("DeleteUser", kind, 9))
    withdraw(entitlement, by=Actor(cast.sandra), reason="Over")
    take_turns()
    take_turns(even_if_not_due=True)
    assert aws.users() == ([] if kind is Kind.FAILED else ["birch-bank"])
    aws.embedded.faults.clear()
    approved(cast)
    # The creation is interrupted, too.
    aws.embedded.faults.lay(Fault("AttachUserPolicy", Kind.REFUSED, 4))
    take_turns()
    run_until_settled()
    assert not Drift.objects.exists()
    assert aws.users() == ["birch-bank"]
    assert PullUser.objects.get().status == "ready"


def test_removal_that_was_interrupted_is_no_drift_when_the_user_is_desired_again(
    aws: Aws, cast: Cast
) -> None:
    Repository.objects.filter(name="acme/agent").update(placement="user_policy")
    entitlement = approved(cast)
    run_until_settled()
    aws.embedded.faults.lay(Fault("DeleteUser", Kind.REFUSED, 9))
    withdraw(entitlement, by=Actor(cast.sandra), reason="Over")
    take_turns()
    assert not aws.iam.list_attached_user_policies(UserName="birch-bank")["AttachedPolicies"]
    aws.embedded.faults.clear()
    approved(cast)
    run_until_settled()
    assert not Drift.objects.exists()
    assert aws.iam.list_attached_user_policies(UserName="birch-bank")["AttachedPolicies"]
    assert PullUser.objects.get().status == "ready"


def test_customer_that_returns_and_is_suspended_at_once_gets_no_user(aws: Aws, cast: Cast) -> None:
    withdraw(approved(cast), by=Actor(cast.sandra), reason="Over")
    run_until_settled()
    assert PullUser.objects.get().status == "gone"
    entitlement = approved(cast)
    suspend(entitlement, by=Actor(cast.sandra), reason="Unpaid")
    run_until_settled()
    assert aws.users() == []
    assert progress_of(entitlement) == "suspended"
    resume(entitlement, by=Actor(cast.sandra), reason="Paid")
    run_until_settled()
    assert progress_of(entitlement) == "to-reveal"


def test_call_that_was_refused_leaves_no_doubt(aws: Aws, cast: Cast) -> None:
    approved(cast)
    run_until_settled()
    fault = Fault("UpdateAccessKey", Kind.REFUSED, 9, 409, "ConcurrentModification", "Busy.")
    aws.embedded.faults.lay(fault)
    deactivate(AccessKey.objects.get(), by=Actor(cast.alice))
    take_turns()
    assert AccessKey.objects.get().written == "Active"


@pytest.mark.parametrize("placement", ["", "user_policy"])
def test_grant_whose_answer_was_lost_is_closed_only_when_it_was_seen_to_be_gone(
    aws: Aws, cast: Cast, placement: str
) -> None:
    Repository.objects.update(placement=placement)
    approved(cast, cast.reports)
    run_until_settled()
    credentials = reveal(PullUser.objects.get(), by=Actor(cast.alice))
    machine = aws.machine(credentials.access_key_id, credentials.secret_access_key)
    operation = "PutUserPolicy" if placement else "SetRepositoryPolicy"
    aws.embedded.faults.lay(Fault(operation, Kind.LOST, 30))
    entitlement = approved(cast)
    take_turns()
    statuses = Grant.objects.filter(repository__name="acme/server").values_list("status", flat=True)
    assert list(statuses) == ["waiting"]
    machine.pull("acme/server", "1.1")
    aws.embedded.faults.clear()
    code = "ServiceFailure" if placement else "ServerException"
    aws.embedded.faults.lay(Fault(operation, Kind.REFUSED, 999, 500, code, "No."))
    aws.embedded.faults.lay(Fault("DeleteRepositoryPolicy", Kind.REFUSED, 999, 500, code, "No."))
    withdraw(entitlement, by=Actor(cast.sandra), reason="A mistake")
    take_turns()
    entitlement.refresh_from_db()
    assert entitlement.closed_at is None
    aws.embedded.faults.clear()
    run_until_settled()
    take_turns()
    entitlement.refresh_from_db()
    assert entitlement.closed_at is not None
    with pytest.raises(Exception, match="not authorized"):
        machine.pull("acme/server", "1.1")


def test_lost_deletion_of_a_key_is_known_after_the_next_turn_and_keeps_no_row_busy(
    aws: Aws, cast: Cast
) -> None:
    approved(cast)
    run_until_settled()
    key = AccessKey.objects.get()
    AccessKey.objects.update(retires_at=timezone.now())
    aws.embedded.faults.lay(Fault("DeleteAccessKey", Kind.LOST, 3))
    PullUser.objects.update(due_at=timezone.now())
    take_turns()
    aws.embedded.faults.clear()
    assert key.access_key_id not in aws.keys("birch-bank")
    before = len(aws.embedded.calls)
    run_until_settled()
    key.refresh_from_db()
    assert key.status == "Deleted"
    assert len(aws.embedded.calls) - before < 80
    assert PullUser.objects.get().due_at > timezone.now() + timedelta(minutes=1)  # type: ignore[operator]


# --- Behind the portal's back ------------------------------------------------------


def test_key_switched_on_behind_the_portals_back_is_switched_off(aws: Aws, cast: Cast) -> None:
    entitlement = approved(cast)
    run_until_settled()
    key = AccessKey.objects.get()
    suspend(entitlement, by=Actor(cast.sandra), reason="Unpaid")
    run_until_settled()
    aws.iam.update_access_key(UserName="birch-bank", AccessKeyId=key.access_key_id, Status="Active")
    PullUser.objects.update(due_at=timezone.now())
    take_turns()
    assert aws.keys("birch-bank") == {key.access_key_id: "Inactive"}
    drift = Drift.objects.get()
    assert (drift.kind, drift.ending) == ("key_activated", "repaired")


def test_key_that_ops_leave_deactivated_stays_so_through_a_suspension(aws: Aws, cast: Cast) -> None:
    entitlement = approved(cast)
    run_until_settled()
    key = AccessKey.objects.get()
    off = {"UserName": "birch-bank", "AccessKeyId": key.access_key_id, "Status": "Inactive"}
    aws.iam.update_access_key(**off)
    run_until_settled()
    suspend(entitlement, by=Actor(cast.sandra), reason="Unpaid")
    drift = Drift.objects.get(kind="key_status")
    resolve_drift(drift, "adopt", by=Actor(cast.otto), reason="It leaked")
    run_until_settled()
    entitlement.refresh_from_db()
    resume(entitlement, by=Actor(cast.sandra), reason="Paid")
    run_until_settled()
    assert aws.keys("birch-bank") == {key.access_key_id: "Inactive"}


def test_page_says_what_was_seen_while_a_key_is_off(aws: Aws, cast: Cast) -> None:
    entitlement = approved(cast)
    run_until_settled()
    key = AccessKey.objects.get()
    off = {"UserName": "birch-bank", "AccessKeyId": key.access_key_id, "Status": "Inactive"}
    aws.iam.update_access_key(**off)
    run_until_settled()
    key.refresh_from_db()
    assert key.status == "Inactive"
    assert progress_of(entitlement) == "attention"


# --- Dates -------------------------------------------------------------------------


def test_extension_before_the_start_keeps_the_start(aws: Aws, cast: Cast) -> None:
    entitlement = request(cast.birch, cast.server, by=Actor(cast.alice))
    start = timezone.now() + timedelta(days=2)
    approve(entitlement, by=Actor(cast.sandra), starts_at=start)
    dates.apply_due()
    end = start + timedelta(days=30)
    extend(entitlement, by=Actor(cast.sandra), ends_at=end, reason="Longer")
    dates.apply_due()
    entitlement.refresh_from_db()
    assert entitlement.due_at == start
    started = timezone.now() - timedelta(seconds=1)
    Entitlement.objects.update(starts_at=started, due_at=started)
    take_turns()
    assert PullUser.objects.get().status == "ready"
    entitlement.refresh_from_db()
    assert entitlement.due_at == end


# --- Closure -----------------------------------------------------------------------


def closed(entitlement: Entitlement) -> bool:
    entitlement.refresh_from_db()
    return entitlement.closed_at is not None


def before_its_start(aws: Aws, cast: Cast) -> Entitlement:
    entitlement = request(cast.birch, cast.server, by=Actor(cast.alice))
    approve(entitlement, by=Actor(cast.sandra), starts_at=timezone.now() + timedelta(days=2))
    return entitlement


def beside_another_product(aws: Aws, cast: Cast) -> Entitlement:
    entitlement = approved(cast)
    cast.reports.repositories.set(cast.server.repositories.all())
    approved(cast, cast.reports)
    run_until_settled()
    return entitlement


def suspended_beside_another_product(aws: Aws, cast: Cast) -> Entitlement:
    entitlement, other = approved(cast), approved(cast, cast.reports)
    run_until_settled()
    suspend(entitlement, by=Actor(cast.sandra), reason="Unpaid")
    suspend(other, by=Actor(cast.sandra), reason="Unpaid")
    run_until_settled()
    entitlement.refresh_from_db()
    return entitlement


def before_it_was_written(aws: Aws, cast: Cast) -> Entitlement:
    return approved(cast)


def with_a_label(aws: Aws, cast: Cast) -> Entitlement:
    entitlement = approved(cast)
    add_label(cast.birch, "ci", by=Actor(cast.alice))
    run_until_settled()
    return entitlement


SCENES: list[Callable[[Aws, Cast], Entitlement]] = [
    before_its_start,
    beside_another_product,
    suspended_beside_another_product,
    before_it_was_written,
    with_a_label,
]


@pytest.mark.parametrize("scene", SCENES, ids=lambda scene: scene.__name__)
def test_closure_is_recorded_in_the_end(
    aws: Aws, cast: Cast, scene: Callable[[Aws, Cast], Entitlement]
) -> None:
    entitlement = scene(aws, cast)
    withdraw(entitlement, by=Actor(cast.sandra), reason="Over")
    run_until_settled()
    take_turns()
    assert closed(entitlement)


def test_closure_waits_for_the_labels_too(aws: Aws, cast: Cast) -> None:
    entitlement = with_a_label(aws, cast)
    approved(cast, cast.reports)
    run_until_settled()
    withdraw(entitlement, by=Actor(cast.sandra), reason="Over")
    ended = Grant.objects.filter(pull_user__label="default", desired="absent")
    ended.update(in_repository_policy=False)
    for operation in ("SetRepositoryPolicy", "DeleteRepositoryPolicy"):
        fault = Fault(operation, Kind.REFUSED, 100, 500, "ServerException", "No.")
        aws.embedded.faults.lay(fault)
    take_turns()
    assert not closed(entitlement)


# --- The turn itself ---------------------------------------------------------------


def test_row_whose_next_date_has_passed_is_not_due_at_once(aws: Aws, cast: Cast) -> None:
    approved(cast)
    run_until_settled()
    AccessKey.objects.update(retires_at=timezone.now() - timedelta(days=1))
    aws.embedded.faults.lay(
        Fault("DeleteAccessKey", Kind.REFUSED, 100, 500, "ServiceFailure", "No.")
    )
    PullUser.objects.update(due_at=timezone.now())
    before = StepAttempt.objects.count()
    take_turns()
    assert StepAttempt.objects.count() - before < 5
    assert due(PullUser) == []


def test_message_that_meets_the_end_of_a_turn_is_not_lost(aws: Aws, cast: Cast) -> None:
    """A turn ends while another message for the row is being received."""
    approved(cast)
    take_turns()
    pk = PullUser.objects.get().pk
    PullUser.objects.update(due_at=timezone.now(), queued_at=timezone.now())
    lease = reconciler.turn.claim(PullUser, pk)
    assert lease is not None
    PullUser.objects.update(due_at=timezone.now(), queued_at=timezone.now())
    assert reconciler.turn.claim(PullUser, pk) is None
    assert PullUser.objects.get().queued_at is None
    assert lease.release(None)


@pytest.mark.django_db(transaction=True)
def test_database_that_is_away_for_a_moment_keeps_no_lease(
    aws: Aws, cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    approved(cast)
    monkeypatch.setattr("provisioning.reconciler.turn.RELEASE_WAITS", (0, 0))
    away = iter([True, True])

    def refuse(execute, sql, params, many, context):
        is_release = sql.startswith("UPDATE") and '"lease_until" = NULL' in sql
        if is_release and next(away, False):
            raise OperationalError("The server closed the connection.")
        return execute(sql, params, many, context)

    with connection.execute_wrapper(refuse):
        reconciler.pull_user_turn(PullUser.objects.get().pk)
    row = PullUser.objects.get()
    assert (row.lease_until, row.status) == (None, "ready")


def test_what_fails_for_a_quarter_of_an_hour_needs_a_person(aws: Aws, cast: Cast) -> None:
    missing = Fault("CreateUser", Kind.REFUSED, 999, 404, "NoSuchEntity", "No such boundary.")
    aws.embedded.faults.lay(missing)
    entitlement = approved(cast)
    take_turns()
    row = PullUser.objects.get()
    assert (row.attention, row.failures > 0) == ("", True)
    PullUser.objects.update(failing_since=timezone.now() - timedelta(minutes=16))
    take_turns(even_if_not_due=True)
    row.refresh_from_db()
    assert "It has failed for 16 minutes" in row.attention
    assert progress_of(entitlement) == "attention"


def test_external_id_that_sts_does_not_take_is_named_as_the_cause(aws: Aws, cast: Cast) -> None:
    Registry.objects.update(external_id="x")
    approved(cast)
    take_turns()
    assert "registry's form" in PullUser.objects.get().attention
    assert "could not be reached" not in PullUser.objects.get().attention


def test_key_waits_for_something_to_be_tested_on(aws: Aws, cast: Cast) -> None:
    aws.embedded.config.propagation_seconds = 3600
    approved(cast)
    take_turns()
    AccessKey.objects.update(created_at=timezone.now() - timedelta(hours=1))
    assert not AccessKey.objects.get().is_offered
    assert admitted(aws.repository_policy("acme/server")) == set()
    long_ago()
