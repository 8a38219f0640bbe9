"""What a turn at a pull user records of what it saw and did, and whose turn that makes it."""

from accounts import clock
from provisioning import vault
from provisioning.desired import schedule
from provisioning.documents.policies import NO_POLICY, UserPolicy
from provisioning.models import AccessKey, Grant, PullUser
from provisioning.reconciler.pull_user.context import PullUserContext, mark, own_policy
from provisioning.reconciler.pull_user.observe import was_being_removed
from provisioning.reconciler.pull_user.plan import ObservedUser
from provisioning.reconciler.pull_user.steps import forget_previous_user
from provisioning.reconciler.pull_user.taken import TakenSteps
from provisioning.states import STATUS_OF, Desired, KeyStatus, Status, Step, move


def record_observed(
    context: PullUserContext, observed: ObservedUser, *, of_present_only: bool = False
) -> None:
    """Record what AWS was seen to have, whatever the turn does about it. What one read does not
    show may still be there: a key that is missing is recorded as such by its drift.
    ``of_present_only``: of the grants, only of those that are desired."""
    row = context.pull_user
    if not observed.is_present:
        _record_own_removal(context)
        return
    if observed.user_id != row.user_id:
        return
    others = [
        (key.pk, observed.keys[key.access_key_id])
        for key in context.keys
        if key.is_living and observed.keys.get(key.access_key_id, key.status) != key.status
    ]
    is_known = observed.own_policy is not None and not row.policy_attempted
    grants = [g for g in context.grants if g.desired == Desired.PRESENT or not of_present_only]
    moved = _grants_that_differ(grants, observed.own_policy or NO_POLICY) if is_known else []
    if observed.arn == row.arn and not others and not moved:
        return
    with context.lease.writing():
        if observed.arn != row.arn:
            # Another path: the policies that name the user by its old ARN must be set again.
            row.arn = observed.arn
            row.save(update_fields=["arn"])
            everywhere = set(row.grants.values_list("repository_id", flat=True))
            schedule.wake(repositories=everywhere, priority=context.lease.wakes_with)
        for pk, status in others:
            AccessKey.objects.filter(pk=pk).update(status=status)
        for pk, is_there in moved:
            mark(row.grants.filter(pk=pk), "in_user_policy", is_there=is_there)
    context.forget()


def record_lost_keys(context: PullUserContext, observed: ObservedUser) -> bool:
    """Record the keys that attempts without an answer have left in AWS as the portal's own, with
    secrets that are lost: they are to be deleted. Returns whether there are any."""
    row = context.pull_user
    lost = sorted(observed.keys.keys() - {key.access_key_id for key in context.keys})
    if lost:
        with context.lease.writing():
            for key_id in lost:
                status = observed.keys[key_id]
                key = AccessKey.objects.create(
                    pull_user=row, access_key_id=key_id, desired=KeyStatus.DELETED, status=status
                )
                vault.store_none(access_key=key)
        context.forget()
    return bool(lost)


def _record_own_removal(context: PullUserContext) -> None:
    """Where the portal has removed the user itself, and did not learn of it before it was desired
    again, its absence is no drift."""
    row = context.pull_user
    if not row.user_id or not was_being_removed(row):
        return
    with context.lease.writing():
        forget_previous_user(row)
        row.user_id, row.policy_written = "", ""
        row.save(update_fields=["user_id", "policy_written", "policy_attempted"])
    context.forget()


def record_status(context: PullUserContext, observed: ObservedUser, outcome: TakenSteps) -> None:
    """Record what AWS has of the user, as observed and as changed since, and wake the repositories
    for which that is news."""
    row = context.pull_user
    is_complete = observed.is_complete or outcome.has_taken(Step.ENSURE_PULL_USER)
    status = Status.READY if is_complete else Status.WAITING
    is_off = all(key.status == KeyStatus.INACTIVE for key in context.keys if key.is_living)
    if row.desired == Desired.SUSPENDED and is_off:
        status = Status.SUSPENDED
    changes: dict[str, object] = {"observed_at": clock.now()}
    # What was observed before the turn wrote is no longer so.
    is_as_observed = not outcome.has_taken(Step.ENSURE_USER_POLICY)
    is_desired = observed.own_policy == own_policy(row, context.grants).desired
    if is_as_observed and is_desired and not row.policy_written:
        changes["policy_written"] = observed.policy_meaning
    with context.lease.writing():
        if row.status != status:
            move(row, status, field="status", **changes)
        else:
            PullUser.objects.filter(pk=row.pk).update(**changes)
        if outcome.done or row.status != STATUS_OF[Desired(row.desired)]:
            unsettled = row.grants.unsettled().values_list("repository_id", flat=True)
            schedule.wake(repositories=set(unsettled), priority=context.lease.wakes_with)


def _grants_that_differ(grants: list[Grant], seen: UserPolicy) -> list[tuple[int, bool]]:
    """The grants that the user's own policy has, or has not, otherwise than was recorded. That one
    is gone which should be, is known only after a write: one read may be stale."""
    return [
        (grant.pk, grant.repository.arn in seen.repositories)
        for grant in grants
        if grant.in_user_policy is not (grant.repository.arn in seen.repositories)
        and not (grant.in_user_policy and grant.desired == Desired.ABSENT)
    ]
