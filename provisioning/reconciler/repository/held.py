"""A turn at a repository's policy while the portal is held: it looks, and records what differs. It
removes whom people have removed, or chosen to remove, and nobody else. Whom it had removed before
the hold is unknown to the database where AWS has them again."""

from dataclasses import replace
from datetime import datetime

from provisioning.aws import errors
from provisioning.documents import policies
from provisioning.models import Drift, Grant, Installation, Repository
from provisioning.reconciler.drift import Difference, mark_repaired, observe_drift
from provisioning.reconciler.lease import Lease
from provisioning.reconciler.pull_user.plan import PlannedStep
from provisioning.reconciler.repository.context import RepositoryContext, record_observed
from provisioning.reconciler.repository.observe import differences, observe
from provisioning.reconciler.repository.record import record
from provisioning.reconciler.repository.statement import ensure_repository_statement
from provisioning.reconciler.result import Result, next_observation
from provisioning.states import Desired, Step

Kind = Drift.Kind
REMOVAL = PlannedStep(Step.ENSURE_REPOSITORY_STATEMENT, is_shrinking=True)


def reconcile(lease: Lease, row: Repository, installation: Installation, since: datetime) -> Result:
    grants = list(row.grants.select_related("pull_user").order_by("pk"))
    try:
        context = observe(lease, row, grants, installation)
    except errors.RepositoryNotFound:
        record(lease, grants, granted=set())
        return Result(next_due=next_observation())
    _record_written(context)
    named = policies.named_in(context.observed, context.owner)
    revoked = {
        grant.pull_user.arn
        for grant in grants
        if grant.desired == Desired.ABSENT
        and (grant.in_repository_policy is not False or grant.desired_at > since)
    }
    found = _differences(context, named - revoked, since)
    decision = observe_drift(row, found, is_held=True)
    chosen = [e for e in decision.repairable(found) if e.kind == Kind.GRANT_UNKNOWN]
    staying = named - revoked - {each.subject for each in chosen}
    if staying != named:
        _set(context, staying)
        mark_repaired(row, chosen)
    present = {grant for grant in grants if grant.desired == Desired.PRESENT}
    record(lease, grants, {grant for grant in present if grant.pull_user.arn in staying})
    return Result(next_due=next_observation())


def _record_written(context: RepositoryContext) -> None:
    """What AWS has now is where the portal goes on from when it is released."""
    shown = policies.fingerprint(context.observed, context.owner)
    record_observed(
        context.lease, context.observed, statement_written=shown, statement_attempted=""
    )


def _differences(context: RepositoryContext, named: set[str], since: datetime) -> list[Difference]:
    """Whom the policy names and should not, and the reverse. A user that AWS was not seen to have
    is missing itself, and access that people have given since waits."""
    here = context.confirmed + context.pending
    unknown = named - {grant.pull_user.arn for grant in here} - _placed_elsewhere(context)
    missing = [
        grant for grant in context.pending if not grant.in_user_policy and grant.desired_at < since
    ]
    return [
        *(each for each in differences(context) if each.kind != Kind.STATEMENT_CHANGED),
        *(Difference(Kind.GRANT_UNKNOWN, arn, REMOVAL) for arn in sorted(unknown)),
        *(Difference(Kind.GRANT_MISSING, grant.pull_user.arn) for grant in missing),
    ]


def _placed_elsewhere(context: RepositoryContext) -> set[str]:
    """Users that may pull, whose grants should be in their own policies: they move on release."""
    present = [grant for grant in context.leaving if grant.desired == Desired.PRESENT]
    return {grant.pull_user.arn for grant in present}


def _set(context: RepositoryContext, staying: set[str]) -> None:
    """Our statement names exactly ``staying``, whether the database knows them or not."""
    here = [*context.confirmed, *context.pending, *context.leaving]
    confirmed: list[Grant] = [grant for grant in here if grant.pull_user.arn in staying]
    known = {grant.pull_user.arn for grant in confirmed}
    held = replace(
        context,
        confirmed=confirmed,
        pending=[],
        leaving=[grant for grant in here if grant not in confirmed],
        # ECR refuses the id of a deleted user.
        others=frozenset(arn for arn in staying - known if arn.startswith("arn:")),
    )
    ensure_repository_statement(held, [])
