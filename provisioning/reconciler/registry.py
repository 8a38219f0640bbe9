"""A turn at a registry: what belongs to its account as a whole."""

from django.conf import settings

from accounts import clock
from provisioning.aws import boto, errors
from provisioning.aws.gateway import Gateway
from provisioning.documents import grammar, names, policies
from provisioning.models import Drift, Installation, PullUser, Registry
from provisioning.reconciler import hold
from provisioning.reconciler.attempt import attempt
from provisioning.reconciler.drift import Difference, mark_repaired, observe_drift
from provisioning.reconciler.lease import Lease
from provisioning.reconciler.pull_user.context import login_policy_arn
from provisioning.reconciler.pull_user.keys import facts_of_keys
from provisioning.reconciler.pull_user.plan import PlannedStep
from provisioning.reconciler.result import Result, next_observation
from provisioning.states import Desired, Status, Step


def reconcile(lease: Lease, row: Registry, installation: Installation) -> Result:
    gateway = boto.connect(row)
    account_id = gateway.account_id()
    if account_id != row.account_id:
        raise errors.PermanentError(
            f"The portal's identity belongs to AWS account {account_id}, the registry to "
            f"{row.account_id}. The portal's administrator can name a role of that account."
        )
    if row != Registry.objects.filter(account_id=account_id).order_by("pk").first():
        # IAM is the same in all regions: another registry's turn looks at it.
        return Result(next_due=next_observation())
    is_held = installation.held_at is not None
    found = _login_policy(gateway, account_id)
    found += _unknown_users(gateway, account_id, is_held=is_held)
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
    hold.compare(installation, row, gateway)
    if decision.is_waiting:
        return Result(next_due=clock.now() + settings.DRIFT_CONFIRM)
    return Result(next_due=next_observation())


def _login_policy(gateway: Gateway, account_id: str) -> list[Difference]:
    """Edited by hand; where it is missing, the next pull user's turn creates it."""
    arn = login_policy_arn(account_id)
    document = gateway.policy(arn)
    if document is None or grammar.same_meaning(document, policies.login_policy()):
        return []
    step = PlannedStep(Step.REPLACE_LOGIN_POLICY)
    return [Difference(Drift.Kind.LOGIN_POLICY_CHANGED, arn, step)]


def _unknown_users(gateway: Gateway, account_id: str, *, is_held: bool) -> list[Difference]:
    """Users with the portal's tags that the database does not know: for example, because it was
    restored from a backup. While the portal is held, it leaves those, too, that it should
    remove."""
    known = PullUser.objects.filter(account_id=account_id)
    gone = known.filter(desired=Desired.ABSENT)
    known = known.exclude(pk__in=gone if is_held else gone.filter(status=Status.GONE))
    present = {user.name for user in gateway.users(settings.AWS_PATH)}
    unknown = present - set(known.values_list("name", flat=True))
    users = [gateway.user(name) for name in sorted(unknown)]
    return [
        Difference(
            Drift.Kind.UNKNOWN_USER,
            user.name,
            PlannedStep(Step.REMOVE_UNKNOWN_USER),
            facts={"keys": facts_of_keys(gateway, user.name)} if is_held else {},
        )
        for user in users
        if user and names.MANAGED_BY.items() <= user.tags.items()
    ]


def _repair(lease: Lease, gateway: Gateway, account_id: str, difference: Difference) -> None:
    if difference.kind == Drift.Kind.LOGIN_POLICY_CHANGED:
        with attempt(Step.REPLACE_LOGIN_POLICY, lease):
            gateway.replace_policy(login_policy_arn(account_id), policies.login_policy())
    else:
        with attempt(Step.REMOVE_UNKNOWN_USER, lease):
            gateway.strip_user(difference.subject)
            gateway.delete_user(difference.subject)
