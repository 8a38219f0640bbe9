"""What AWS has of a pull user, what it should have, and what differs without the portal having
done it."""

from collections.abc import Mapping
from datetime import datetime

from django.utils import timezone

from provisioning.documents import policies
from provisioning.documents.policies import NO_POLICY, UserPolicy
from provisioning.models import AccessKey, Drift, PullUser, StepAttempt
from provisioning.reconciler.drift import Difference
from provisioning.reconciler.pull_user.context import PullUserContext, own_policy
from provisioning.reconciler.pull_user.keys import unusable_keys
from provisioning.reconciler.pull_user.plan import DesiredUser, ObservedUser, PlannedStep
from provisioning.reconciler.result import BELIEVED_AFTER
from provisioning.states import Desired, KeyStatus, Outcome, Status, Step

Kind = Drift.Kind


def observe(context: PullUserContext) -> ObservedUser:
    """Read the user from AWS. Raises PermanentError for a user that is not the portal's."""
    row, gateway = context.pull_user, context.gateway
    user = gateway.user(row.name)
    if user is None:
        has_login_policy = row.desired == Desired.ABSENT or gateway.policy_exists(
            context.login_policy_arn
        )
        return ObservedUser(has_login_policy=has_login_policy, is_present=False)
    context.refuse_unmanaged(user.tags)
    attached = gateway.attached_policies(row.name)
    inline = gateway.user_policies(row.name)
    own = policies.USER_POLICY_NAME
    may_sign_in = context.login_policy_arn in attached
    return ObservedUser(
        # What is attached exists.
        has_login_policy=may_sign_in or gateway.policy_exists(context.login_policy_arn),
        is_present=True,
        is_complete=may_sign_in
        and user.user_id == row.user_id
        and context.registry.boundary_arn in ("", user.boundary_arn),
        user_id=user.user_id,
        keys=gateway.access_keys(row.name),
        own_policy=policies.content_of(gateway.user_policy(row.name, own))
        if own in inline
        else NO_POLICY,
        foreign=frozenset(attached - {context.login_policy_arn} | inline - {own}),
    )


def desired_user(row: PullUser) -> DesiredUser:
    """The keys of a suspended user stay, deactivated."""
    is_active = row.desired == Desired.PRESENT
    now = timezone.now()
    keys = row.access_keys.exclude(desired=KeyStatus.DELETED).exclude(retires_at__lte=now)
    has_current = any(key.retires_at is None for key in keys)
    needs_key = is_active and row.unclaimed_at is None and not has_current
    return DesiredUser(
        is_present=True,
        keys={
            key.access_key_id: str(key.desired) if is_active else str(KeyStatus.INACTIVE)
            for key in keys
        },
        needs_key=needs_key,
        own_policy=own_policy(row).desired,
    )


def differences(
    context: PullUserContext, desired: DesiredUser, observed: ObservedUser
) -> list[Difference]:
    """What AWS has that the portal did not do."""
    row = context.pull_user
    keys = {key.access_key_id: key for key in row.access_keys.living()}
    recorded = own_policy(row).recorded
    found = compare(row, keys, recorded, desired, observed, timezone.now())
    if key_in_doubt_until(row):
        # An unknown key is then the portal's own, and is deleted without a word.
        found = [difference for difference in found if difference.kind != Kind.KEY_UNKNOWN]
    return found + unusable_keys(row)


def compare(
    row: PullUser,
    keys: Mapping[str, AccessKey],
    recorded: UserPolicy,
    desired: DesiredUser,
    observed: ObservedUser,
    now: datetime,
) -> list[Difference]:
    """``keys``: those that AWS was last seen to have; ``recorded``: what the
    user's own policy was last seen to say. Pure.

    Drift is where AWS differs from what was *recorded*, while nothing new is *desired*: what
    the portal is about to change itself is no drift. To watch one more thing, record it in a
    column, and compare recorded, desired and observed here.
    """
    if row.status not in (Status.READY, Status.SUSPENDED):
        return []
    if not observed.is_present:
        return [Difference(Kind.USER_MISSING, row.name, PlannedStep(Step.ENSURE_PULL_USER))]
    found = [Difference(Kind.FOREIGN_POLICY, name) for name in sorted(observed.foreign)]
    if observed.user_id != row.user_id:
        found.append(Difference(Kind.USER_REPLACED, row.name, PlannedStep(Step.ENSURE_PULL_USER)))
    elif not observed.is_complete:
        found.append(Difference(Kind.USER_CHANGED, row.name, PlannedStep(Step.ENSURE_PULL_USER)))
    for key_id, key in sorted(keys.items()):
        if key_id not in observed.keys:
            # A young key may only not be visible yet.
            if key.created_at < now - BELIEVED_AFTER:
                found.append(Difference(Kind.KEY_MISSING, key_id))
            continue
        status, should = observed.keys[key_id], desired.keys.get(key_id)
        if should and key.status == should and status != should:
            step = PlannedStep(Step.SET_KEY_STATUS, key_id, should)
            found.append(Difference(Kind.KEY_STATUS, key_id, step))
    found += [
        Difference(Kind.KEY_UNKNOWN, key_id, PlannedStep(Step.REMOVE_ACCESS_KEY, key_id))
        for key_id in sorted(observed.keys.keys() - keys.keys())
    ]
    if recorded == desired.own_policy and observed.own_policy != recorded:
        step = PlannedStep(Step.ENSURE_USER_POLICY)
        found.append(Difference(Kind.USER_POLICY_CHANGED, row.name, step))
    return found


def key_in_doubt_until(row: PullUser) -> datetime | None:
    """An attempt to create a key that ended in doubt may have left one that AWS does not list
    yet."""
    last = row.attempts.filter(
        step=Step.ENSURE_ACCESS_KEY,
        outcome__in=[Outcome.INTERRUPTED, Outcome.TEMPORARY],
        started_at__gt=timezone.now() - BELIEVED_AFTER,
    ).first()
    return last.started_at + BELIEVED_AFTER if last else None


def may_still_appear(row: PullUser) -> bool:
    """Whether the last thing done to the user was to create it, a short while ago."""
    last: StepAttempt | None = row.attempts.filter(
        step__in=[Step.ENSURE_PULL_USER, Step.REMOVE_PULL_USER]
    ).first()
    return (
        last is not None
        and last.step == Step.ENSURE_PULL_USER
        and timezone.now() - last.started_at < BELIEVED_AFTER
    )
