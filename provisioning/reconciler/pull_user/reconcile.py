"""A turn at a pull user, from its beginning to its end."""

from dataclasses import replace
from datetime import datetime

from django.conf import settings
from django.utils import timezone

from accounts.models import Customer
from provisioning.aws import boto, errors
from provisioning.desired import schedule
from provisioning.models import AccessKey, Drift, Grant, PullUser, Repository
from provisioning.reconciler.closure import record_closures
from provisioning.reconciler.drift import Difference, mark_repaired, observe_drift
from provisioning.reconciler.lease import Lease
from provisioning.reconciler.pull_user import plan
from provisioning.reconciler.pull_user.context import (
    PullUserContext,
    mark_keys_deleted,
    mark_written,
    own_policy,
    record_user_policy,
)
from provisioning.reconciler.pull_user.keys import (
    next_change,
    record_last_use,
    retire_overdue,
    untested,
)
from provisioning.reconciler.pull_user.observe import (
    desired_user,
    differences,
    key_in_doubt_until,
    may_still_appear,
    observe,
)
from provisioning.reconciler.pull_user.steps import perform
from provisioning.reconciler.readiness import record_ready
from provisioning.reconciler.result import (
    BACKOFF_LAST,
    BELIEVED_AFTER,
    PENDING_RETRY,
    Result,
    next_observation,
)
from provisioning.states import Desired, Status, Step, move

Placement = Grant.Placement
STATUS_OF = {
    Desired.PRESENT: Status.READY,
    Desired.SUSPENDED: Status.SUSPENDED,
    Desired.ABSENT: Status.GONE,
}


def reconcile(lease: Lease, row: PullUser) -> Result:
    registry = row.registry_in_charge
    if registry is None:
        raise errors.PermanentError(
            f"The portal no longer has a registry of AWS account {row.account_id}. The portal's "
            "administrator can add it again."
        )
    context = PullUserContext(lease, row, registry, boto.connect(registry))
    return _remove(context) if row.desired == Desired.ABSENT else _provide(context)


# --- Desired -------------------------------------------------------------------------


def _provide(context: PullUserContext) -> Result:
    row = context.pull_user
    retire_overdue(context)
    observed = observe(context)
    desired = desired_user(row)
    found = differences(context, desired, observed)
    decision = observe_drift(row, found)
    if _forget_missing_keys(context, decision.repairable(found)):
        desired = desired_user(row)
    for planned in filter(decision.allows, plan.diff(desired, observed)):
        perform(planned, context)
    mark_repaired(row, decision.repairable(found))
    if decision.is_waiting:
        return Result(next_due=timezone.now() + settings.DRIFT_CONFIRM)
    _record_provided(context)
    next_test = _verify_key(context)
    record_ready(Customer.objects.filter(pk=row.customer_id))
    times = [next_test, next_change(row), key_in_doubt_until(row), next_observation()]
    return Result(next_due=min(time for time in times if time))


def _forget_missing_keys(context: PullUserContext, found: list[Difference]) -> bool:
    """Returns whether there were any."""
    missing = [each.subject for each in found if each.kind == Drift.Kind.KEY_MISSING]
    if missing:
        with context.lease.writing():
            mark_keys_deleted(context.pull_user.access_keys.filter(access_key_id__in=missing))
    return bool(missing)


def _record_provided(context: PullUserContext) -> None:
    """Record that AWS has what is desired of the user, and wake the repositories it needs."""
    row = context.pull_user
    own = own_policy(row)
    if own.desired != own.recorded:
        record_user_policy(context, own.desired_grants)
    status = STATUS_OF[Desired(row.desired)]
    with context.lease.writing():
        changes = {"observed_at": timezone.now()}
        if row.status != status:
            move(row, status, field="status", **changes)
        else:
            PullUser.objects.filter(pk=row.pk).update(**changes)
        unsettled = row.grants.unsettled().values_list("repository_id", flat=True)
        schedule.wake(repositories=set(unsettled))
    record_last_use(context)


def _verify_key(context: PullUserContext) -> datetime | None:
    """Test the key that nobody has revealed yet. Returns when to test it again, if it did not
    work."""
    row = context.pull_user
    key: AccessKey | None = untested(row).first()
    open_ = row.grants.filter(desired=Desired.PRESENT, status=Status.READY)
    if key is None or row.desired != Desired.PRESENT or not open_.exists():
        return None
    if row.customer.sources:
        # AWS would refuse the key here, outside of the customer's networks.
        with context.lease.writing():
            AccessKey.objects.filter(pk=key.pk).update(tested_at=timezone.now())
        return None
    try:
        perform(plan.PlannedStep(Step.VERIFY_ACCESS_KEY, key.access_key_id), context)
    except errors.KeyNotAccepted:
        age = timezone.now() - key.created_at
        return timezone.now() + max(PENDING_RETRY, min(age / 4, BACKOFF_LAST))
    return None


# --- Not desired ---------------------------------------------------------------------


def _remove(context: PullUserContext) -> Result:
    """The grants first, then the keys, then the user; then AWS is asked whether it is gone."""
    row = context.pull_user
    granting = Repository.objects.filter(
        grants__pull_user=row, grants__in_repository_policy=True
    ).distinct()
    waiting = {repository.pk for repository in granting if not repository.failures}
    if waiting:
        # The repository's turn wakes this one.
        schedule.wake(repositories=waiting)
        return Result(next_due=timezone.now() + BELIEVED_AFTER)
    observed = observe(context)
    if not observed.is_present and may_still_appear(row):
        raise errors.TemporaryError(
            "IAM does not show the user that was just created: it may do so later."
        )
    for planned in _removal(row, observed, is_granted=granting.exists()):
        perform(planned, context)
    if granting.exists():
        # A repository whose policy cannot be changed keeps the user, but not its keys.
        return Result(next_due=timezone.now() + BELIEVED_AFTER)
    if observed.is_present and context.gateway.user(row.name) is not None:
        raise errors.TemporaryError("IAM still shows the user that was deleted.")
    with context.lease.writing():
        mark_keys_deleted(row.access_keys.all())
        mark_written(row.grants.all(), Placement.USER_POLICY, is_written=False)
        if row.status != Status.GONE:
            move(row, Status.GONE, field="status", observed_at=timezone.now())
    observe_drift(row, [])
    record_closures({row.customer_id})
    return Result()


def _removal(
    row: PullUser, observed: plan.ObservedUser, *, is_granted: bool
) -> list[plan.PlannedStep]:
    if observed.is_present:
        # A key that was created a moment ago may not be listed yet.
        created = row.access_keys.living().values_list("access_key_id", "status")
        observed = replace(observed, keys=dict(created) | dict(observed.keys))
    removal = plan.diff(plan.DesiredUser(is_present=False), observed)
    return [
        planned for planned in removal if not (is_granted and planned.step == Step.REMOVE_PULL_USER)
    ]
