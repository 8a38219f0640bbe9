"""A turn at a registry: what belongs to its account as a whole."""

import logging

from django.conf import settings

from accounts import clock
from provisioning.aws import boto, errors
from provisioning.aws.gateway import Gateway
from provisioning.desired import schedule
from provisioning.documents import grammar, names, policies
from provisioning.models import Drift, Installation, Priority, PullUser, Registry
from provisioning.reconciler import hold
from provisioning.reconciler.attempt import attempt
from provisioning.reconciler.drift import Difference, mark_repaired, observe_drift
from provisioning.reconciler.lease import Lease
from provisioning.reconciler.pull_user.context import login_policy_arn
from provisioning.reconciler.pull_user.keys import facts_of_keys
from provisioning.reconciler.pull_user.plan import PlannedStep
from provisioning.reconciler.result import PENDING_RETRY, Result, next_observation
from provisioning.states import Desired, Status, Step

log = logging.getLogger(__name__)

# Users that the database does not know, and whose keys one turn reads.
READ_AT_ONCE = 20


def reconcile(lease: Lease, row: Registry, installation: Installation) -> Result:
    gateway = boto.connect(row)
    account_id = gateway.account_id()
    if account_id != row.account_id:
        raise errors.PermanentError(
            f"The portal's identity belongs to AWS account {account_id}, the registry to "
            f"{row.account_id}. The portal's administrator can name a role of that account."
        )
    _read_policy(lease, row, gateway)
    if row != Registry.objects.filter(account_id=account_id).order_by("pk").first():
        # IAM is the same in all regions: another registry's turn looks at it.
        return Result(next_due=next_observation())
    is_held = installation.held_at is not None
    found = _login_policy(gateway, account_id)
    found += _unknown_users(row, gateway, is_held=is_held)
    decision = observe_drift(row, found, is_held=is_held)
    repairable = decision.repairable(found)
    for difference in repairable:
        _repair(lease, gateway, account_id, difference)
    mark_repaired(row, repairable)
    summary = gateway.account_summary()
    with lease.writing():
        Registry.objects.filter(account_id=account_id).update(
            iam_users=summary.users,
            users_quota=summary.users_quota,
            user_policy_quota=summary.user_policy_quota,
            observed_at=clock.now(),
        )
    # Without the epoch, a restored backup would not be noticed: a refusal is this row's.
    hold.compare(row, gateway)
    if any(not difference.facts for difference in found if is_held and _is_unknown(difference)):
        return Result(next_due=clock.now() + PENDING_RETRY)
    if decision.is_waiting:
        return Result(next_due=clock.now() + settings.DRIFT_CONFIRM)
    return Result(next_due=next_observation())


def _read_policy(lease: Lease, row: Registry, gateway: Gateway) -> None:
    """Only pages need it: a role that may not read it, or a document that nobody can read, stops
    nothing."""
    policy: grammar.Document | None = None
    try:
        policy = gateway.registry_policy() or {}
    except (errors.Denied, grammar.MalformedPolicy) as error:
        log.warning("The policy of registry %s is not known: %s", row, error)
    if policy == row.policy:
        return
    with lease.writing():
        Registry.objects.filter(pk=row.pk).update(policy=policy)
        if (policy or {}) != (row.policy or {}):
            repositories = set(row.repositories.values_list("pk", flat=True))
            schedule.wake(repositories=repositories, priority=Priority.LATER)


def _login_policy(gateway: Gateway, account_id: str) -> list[Difference]:
    """Edited by hand; where it is missing, the next pull user's turn creates it."""
    arn = login_policy_arn(account_id)
    document = gateway.policy(arn)
    if document is None or grammar.same_meaning(document, policies.login_policy()):
        return []
    step = PlannedStep(Step.REPLACE_LOGIN_POLICY)
    return [Difference(Drift.Kind.LOGIN_POLICY_CHANGED, arn, step)]


def _is_unknown(difference: Difference) -> bool:
    return difference.kind == Drift.Kind.UNKNOWN_USER


def _unknown_users(row: Registry, gateway: Gateway, *, is_held: bool) -> list[Difference]:
    """Users with the portal's tags that the database does not know: for example, because it was
    restored from a backup. While the portal is held, a few on each turn are looked at more
    closely."""
    known = PullUser.objects.filter(account_id=row.account_id)
    known = known.exclude(desired=Desired.ABSENT, status=Status.GONE)
    present = {user.name for user in gateway.users(settings.AWS_PATH)}
    open_ = Drift.objects.open().filter(registry=row, kind=Drift.Kind.UNKNOWN_USER)
    facts = dict(open_.values_list("subject", "facts"))
    unknown = sorted(present - set(known.values_list("name", flat=True)))
    ours = [name for name in unknown if name in facts or _is_tagged(gateway, name)]
    if is_held:
        for name in [name for name in ours if not facts.get(name)][:READ_AT_ONCE]:
            facts[name] = {"keys": facts_of_keys(gateway, name)}
    step = PlannedStep(Step.REMOVE_UNKNOWN_USER)
    return [
        Difference(Drift.Kind.UNKNOWN_USER, name, step, facts=facts.get(name, {})) for name in ours
    ]


def _is_tagged(gateway: Gateway, name: str) -> bool:
    user = gateway.user(name)
    return user is not None and names.MANAGED_BY.items() <= user.tags.items()


def _repair(lease: Lease, gateway: Gateway, account_id: str, difference: Difference) -> None:
    if difference.kind == Drift.Kind.LOGIN_POLICY_CHANGED:
        with attempt(Step.REPLACE_LOGIN_POLICY, lease):
            gateway.replace_policy(login_policy_arn(account_id), policies.login_policy())
    else:
        with attempt(Step.REMOVE_UNKNOWN_USER, lease):
            gateway.strip_user(difference.subject)
            gateway.delete_user(difference.subject)
