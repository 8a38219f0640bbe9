"""A turn at a pull user: the IAM user, its keys, and its own policy."""

import logging
from dataclasses import replace
from datetime import datetime, timedelta

from django.conf import settings
from django.utils import timezone

from accounts.models import Customer
from provisioning import plan, policies, readiness, steps
from provisioning.aws import boto, errors
from provisioning.lease import Lease
from provisioning.models import AccessKey, PullUser, Repository, StepAttempt
from provisioning.reconcile import drift, findings, pause
from provisioning.reconcile.closing import record_closures
from provisioning.reconcile.ending import BELIEVED_AFTER, Agreed, next_observation
from provisioning.reconcile.findings import Drift, Kind
from provisioning.reconcile.keys import (
    next_change,
    retire_what_is_over,
    try_keys,
    unusable_keys,
)
from provisioning.states import KeyStatus, Outcome, Status, Wanted, move
from provisioning.steps.access_key import forget
from provisioning.steps.pull_user import (
    UserTurn,
    in_user_policy,
    record_status,
    record_user_policy,
    refuse_strangers,
)
from provisioning.wanted import Due

log = logging.getLogger(__name__)

# AWS itself is hours late with the last use of a key.
USE_READ_EVERY = timedelta(hours=1)
STATUS_OF = {
    Wanted.PRESENT: Status.READY,
    Wanted.SUSPENDED: Status.SUSPENDED,
    Wanted.ABSENT: Status.GONE,
}


def reconcile(lease: Lease) -> Agreed:
    row = PullUser.objects.select_related("customer").get(pk=lease.pk)
    registry = pause.registry_of(row)
    if registry is None:
        raise errors.PermanentError(
            f"No registry of AWS account {row.account_id} is left in the portal. The portal's "
            "administrator can add it again."
        )
    turn = UserTurn(lease, row, registry, boto.connect(registry))
    return _remove(turn) if row.wanted == Wanted.ABSENT else _provide(turn)


# --- Wanted ------------------------------------------------------------------------


def _provide(turn: UserTurn) -> Agreed:
    row, lease = turn.pull_user, turn.lease
    with lease.writing():
        retire_what_is_over(row)
    observed = _observe(turn)
    drifts = _drifts(turn, observed)
    seen = findings.see(row, drifts)
    _forget_missing(turn, seen.let_through(drifts))
    for step in filter(seen.allows, plan.diff(_wanted(row), observed)):
        steps.perform(step, turn)
    findings.repaired(row, seen.let_through(drifts))
    if seen.is_waiting:
        return Agreed(next_due=timezone.now() + settings.DRIFT_CONFIRM)
    next_turns = _record_provided(turn)
    next_try = try_keys(turn)
    readiness.record_ready(Customer.objects.filter(pk=row.customer_id))
    times = [next_try, next_change(row), _key_in_doubt_until(row), next_observation()]
    return Agreed(next_turns, next_due=min(time for time in times if time))


def _observe(turn: UserTurn) -> plan.ObservedUser:
    row, gateway = turn.pull_user, turn.gateway
    user = gateway.user(row.name)
    if user is None:
        has_login_policy = row.wanted == Wanted.ABSENT or gateway.policy_exists(
            turn.login_policy_arn
        )
        return plan.ObservedUser(has_login_policy=has_login_policy, is_present=False)
    refuse_strangers(turn, user.tags)
    attached = gateway.attached_policies(row.name)
    inline = gateway.user_policies(row.name)
    own = policies.USER_POLICY_NAME
    may_sign_in = turn.login_policy_arn in attached
    return plan.ObservedUser(
        # What is attached exists.
        has_login_policy=may_sign_in or gateway.policy_exists(turn.login_policy_arn),
        is_present=True,
        is_complete=may_sign_in
        and user.user_id == row.user_id
        and turn.registry.boundary_arn in ("", user.boundary_arn),
        user_id=user.user_id,
        keys=gateway.access_keys(row.name),
        repositories=policies.opened_by(gateway.user_policy(row.name, own))
        if own in inline
        else frozenset(),
        foreign=frozenset(attached - {turn.login_policy_arn} | inline - {own}),
    )


def _wanted(row: PullUser) -> plan.WantedUser:
    """The keys of a suspended user stay, switched off."""
    is_on = row.wanted == Wanted.PRESENT
    now = timezone.now()
    keys = row.access_keys.exclude(wanted=KeyStatus.DELETED).exclude(retires_at__lte=now)
    needs_key = is_on and row.unclaimed_at is None and not row.access_keys.current().exists()
    return plan.WantedUser(
        is_present=True,
        keys={
            key.access_key_id: str(key.wanted) if is_on else str(KeyStatus.INACTIVE) for key in keys
        },
        needs_key=needs_key,
        repositories=frozenset(grant.repository.arn for grant in in_user_policy(row)),
    )


def _drifts(turn: UserTurn, observed: plan.ObservedUser) -> list[Drift]:
    row = turn.pull_user
    keys = {key.access_key_id: key for key in row.access_keys.living()}
    written = row.grants.filter(in_user_policy=True).select_related("repository__registry")
    recorded = frozenset(grant.repository.arn for grant in written)
    drifts = drift.of_user(row, keys, recorded, _wanted(row), observed, timezone.now())
    if _key_in_doubt_until(row):
        # An unknown key is the portal's own then, and goes without a word.
        drifts = [found for found in drifts if found.kind != Kind.KEY_UNKNOWN]
    return drifts + unusable_keys(row)


