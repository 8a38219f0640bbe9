"""A turn at a pull user while the portal is held: it looks, and records what differs. It takes away
what people have taken away, or chosen to remove, and nothing else.

What they took away before the hold, and AWS was seen to have no more, is not pending: where AWS has
it again, that was done after the backup."""

from dataclasses import replace
from datetime import datetime

from accounts import clock
from provisioning.documents.policies import NO_POLICY, UserPolicy
from provisioning.models import AccessKey, Drift, Grant, PullUser
from provisioning.reconciler.drift import (
    Difference,
    RepairDecision,
    mark_repaired,
    observe_drift,
)
from provisioning.reconciler.pull_user.context import OwnPolicy, PullUserContext
from provisioning.reconciler.pull_user.keys import facts_of_keys
from provisioning.reconciler.pull_user.observe import observe
from provisioning.reconciler.pull_user.plan import ObservedUser, PlannedStep
from provisioning.reconciler.pull_user.record import record_observed, record_status
from provisioning.reconciler.pull_user.steps import forget_previous_user
from provisioning.reconciler.pull_user.taken import take_steps
from provisioning.reconciler.result import Result, next_observation
from provisioning.states import Desired, KeyStatus, Step

Kind = Drift.Kind


def reconcile(context: PullUserContext, since: datetime) -> Result:
    row = context.pull_user
    if row.desired == Desired.ABSENT:
        # Where AWS has it all the same, the registry's turn says so.
        return Result()
    observed = observe(context)
    _record_seen(context, observed)
    record_observed(context, observed, of_present_only=True)
    found = _differences(context, observed, since)
    decision = observe_drift(row, found, is_held=True)
    steps = [*_revoked_keys(row, since), *_chosen(decision, found)]
    policy = _policy_without(row, observed, _revoked_repositories(row, decision, found, since))
    if policy is not None:
        context = replace(context, held_policy=policy)
        steps.append(PlannedStep(Step.ENSURE_USER_POLICY, is_shrinking=True))
    outcome = take_steps(context, steps)
    repairable = decision.repairable(found)
    mark_repaired(row, [each for each in repairable if outcome.has_repaired(each, [])])
    if row.desired == Desired.PRESENT:
        record_status(context, observed, outcome)
    else:
        PullUser.objects.filter(pk=row.pk).update(observed_at=clock.now())
    outcome.raise_worst()
    return Result(next_due=next_observation())


def _record_seen(context: PullUserContext, observed: ObservedUser) -> None:
    """What AWS has now is where the portal goes on from when it is released: also a user of ours
    that was created since the backup."""
    row = context.pull_user
    if not observed.is_present:
        return
    with context.lease.writing():
        if row.user_id != observed.user_id:
            forget_previous_user(row)
            row.user_id, row.arn = observed.user_id, observed.arn
        row.policy_written, row.policy_attempted = observed.policy_meaning, ""
        row.save(update_fields=["user_id", "arn", "policy_written", "policy_attempted"])


# --- What differs --------------------------------------------------------------------


def _differences(
    context: PullUserContext, observed: ObservedUser, since: datetime
) -> list[Difference]:
    row = context.pull_user
    if not observed.is_present:
        # One that people have asked for since waits for the end of the hold.
        missing = Difference(Kind.USER_MISSING, row.name, PlannedStep(Step.ENSURE_PULL_USER))
        return [missing] if row.desired_at < since else []
    found = [Difference(Kind.FOREIGN_POLICY, name) for name in sorted(observed.foreign)]
    if not observed.is_complete:
        found.append(Difference(Kind.USER_CHANGED, row.name, PlannedStep(Step.ENSURE_PULL_USER)))
    return [*found, *_of_keys(context, observed), *_of_policy(row, observed, since)]


def _of_keys(context: PullUserContext, observed: ObservedUser) -> list[Difference]:
    known = {key.access_key_id: key for key in context.pull_user.access_keys.all()}
    found = []
    for key_id, key in known.items():
        status = observed.keys.get(key_id)
        if _is_pending(key) or key.desired == KeyStatus.DELETED or status == key.desired:
            continue
        if status is None:
            found.append(Difference(Kind.KEY_MISSING, key_id))
            continue
        kind = Kind.KEY_STATUS if status == KeyStatus.INACTIVE else Kind.KEY_ACTIVATED
        found.append(
            Difference(kind, key_id, PlannedStep(Step.SET_KEY_STATUS, key_id, str(key.desired)))
        )
    unknown = observed.keys.keys() - known.keys()
    facts = facts_of_keys(context.gateway, context.pull_user.name) if unknown else {}
    for key_id in sorted(unknown):
        step = PlannedStep(Step.REMOVE_ACCESS_KEY, key_id)
        found.append(Difference(Kind.KEY_UNKNOWN, key_id, step, facts=facts.get(key_id, {})))
    return found


