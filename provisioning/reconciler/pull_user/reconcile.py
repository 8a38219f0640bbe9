"""A turn at a pull user, from its beginning to its end."""

from datetime import datetime, timedelta

from django.conf import settings

from accounts import clock
from accounts.models import Customer
from provisioning.aws import boto, errors
from provisioning.models import AccessKey, Drift, Installation, PullUser, Repository
from provisioning.reconciler.drift import Difference, mark_repaired, observe_drift
from provisioning.reconciler.lease import Lease
from provisioning.reconciler.pull_user import held, plan
from provisioning.reconciler.pull_user.context import (
    PullUserContext,
    mark,
    mark_keys_deleted,
)
from provisioning.reconciler.pull_user.keys import (
    next_change,
    retire_overdue,
    untested,
)
from provisioning.reconciler.pull_user.observe import (
    NEW_USER,
    desired_user,
    differences,
    is_as_recorded,
    is_new,
    key_in_doubt_until,
    may_still_appear,
    observe,
)
from provisioning.reconciler.pull_user.record import (
    record_lost_keys,
    record_observed,
    record_status,
)
from provisioning.reconciler.pull_user.steps import perform
from provisioning.reconciler.pull_user.taken import take_steps
from provisioning.reconciler.readiness import record_ready
from provisioning.reconciler.result import (
    BACKOFF_LAST,
    BELIEVED_AFTER,
    PENDING_RETRY,
    Result,
    next_observation,
)
from provisioning.states import Desired, Status, Step, move

# How long the keys of a user that should go wait for its grants.
FOR_GRANTS = timedelta(seconds=10)


def reconcile(lease: Lease, row: PullUser, installation: Installation) -> Result:
    registry = row.registry_in_charge
    if registry is None:
        raise errors.PermanentError(
            f"The portal no longer has a registry of AWS account {row.account_id}. The portal's "
            "administrator can add it again."
        )
    context = PullUserContext(lease, row, registry, boto.connect(registry))
    held_since = installation.held_since(row)
    if held_since:
        return held.reconcile(context, held_since)
    return _remove(context) if row.desired == Desired.ABSENT else _provide(context)


# --- Desired -------------------------------------------------------------------------


def _provide(context: PullUserContext) -> Result:
    row = context.pull_user
    retire_overdue(context)
    desired = desired_user(context)
    if is_as_recorded(context, desired):
        return _settled(context)
    observed = NEW_USER if is_new(row) else observe(context)
    record_observed(context, observed)
    in_doubt_until = key_in_doubt_until(row)
    if in_doubt_until and record_lost_keys(context, observed):
        desired = desired_user(context)
    found = differences(context, desired, observed)
    decision = observe_drift(row, found)
    if _forget_missing_keys(context, decision.repairable(found)):
        desired = desired_user(context)
    steps = plan.diff(desired, observed)
    outcome = take_steps(context, steps, decision.allows)
    repairable = decision.repairable(found)
    mark_repaired(row, [each for each in found if outcome.has_repaired(each, repairable)])
    record_status(context, observed, outcome)
    outcome.raise_worst()
    times = []
    if in_doubt_until and in_doubt_until > clock.now():
        times.append(in_doubt_until)
    if decision.is_waiting:
        times.append(clock.now() + settings.DRIFT_CONFIRM)
    return _settled(context, *times)


def _settled(context: PullUserContext, *times: datetime) -> Result:
    """AWS has what is desired: what is left is to test the key. ``times``: when the next turn is
    due besides."""
    next_test = _verify_key(context)
    record_ready(Customer.objects.filter(pk=context.pull_user.customer_id))
    due = [next_test, next_change(context.keys), next_observation(), *times]
    return Result(next_due=min(time for time in due if time), is_settled=next_test is None)


