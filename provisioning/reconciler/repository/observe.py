"""What AWS has of a repository's policy, what it should have, and what differs without the portal
having done it."""

from provisioning.aws import boto
from provisioning.documents import policies
from provisioning.models import Drift, Grant, Installation, Repository
from provisioning.reconciler import in_doubt
from provisioning.reconciler.drift import Difference, RepairDecision
from provisioning.reconciler.lease import Lease
from provisioning.reconciler.pull_user.plan import PlannedStep
from provisioning.reconciler.repository.context import (
    RepositoryContext,
    arns,
    owner_of,
    record_observed,
    strangers_in,
)
from provisioning.reconciler.repository.record import record
from provisioning.reconciler.repository.statement import that_fit
from provisioning.states import Desired, Step

Placement = Grant.Placement
Kind = Drift.Kind
REPAIR = PlannedStep(Step.ENSURE_REPOSITORY_STATEMENT)


def grants_at_issue(row: Repository) -> list[Grant]:
    """Those that the policy should hold, or may hold; the oldest first."""
    grants = row.grants.at_issue().select_related("pull_user")
    return list(grants.order_by("changed_at", "pk"))


def observe(
    lease: Lease, row: Repository, grants: list[Grant], installation: Installation
) -> RepositoryContext:
    gateway = boto.connect(row.registry)
    uri = row.uri or gateway.repository_uri(row.name)
    observed = gateway.repository_policy(row.name)
    record_observed(lease, observed, uri=uri)
    owner = owner_of(row, observed, installation.sid)
    seen = policies.seen_in(observed, owner)
    here = [grant for grant in grants if _belongs_here(grant)]
    shown = [grant for grant in here if grant.pull_user.arn in seen]
    return RepositoryContext(
        lease,
        row,
        gateway,
        owner,
        observed,
        confirmed=shown,
        # A user that is still being created wakes this repository when it is ready.
        pending=[g for g in here if g not in shown and g.pull_user.is_ready],
        leaving=[grant for grant in grants if grant not in here],
    )


def _belongs_here(grant: Grant) -> bool:
    """Placed here; or on its way to the user's own policy, until it has arrived there."""
    if grant.desired != Desired.PRESENT:
        return False
    is_leaving = grant.in_repository_policy is not False and not grant.in_user_policy
    return grant.placement == Placement.REPOSITORY_POLICY or is_leaving


def differences(context: RepositoryContext) -> list[Difference]:
    found = [
        Difference(Kind.DEAD_PRINCIPAL, principal, detail=f"Sid {', '.join(sids)}")
        for principal, sids in policies.dead_principals(context.observed, context.owner).items()
    ]
    strangers = strangers_in(context.observed)
    if strangers:
        detail = ", ".join(sorted(strangers))
        found.append(Difference(Kind.OTHER_STATEMENT, policies.OUR_SID, REPAIR, detail))
    row = context.repository
    shown = policies.fingerprint(context.observed, context.owner)
    is_ours = shown in {row.statement_written, *in_doubt.sent(row.statement_attempted)}
    if row.statement_written and not is_ours and shown != _wanted(context):
        # Neither the portal wrote it, nor was it about to.
        found.append(Difference(Kind.STATEMENT_CHANGED, step=REPAIR))
    return found


def _wanted(context: RepositoryContext) -> str:
    return context.fingerprint(context.confirmed + context.pending)


def _lost(context: RepositoryContext, decision: RepairDecision) -> list[Grant]:
    """Those that were there when the policy was read before: what became of them is drift."""
    if not decision.holds(Kind.STATEMENT_CHANGED):
        return [grant for grant in context.pending if grant.in_repository_policy]
    drift = Drift.objects.open().get(repository=context.repository, kind=Kind.STATEMENT_CHANGED)
    return [
        grant
        for grant in context.pending
        if grant.in_repository_policy or grant.changed_at < drift.first_seen_at
    ]


def needs_writing(context: RepositoryContext, decision: RepairDecision) -> bool:
    """Whether the portal has something to change, or something to repair that it may repair
    now."""
    row = context.repository
    shown = policies.fingerprint(context.observed, context.owner)
    if any(grant.in_repository_policy is not False for grant in context.leaving):
        # One read that does not show it may be stale, whatever was sent before.
        return True
    if row.statement_attempted:
        # What was sent without an answer may arrive later than this read.
        wanted = _wanted(context)
        return shown != wanted or in_doubt.sent(row.statement_attempted) != {wanted}
    if shown == _wanted(context):
        return False
    named = policies.seen_in(context.observed, context.owner)
    is_revocation = not named <= set(arns(context.confirmed))
    if is_revocation or not decision.holds(Kind.STATEMENT_CHANGED):
        return True
    lost = _lost(context, decision)
    return any(grant not in lost for grant in that_fit(context))


def record_seen(context: RepositoryContext, decision: RepairDecision) -> None:
    """Record what the policy was seen to hold; what it lost, only where it was seen twice."""
    row = context.repository
    shown = policies.fingerprint(context.observed, context.owner)
    is_wanted = shown == _wanted(context)
    written = {"statement_written": shown, "statement_attempted": ""}
    if is_wanted and (row.statement_written, row.statement_attempted) != (shown, ""):
        Repository.objects.filter(pk=row.pk).update(**written)
    elif not row.statement_written:
        # The first look at a policy: what others did before is no drift.
        Repository.objects.filter(pk=row.pk).update(statement_written=shown)
    lost = _lost(context, decision)
    if not decision.is_waiting:
        # Since when it was there stays as it was: so it is known to be lost.
        pks = [grant.pk for grant in lost if grant.in_repository_policy]
        Grant.objects.filter(pk__in=pks).update(in_repository_policy=False)
    others = [grant for grant in context.pending if grant not in lost]
    record(context.lease, [*context.confirmed, *others, *context.leaving], {*context.confirmed})
