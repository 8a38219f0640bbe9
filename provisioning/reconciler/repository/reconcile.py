"""A turn at a repository's policy, from its beginning to its end."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from accounts.models import Customer
from provisioning.aws import boto, errors
from provisioning.desired import capacity, schedule
from provisioning.documents import policies
from provisioning.models import AccessKey, Drift, Grant, PullUser, Repository
from provisioning.reconciler.closure import record_closures
from provisioning.reconciler.drift import Difference, mark_repaired, observe_drift
from provisioning.reconciler.lease import Lease
from provisioning.reconciler.pull_user.context import mark_written
from provisioning.reconciler.pull_user.plan import PlannedStep
from provisioning.reconciler.readiness import record_ready
from provisioning.reconciler.repository.context import RepositoryContext, record_observed
from provisioning.reconciler.repository.statement import ensure_repository_statement, that_fit
from provisioning.reconciler.result import (
    BACKOFF_LAST,
    BELIEVED_AFTER,
    PENDING_RETRY,
    Requeue,
    Result,
    next_observation,
)
from provisioning.states import Desired, Step

Placement = Grant.Placement
REPAIR = PlannedStep(Step.ENSURE_REPOSITORY_STATEMENT)


def reconcile(lease: Lease, row: Repository) -> Result:
    _wait_between_writes(row)
    grants = _grants_at_issue(row)
    try:
        context = _observe(lease, row, grants)
    except errors.RepositoryNotFound:
        # Its policy went with it.
        _record(lease, grants, granted=set())
        if any(grant.desired == Desired.PRESENT for grant in grants):
            raise
        return Result()
    found = _differences(context, grants)
    decision = observe_drift(row, found)
    if decision.is_waiting:
        return Result(next_due=timezone.now() + settings.DRIFT_CONFIRM)
    if not decision.allows(REPAIR):
        return Result(next_due=next_observation())
    context = _move_those_that_do_not_fit(context)
    granted = set(ensure_repository_statement(context))
    _record(lease, grants, granted)
    mark_repaired(row, decision.repairable(found))
    return _result([grant for grant in context.pending if grant not in granted])


def _wait_between_writes(row: Repository) -> None:
    """So that many approvals share one write."""
    if row.policy_set_at is None:
        return
    next_write = row.policy_set_at + settings.REPOSITORY_WRITE_INTERVAL
    if timezone.now() < next_write:
        raise Requeue(next_write)


def _grants_at_issue(row: Repository) -> list[Grant]:
    """Those that the policy should hold, or holds; the oldest first."""
    grants = row.grants.exclude(desired=Desired.ABSENT, in_repository_policy=False)
    return list(grants.select_related("pull_user").order_by("changed_at", "pk"))


def _observe(lease: Lease, row: Repository, grants: list[Grant]) -> RepositoryContext:
    gateway = boto.connect(row.registry)
    uri = gateway.repository_uri(row.name)
    observed = gateway.repository_policy(row.name)
    record_observed(lease, observed, uri=uri)
    here = [grant for grant in grants if _belongs_here(grant)]
    return RepositoryContext(
        lease,
        row,
        gateway,
        observed,
        confirmed=[grant for grant in here if grant.in_repository_policy],
        # A user that is still being created wakes this repository when it is ready.
        pending=[g for g in here if not g.in_repository_policy and g.pull_user.is_ready],
    )


def _belongs_here(grant: Grant) -> bool:
    """Placed here; or on its way to the user's own policy, until it has arrived there."""
    if grant.desired != Desired.PRESENT:
        return False
    is_leaving = grant.in_repository_policy and not grant.in_user_policy
    return grant.placement == Placement.REPOSITORY_POLICY or is_leaving


def _differences(context: RepositoryContext, grants: list[Grant]) -> list[Difference]:
    found = [
        Difference(Drift.Kind.DEAD_PRINCIPAL, principal)
        for principal in policies.dead_principals(context.observed)
    ]
    recorded = {grant.pull_user.arn for grant in grants if grant.in_repository_policy}
    here = {grant.pull_user.arn for grant in context.confirmed + context.pending}
    if recorded == here and not policies.same_statement(context.observed, here):
        # The portal was not about to change it, so someone else has.
        found.append(Difference(Drift.Kind.STATEMENT_CHANGED, step=REPAIR))
    return found


