"""A turn at a repository's policy, from its beginning to its end."""

from dataclasses import replace

from django.conf import settings

from accounts import clock
from provisioning.aws import errors
from provisioning.desired import capacity, schedule
from provisioning.models import Drift, Grant, Installation, Repository
from provisioning.reconciler.drift import RepairDecision, mark_repaired, observe_drift
from provisioning.reconciler.lease import Lease
from provisioning.reconciler.repository import held
from provisioning.reconciler.repository.context import RepositoryContext
from provisioning.reconciler.repository.observe import (
    differences,
    grants_at_issue,
    needs_writing,
    observe,
    record_seen,
)
from provisioning.reconciler.repository.record import locked, record
from provisioning.reconciler.repository.statement import ensure_repository_statement, that_fit
from provisioning.reconciler.result import (
    BACKOFF_LAST,
    BELIEVED_AFTER,
    PENDING_RETRY,
    Requeue,
    Result,
    next_observation,
)
from provisioning.states import Desired

Placement = Grant.Placement
Kind = Drift.Kind
# What a write of the whole policy sets right, for whatever reason it was made.
REPAIRED_BY_WRITING = {Kind.STATEMENT_CHANGED, Kind.DEAD_PRINCIPAL}
HELD = (
    "Someone has edited the portal's statement in this repository's policy, and the portal is set "
    "up not to repair that by itself. Ops can have it repaired on the dashboard."
)


def reconcile(lease: Lease, row: Repository, installation: Installation) -> Result:
    _wait_between_writes(row)
    if installation.held_at:
        return held.reconcile(lease, row, installation, installation.held_at)
    grants = grants_at_issue(row)
    try:
        context = observe(lease, row, grants, installation)
    except errors.RepositoryNotFound:
        # Its policy went with it.
        record(lease, grants, granted=set())
        # Also of users who have it in their own policy.
        if row.grants.filter(desired=Desired.PRESENT).exists():
            raise
        return Result()
    found = differences(context)
    decision = observe_drift(row, found)
    if not needs_writing(context, decision):
        record_seen(context, decision)
        return _waiting(context, decision)
    context = _move_those_that_do_not_fit(context)
    fitting = that_fit(context)
    trying = [grant for grant in fitting if _is_worth_trying(context, grant)]
    granted = set(ensure_repository_statement(context, trying))
    record(lease, grants, granted)
    _record_tried(context, trying)
    repairable = decision.repairable(found)
    repaired = [e for e in found if e in repairable or e.kind in REPAIRED_BY_WRITING]
    mark_repaired(row, repaired)
    full = [grant for grant in context.pending if grant not in fitting]
    refused = [grant for grant in fitting if grant not in granted]
    return _result(full, refused)


def _wait_between_writes(row: Repository) -> None:
    """So that many approvals share one write."""
    if row.policy_set_at is None:
        return
    next_write = row.policy_set_at + settings.REPOSITORY_WRITE_INTERVAL
    if clock.now() < next_write:
        raise Requeue(next_write)


def _is_worth_trying(context: RepositoryContext, grant: Grant) -> bool:
    """Users that ECR has refused for long are tried less and less often: each try with one of them
    costs everybody a write."""
    waited = clock.now() - grant.changed_at
    tried = context.repository.refused_tried_at
    if waited < BELIEVED_AFTER or tried is None:
        return True
    return clock.now() - tried >= min(waited / 4, BACKOFF_LAST)


def _record_tried(context: RepositoryContext, trying: list[Grant]) -> None:
    now = clock.now()
    if any(now - grant.changed_at >= BELIEVED_AFTER for grant in trying):
        Repository.objects.filter(pk=context.repository.pk).update(refused_tried_at=now)


def _move_those_that_do_not_fit(context: RepositoryContext) -> RepositoryContext:
    """Pending grants for which the policy has no room move to their users' own policies."""
    row = context.repository
    if row.placement != Repository.Placement.AUTOMATIC:
        return context
    fitting = set(that_fit(context))
    full = [grant for grant in context.pending if grant not in fitting]
    room = capacity.Room({grant.pull_user for grant in full}, {row})
    moved = {grant for grant in full if room.place_in_user_policy(grant.pull_user, row)}
    if not moved:
        return context
    pull_users = {grant.pull_user_id for grant in moved}
    with locked(pull_users), context.lease.writing():
        Grant.objects.filter(pk__in=[grant.pk for grant in moved]).update(
            placement=Placement.USER_POLICY
        )
        schedule.wake(pull_users=pull_users, priority=context.lease.wakes_with)
    return replace(context, pending=[g for g in context.pending if g not in moved])


def _waiting(context: RepositoryContext, decision: RepairDecision) -> Result:
    if decision.is_waiting:
        return Result(next_due=clock.now() + settings.DRIFT_CONFIRM)
    if decision.holds(Kind.STATEMENT_CHANGED):
        return Result(next_observation(), attention=HELD)
    return _result(context.pending, [])


def _result(full: list[Grant], refused: list[Grant]) -> Result:
    """``full``: for whom the policy has no room; ``refused``: whom ECR does not know."""
    left_out = full + refused
    if not left_out:
        return Result(next_due=next_observation())
    waited = clock.now() - min(grant.changed_at for grant in left_out)
    youngest = clock.now() - max(grant.changed_at for grant in left_out)
    words = []
    if full:
        words.append(
            f"The repository's policy has no room for {_names(full)}. The AWS account's "
            "administrator can remove statements from it that do not belong to the portal, or "
            "sales can withdraw access that is no longer needed."
        )
    if refused:
        words.append(
            f"ECR does not know {_names(refused)}, though IAM created them long ago. The portal "
            "goes on trying; the AWS account's administrator can find out in IAM whether they are "
            "still there."
        )
    return Result(
        next_due=clock.now() + max(PENDING_RETRY, min(youngest / 4, BACKOFF_LAST)),
        attention=" ".join(words) if waited > BELIEVED_AFTER else "",
        is_settled=False,
    )


def _names(grants: list[Grant]) -> str:
    """Up to five of them."""
    names = ", ".join(grant.pull_user.name for grant in grants[:5])
    return names if len(grants) <= 5 else f"{names} and {len(grants) - 5} more"