def _of_policy(row: PullUser, observed: ObservedUser, since: datetime) -> list[Difference]:
    seen = observed.own_policy
    if seen is None or seen.sources != row.customer.sources:
        step = PlannedStep(Step.ENSURE_USER_POLICY)
        return [Difference(Kind.USER_POLICY_CHANGED, row.name, step)]
    grants = list(row.grants.select_related("repository__registry"))
    expected = {grant.repository.arn for grant in grants if grant.desired == Desired.PRESENT}
    revoked = {grant.repository.arn for grant in grants if _is_revoked(grant, since)}
    missing = {
        grant.repository.arn
        for grant in grants
        if grant.desired == Desired.PRESENT
        and grant.placement == Grant.Placement.USER_POLICY
        and not grant.in_repository_policy
        and grant.desired_at < since
    }
    step = PlannedStep(Step.ENSURE_USER_POLICY, is_shrinking=True)
    return [
        *(
            Difference(Kind.GRANT_UNKNOWN, arn, step)
            for arn in sorted(seen.repositories - expected - revoked)
        ),
        *(Difference(Kind.GRANT_MISSING, arn) for arn in sorted(missing - seen.repositories)),
    ]


# --- What is taken away --------------------------------------------------------------


def _revoked_keys(row: PullUser, since: datetime) -> list[PlannedStep]:
    """Of the keys that the database knows, those that people have taken away."""
    steps = []
    for key in row.access_keys.living():
        if _should_go(key):
            steps.append(PlannedStep(Step.REMOVE_ACCESS_KEY, key.access_key_id))
        elif _is_pending(key) or (key.desired == KeyStatus.INACTIVE and key.desired_at > since):
            status = str(KeyStatus.INACTIVE)
            steps.append(PlannedStep(Step.SET_KEY_STATUS, key.access_key_id, status))
    return steps


def _should_go(key: AccessKey) -> bool:
    is_retired = key.retires_at is not None and key.retires_at <= clock.now()
    return is_retired or key.desired == KeyStatus.DELETED


def _is_pending(key: AccessKey) -> bool:
    """Whether it should be deactivated, and the portal has not done so yet."""
    return key.desired == KeyStatus.INACTIVE and key.written != KeyStatus.INACTIVE


def _chosen(decision: RepairDecision, found: list[Difference]) -> list[PlannedStep]:
    """What ops chose to remove or to deactivate; what they chose to grant again waits."""
    steps = [each.step for each in decision.repairable(found) if each.step is not None]
    return [step for step in steps if step.is_revocation and step.step != Step.ENSURE_USER_POLICY]


def _revoked_repositories(
    row: PullUser, decision: RepairDecision, found: list[Difference], since: datetime
) -> set[str]:
    grants = row.grants.select_related("repository__registry")
    by_people = {grant.repository.arn for grant in grants if _is_revoked(grant, since)}
    by_choice = {
        each.subject for each in decision.repairable(found) if each.kind == Kind.GRANT_UNKNOWN
    }
    return by_people | by_choice


def _is_revoked(grant: Grant, since: datetime) -> bool:
    is_done = grant.in_user_policy is False and grant.desired_at < since
    return grant.desired == Desired.ABSENT and not is_done


def _policy_without(row: PullUser, observed: ObservedUser, revoked: set[str]) -> OwnPolicy | None:
    """The user's own policy as it is, without the revoked repositories; None where it has none of
    them. One that someone has edited goes as a whole, but for the customer's networks."""
    seen = observed.own_policy
    if observed.is_present and seen is None and revoked:
        return OwnPolicy(UserPolicy(sources=row.customer.sources), [], has_others=False)
    seen = seen or NO_POLICY
    if not seen.repositories & revoked:
        return None
    staying = seen.repositories - revoked
    grants = row.grants.select_related("repository__registry")
    held = [grant for grant in grants if grant.repository.arn in staying]
    return OwnPolicy(UserPolicy(staying, seen.sources), held, has_others=False)