def _move_those_that_do_not_fit(context: RepositoryContext) -> RepositoryContext:
    """Pending grants for which the policy has no room move to their users' own policies."""
    fitting = set(that_fit(context))
    row = context.repository
    moved = {
        grant
        for grant in context.pending
        if grant not in fitting
        and row.placement == Repository.Placement.AUTOMATIC
        and capacity.has_user_policy_room(grant.pull_user, row)
    }
    if not moved:
        return context
    pull_users = {grant.pull_user_id for grant in moved}
    with _locked(pull_users), context.lease.writing():
        Grant.objects.filter(pk__in=[grant.pk for grant in moved]).update(
            placement=Placement.USER_POLICY
        )
        schedule.wake(pull_users=pull_users)
    return replace(context, pending=[g for g in context.pending if g not in moved])


def _record(lease: Lease, grants: list[Grant], granted: set[Grant]) -> None:
    """Record that of ``grants`` the policy has ``granted``, and wake the users for whom that
    changes something."""
    if any(grant.in_repository_policy != (grant in granted) for grant in grants):
        _record_changes(lease, grants, granted)
    closed = [grant for grant in grants if grant.desired == Desired.ABSENT]
    if closed:
        record_closures({grant.pull_user.customer_id for grant in closed})
    if granted:
        customers = {grant.pull_user.customer_id for grant in granted}
        record_ready(Customer.objects.filter(pk__in=customers))


def _record_changes(lease: Lease, grants: list[Grant], granted: set[Grant]) -> None:
    at_issue = Grant.objects.filter(pk__in=[grant.pk for grant in grants])
    written = at_issue.filter(
        pk__in=[grant.pk for grant in granted],
        # Not of a user that was replaced meanwhile: the policy names the old one.
        pull_user__user_id__in={grant.pull_user.user_id for grant in granted},
    )
    written_pks = set(written.values_list("pk", flat=True))
    pull_users = {grant.pull_user_id for grant in grants}
    with _locked(pull_users), lease.writing():
        mark_written(at_issue.filter(pk__in=written_pks), Placement.REPOSITORY_POLICY)
        mark_written(
            at_issue.exclude(pk__in=written_pks), Placement.REPOSITORY_POLICY, is_written=False
        )
        admitted = {g.pull_user_id for g in granted if not g.in_repository_policy}
        # ECR no longer knows them: their own turns find out why.
        lost = {g.pull_user_id for g in grants if g.in_repository_policy and g not in granted}
        schedule.wake(pull_users=_users_to_wake(pull_users, admitted) | lost)


def _users_to_wake(pull_users: set[int], admitted: set[int]) -> set[int]:
    """Of these users, those for whom it is time: to be removed, to be admitted elsewhere or no
    longer, or, being admitted now, to have their key tested."""
    users = PullUser.objects.filter(pk__in=pull_users)
    unsettled = users.unsettled().filter(desired=Desired.ABSENT)
    elsewhere = Grant.objects.unsettled().filter(pull_user__in=pull_users)
    elsewhere = elsewhere.exclude(placement=Placement.REPOSITORY_POLICY, in_user_policy=False)
    untested = AccessKey.objects.current().filter(
        pull_user__in=admitted, tested_at__isnull=True, secret__ciphertext__isnull=False
    )
    return {
        *unsettled.values_list("pk", flat=True),
        *elsewhere.values_list("pull_user_id", flat=True),
        *untested.values_list("pull_user_id", flat=True),
    }


@contextmanager
def _locked(pull_users: set[int]) -> Iterator[None]:
    """A transaction that holds these pull users before it takes the repository, as actions do:
    locking in another order may deadlock."""
    with transaction.atomic():
        rows = PullUser.objects.select_for_update(no_key=True).filter(pk__in=pull_users)
        list(rows.order_by("pk").values_list("pk", flat=True))
        yield


def _result(left_out: list[Grant]) -> Result:
    if not left_out:
        return Result(next_due=next_observation())
    now = timezone.now()
    waited = now - min(grant.changed_at for grant in left_out)
    names = ", ".join(grant.pull_user.name for grant in left_out[:5])
    attention = (
        f"ECR does not admit {len(left_out)} of the users of this repository ({names}). Either its "
        "policy is full, and the AWS administrator can remove statements that do not belong to "
        "the portal; or the users were deleted in IAM, and ops can reissue their credentials."
    )
    return Result(
        next_due=now + max(PENDING_RETRY, min(waited / 4, BACKOFF_LAST)),
        attention=attention if waited > BELIEVED_AFTER else "",
    )