def _forget_missing_keys(context: PullUserContext, found: list[Difference]) -> bool:
    """Returns whether there were any."""
    missing = [each.subject for each in found if each.kind == Drift.Kind.KEY_MISSING]
    if missing:
        with context.lease.writing():
            mark_keys_deleted(context.pull_user.access_keys.filter(access_key_id__in=missing))
        context.forget()
    return bool(missing)


def _verify_key(context: PullUserContext) -> datetime | None:
    """Test the key that nobody has revealed yet. Returns when to test it again, if it did not
    work."""
    row = context.pull_user
    key = untested(context.keys)
    is_open = any(
        grant.desired == Desired.PRESENT and grant.status == Status.READY
        for grant in context.grants
    )
    if key is None or row.desired != Desired.PRESENT or not is_open:
        return None
    if row.customer.sources:
        # AWS would refuse the key here, outside of the customer's networks.
        with context.lease.writing():
            AccessKey.objects.filter(pk=key.pk).update(tested_at=clock.now())
        return None
    try:
        perform(plan.PlannedStep(Step.VERIFY_ACCESS_KEY, key.access_key_id), context)
    except errors.KeyNotAccepted:
        with context.lease.writing():
            AccessKey.objects.filter(pk=key.pk, refused_since=None).update(
                refused_since=clock.now()
            )
        age = clock.now() - key.created_at
        return clock.now() + max(PENDING_RETRY, min(age / 4, BACKOFF_LAST))
    return None


# --- Not desired ---------------------------------------------------------------------


def _remove(context: PullUserContext) -> Result:
    """The grants first, then the keys, then the user; then AWS is asked whether it is gone.

    The turns of the repositories take the grants away, and wake this one. Where that takes long, or
    a repository fails, the keys do not wait for it.
    """
    row = context.pull_user
    granting = Repository.objects.filter(
        pk__in=row.grants.exclude(in_repository_policy=False).values("repository")
    )
    waited = clock.now() - row.desired_at
    if granting.exists() and not granting.exclude(failures=0).exists() and waited < FOR_GRANTS:
        return Result(next_due=clock.now() + PENDING_RETRY, is_settled=False)
    observed = observe(context)
    record_observed(context, observed)
    if not observed.is_present and may_still_appear(row):
        raise errors.TemporaryError(
            "IAM does not show the user that was just created: it may do so later."
        )
    if not observed.is_present and row.user_id and context.gateway.access_keys(row.name):
        # That a user is gone is not believed by one answer alone.
        raise errors.TemporaryError(
            "IAM does not show the user, but its access keys: it will be read again."
        )
    outcome = take_steps(context, _removal(row, observed, is_granted=granting.exists()))
    outcome.raise_worst()
    if granting.exists():
        # A repository whose policy cannot be changed keeps the user, but not its keys.
        soon = clock.now() + max(PENDING_RETRY, min(waited / 4, BELIEVED_AFTER))
        return Result(next_due=soon, is_settled=False)
    if observed.is_present and context.gateway.user(row.name) is not None:
        raise errors.TemporaryError("IAM still shows the user that was deleted.")
    with context.lease.writing():
        mark_keys_deleted(row.access_keys.all())
        mark(row.grants.all(), "in_user_policy", is_there=False)
        # Another user of the same name will have another id.
        gone = {"user_id": "", "policy_written": "", "policy_attempted": ""}
        PullUser.objects.filter(pk=row.pk).update(**gone)
        if row.status != Status.GONE:
            move(row, Status.GONE, field="status", observed_at=clock.now())
    observe_drift(row, [])
    return Result()


def _removal(
    row: PullUser, observed: plan.ObservedUser, *, is_granted: bool
) -> list[plan.PlannedStep]:
    # A key that was created a moment ago may not be listed yet.
    living = row.access_keys.living().values_list("access_key_id", flat=True)
    desired = plan.DesiredUser(is_present=False, surplus=frozenset(living))
    removal = plan.diff(desired, observed)
    return [
        planned for planned in removal if not (is_granted and planned.step == Step.REMOVE_PULL_USER)
    ]
