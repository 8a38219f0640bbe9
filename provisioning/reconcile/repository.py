"""A turn at a repository's policy: one writer at a time, and the whole of it at once."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from accounts.models import Customer
from provisioning import capacity, policies, readiness, steps
from provisioning.aws import boto, errors
from provisioning.lease import Lease
from provisioning.models import AccessKey, Grant, PullUser, Repository
from provisioning.plan import Step
from provisioning.reconcile import findings
from provisioning.reconcile.closing import record_closures
from provisioning.reconcile.ending import (
    BACKOFF_LAST,
    BELIEVED_AFTER,
    NEWCOMER_RETRY,
    Agreed,
    NotNow,
    next_observation,
)
from provisioning.reconcile.findings import Drift, Kind
from provisioning.states import Wanted
from provisioning.steps.pull_user import record_status
from provisioning.steps.statement import RepositoryTurn
from provisioning.wanted import Due

Place = Grant.Placement
REPAIR = Step("ensure_repository_statement")


def reconcile(lease: Lease) -> Agreed:
    row = Repository.objects.select_related("registry").get(pk=lease.pk)
    if row.policy_set_at and timezone.now() < row.policy_set_at + settings.REPOSITORY_PACE:
        raise NotNow(row.policy_set_at + settings.REPOSITORY_PACE)
    at_issue = row.grants.exclude(wanted=Wanted.ABSENT, in_repository_policy=False)
    grants = list(at_issue.select_related("pull_user").order_by("changed_at", "pk"))
    try:
        turn = _observe(lease, row, grants)
    except errors.RepositoryNotFound:
        # Its policy went with it.
        next_turns = _record(lease, grants, granted=[])
        if any(grant.wanted == Wanted.PRESENT for grant in grants):
            raise
        return Agreed(next_turns)
    drifts = _drifts(turn, grants)
    seen = findings.see(row, drifts)
    if seen.is_waiting:
        return Agreed(next_due=timezone.now() + settings.DRIFT_CONFIRM)
    if not seen.allows(REPAIR):
        return Agreed(next_due=next_observation())
    turn, moved = _move_who_do_not_fit(turn)
    granted = steps.ensure_repository_statement(turn)
    next_turns = _record(lease, grants, granted) | moved
    findings.repaired(row, seen.let_through(drifts))
    return _agreed_but_for([g for g in turn.newcomers if g not in granted], next_turns)


def _observe(lease: Lease, row: Repository, grants: list[Grant]) -> RepositoryTurn:
    gateway = boto.connect(row.registry)
    uri = gateway.repository_uri(row.name)
    observed = gateway.repository_policy(row.name)
    with lease.writing():
        Repository.objects.filter(pk=row.pk).update(uri=uri)
    steps.record_seen(lease, observed)
    here = [grant for grant in grants if _belongs_here(grant)]
    return RepositoryTurn(
        lease,
        row,
        gateway,
        observed,
        confirmed=[grant for grant in here if grant.in_repository_policy],
        # A user that is still being made calls back here when it is.
        newcomers=[g for g in here if not g.in_repository_policy and g.pull_user.is_ready],
    )


def _belongs_here(grant: Grant) -> bool:
    """Placed here; or on its way to the user's own policy, until it has arrived there."""
    if grant.wanted != Wanted.PRESENT:
        return False
    is_leaving = grant.in_repository_policy and not grant.in_user_policy
    return grant.placement == Grant.Placement.REPOSITORY_POLICY or is_leaving


def _drifts(turn: RepositoryTurn, grants: list[Grant]) -> list[Drift]:
    drifts = [Drift(Kind.DEAD_PRINCIPAL, who) for who in policies.dead_principals(turn.observed)]
    recorded = {grant.pull_user.arn for grant in grants if grant.in_repository_policy}
    here = {grant.pull_user.arn for grant in turn.confirmed + turn.newcomers}
    if recorded == here and not policies.same_statement(turn.observed, here):
        # Nobody asked for a change, so somebody else has made one.
        drifts.append(Drift(Kind.STATEMENT_CHANGED, step=REPAIR))
    return drifts