def _key_in_doubt_until(row: PullUser) -> datetime | None:
    """A try to make a key that ended in doubt may have left one that AWS does not list yet."""
    last = row.attempts.filter(
        step=StepAttempt.Step.ENSURE_ACCESS_KEY,
        outcome__in=[Outcome.INTERRUPTED, Outcome.TEMPORARY],
        started_at__gt=timezone.now() - BELIEVED_AFTER,
    ).first()
    return last.started_at + BELIEVED_AFTER if last else None


def _forget_missing(turn: UserTurn, drifts: list[Drift]) -> None:
    missing = [found.subject for found in drifts if found.kind == Kind.KEY_MISSING]
    if missing:
        with turn.lease.writing():
            forget(turn.pull_user.access_keys.filter(access_key_id__in=missing))


def _record_provided(turn: UserTurn) -> Due:
    """Write down that AWS has what is wanted of the user."""
    row = turn.pull_user
    grants = in_user_policy(row)
    if {grant.pk for grant in grants} != set(
        row.grants.filter(in_user_policy=True).values_list("pk", flat=True)
    ):
        record_user_policy(turn, grants)
    with turn.lease.writing():
        changes = {"observed_at": timezone.now()}
        if row.status != STATUS_OF[Wanted(row.wanted)]:
            move(row, STATUS_OF[Wanted(row.wanted)], field="status", **changes)
        else:
            PullUser.objects.filter(pk=row.pk).update(**changes)
        unsettled = set(row.grants.unsettled().values_list("repository_id", flat=True))
        Repository.objects.filter(pk__in=unsettled).update(due_at=timezone.now())
    _note_use(turn)
    return Due(repositories=unsettled)


def _note_use(turn: UserTurn) -> None:
    """When each key was last used, read once in a while. For the pages only: what fails here
    fails nothing."""
    seen = turn.pull_user.observed_at
    if seen is None or timezone.now() - seen < USE_READ_EVERY:
        return
    for key in turn.pull_user.access_keys.living():
        try:
            use = turn.gateway.key_use(key.access_key_id)
        except errors.AwsError as error:
            log.warning("The last use of %s could not be read: %s", key, error)
            return
        if use:
            AccessKey.objects.filter(pk=key.pk).update(
                last_used_at=use.at, last_used_for=f"{use.service} in {use.region}"
            )


# --- Not wanted --------------------------------------------------------------------


def _remove(turn: UserTurn) -> Agreed:
    """The grants first, then the keys, then the user; and then AWS is asked whether that is
    so."""
    row, lease = turn.pull_user, turn.lease
    granting = Repository.objects.filter(
        grants__pull_user=row, grants__in_repository_policy=True
    ).distinct()
    waiting = {repository.pk for repository in granting if not repository.failures}
    if waiting:
        # The repository's turn calls back here.
        Repository.objects.filter(pk__in=waiting).update(due_at=timezone.now())
        return Agreed(Due(repositories=waiting), next_due=timezone.now() + BELIEVED_AFTER)
    observed = _observe(turn)
    if not observed.is_present and _may_still_show(row):
        raise errors.TemporaryError("IAM does not show the user that was just made: it may yet.")
    for step in _removal(row, observed, is_granted=granting.exists()):
        steps.perform(step, turn)
    if granting.exists():
        # A repository whose policy cannot be changed keeps the user alive, but not its keys.
        return Agreed(next_due=timezone.now() + BELIEVED_AFTER)
    if observed.is_present and turn.gateway.user(row.name) is not None:
        raise errors.TemporaryError("IAM still shows the user that was deleted.")
    with lease.writing():
        forget(row.access_keys.all())
        row.grants.update(in_user_policy=False)
        record_status(row.grants.all())
        if row.status != Status.GONE:
            move(row, Status.GONE, field="status", observed_at=timezone.now())
    findings.see(row, [])
    record_closures({row.customer_id})
    return Agreed()


def _removal(row: PullUser, observed: plan.ObservedUser, *, is_granted: bool) -> list[plan.Step]:
    if observed.is_present:
        # What was made lately may not be listed yet.
        made = row.access_keys.living().values_list("access_key_id", "status")
        observed = replace(observed, keys=dict(made) | dict(observed.keys))
    removal = plan.diff(plan.WantedUser(is_present=False), observed)
    return [step for step in removal if not (is_granted and step.name == "remove_pull_user")]


def _may_still_show(row: PullUser) -> bool:
    """Whether the last thing done to the user, lately, was to make it."""
    done = row.attempts.filter(
        step__in=[StepAttempt.Step.ENSURE_PULL_USER, StepAttempt.Step.REMOVE_PULL_USER]
    )
    last = done.first()
    return (
        last is not None
        and last.step == StepAttempt.Step.ENSURE_PULL_USER
        and timezone.now() - last.started_at < BELIEVED_AFTER
    )