def _move_who_do_not_fit(turn: RepositoryTurn) -> tuple[RepositoryTurn, Due]:
    """Newcomers for whom the policy has no room go to their users' own."""
    fitting = steps.that_fit(turn)
    row = turn.repository
    moved = [
        grant
        for grant in turn.newcomers
        if grant not in fitting
        and row.placement == Repository.Placement.AUTOMATIC
        and capacity.has_user_policy_room(grant.pull_user, row)
    ]
    if not moved:
        return turn, Due()
    users = {grant.pull_user_id for grant in moved}
    with _locked(users), turn.lease.writing():
        Grant.objects.filter(pk__in=[grant.pk for grant in moved]).update(
            placement=Grant.Placement.USER_POLICY
        )
        PullUser.objects.filter(pk__in=users).update(due_at=timezone.now())
    staying = [grant for grant in turn.newcomers if grant not in moved]
    return replace(turn, newcomers=staying), Due(pull_users=users)


def _record(lease: Lease, grants: list[Grant], granted: list[Grant]) -> Due:
    """Write down that of ``grants`` the policy has ``granted``. Next are the users for whom
    that changes something."""
    now = timezone.now()
    at_issue = Grant.objects.filter(pk__in=[grant.pk for grant in grants])
    written = at_issue.filter(
        pk__in=[grant.pk for grant in granted],
        # Not of a user that was made anew meanwhile: the policy names the old one.
        pull_user__user_id__in={grant.pull_user.user_id for grant in granted},
    )
    written_pks = set(written.values_list("pk", flat=True))
    users = {grant.pull_user_id for grant in grants}
    with _locked(users), lease.writing():
        at_issue.filter(pk__in=written_pks).update(in_repository_policy=True)
        at_issue.exclude(pk__in=written_pks).update(in_repository_policy=False)
        record_status(at_issue)
        let_in = {g.pull_user_id for g in granted if not g.in_repository_policy}
        # ECR no longer knows them: their own turns find out why.
        lost = {g.pull_user_id for g in grants if g.in_repository_policy and g not in granted}
        waiting = _users_who_wait(users, let_in) | lost
        PullUser.objects.filter(pk__in=waiting).update(due_at=now)
    closed = [g for g in grants if g.wanted == Wanted.ABSENT]
    record_closures({grant.pull_user.customer_id for grant in closed})
    readiness.record_ready(Customer.objects.filter(pull_users__grants__in=written_pks))
    return Due(pull_users=waiting)


def _users_who_wait(pks: set[int], let_in: set[int]) -> set[int]:
    """Of these users, those for whom it is time: to go, to be let in elsewhere or no longer,
    or, being let in now, to have their key tried."""
    users = PullUser.objects.filter(pk__in=pks)
    unsettled = users.unsettled().filter(wanted=Wanted.ABSENT)
    elsewhere = Grant.objects.unsettled().filter(pull_user__in=pks)
    elsewhere = elsewhere.exclude(placement=Place.REPOSITORY_POLICY, in_user_policy=False)
    untested = AccessKey.objects.current().filter(
        pull_user__in=let_in, tested_at__isnull=True, secret__sealed__isnull=False
    )
    return {
        *unsettled.values_list("pk", flat=True),
        *elsewhere.values_list("pull_user_id", flat=True),
        *untested.values_list("pull_user_id", flat=True),
    }


@contextmanager
def _locked(pull_users: set[int]) -> Iterator[None]:
    """A transaction that holds these pull users before it takes the repository, as deeds
    do: whoever locks in another order may wait in a circle."""
    with transaction.atomic():
        rows = PullUser.objects.select_for_update(no_key=True).filter(pk__in=pull_users)
        list(rows.order_by("pk").values_list("pk", flat=True))
        yield


def _agreed_but_for(left_out: list[Grant], next_turns: Due) -> Agreed:
    if not left_out:
        return Agreed(next_turns, next_due=next_observation())
    now = timezone.now()
    waited = now - min(grant.changed_at for grant in left_out)
    names = ", ".join(grant.pull_user.name for grant in left_out[:5])
    attention = (
        f"ECR does not let in {len(left_out)} of the users of this repository ({names}). Either "
        "its policy is full, and the AWS administrator can remove statements that are not the "
        "portal's; or the users were deleted in IAM, and ops can reissue their credentials."
    )
    return Agreed(
        next_turns,
        next_due=now + max(NEWCOMER_RETRY, min(waited / 4, BACKOFF_LAST)),
        attention=attention if waited > BELIEVED_AFTER else "",
    )
