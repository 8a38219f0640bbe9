"""A turn at a registry: what belongs to its account as a whole."""

from django.conf import settings
from django.utils import timezone

from provisioning import names, policies
from provisioning.aws import boto, errors
from provisioning.aws.gateway import Gateway
from provisioning.lease import Lease
from provisioning.models import PullUser, Registry
from provisioning.plan import Step
from provisioning.reconcile import findings
from provisioning.reconcile.ending import Agreed, next_observation
from provisioning.reconcile.findings import Drift, Kind
from provisioning.states import Status, Wanted
from provisioning.steps.pull_user import login_policy_arn


def reconcile(lease: Lease) -> Agreed:
    row = Registry.objects.get(pk=lease.pk)
    gateway = boto.connect(row)
    account_id = gateway.account_id()
    if account_id != row.account_id:
        raise errors.PermanentError(
            f"The portal's identity is of AWS account {account_id}, the registry of "
            f"{row.account_id}. The portal's administrator can name a role of that account."
        )
    if row != Registry.objects.filter(account_id=account_id).order_by("pk").first():
        return Agreed(next_due=next_observation())  # Another registry's turn looks at IAM.
    drifts = _login_policy(gateway, account_id) + _orphans(gateway, account_id)
    seen = findings.see(row, drifts)
    repairable = seen.let_through(drifts)
    for drift in repairable:
        lease.renew()
        _repair(gateway, account_id, drift)
    findings.repaired(row, repairable)
    users = gateway.user_count()
    with lease.writing():
        Registry.objects.filter(account_id=account_id).update(
            iam_users=users, observed_at=timezone.now()
        )
    if seen.is_waiting:
        return Agreed(next_due=timezone.now() + settings.DRIFT_CONFIRM)
    return Agreed(next_due=next_observation())


def _login_policy(gateway: Gateway, account_id: str) -> list[Drift]:
    """Edited by hand; where it is missing, the next pull user's turn makes it."""
    arn = login_policy_arn(account_id)
    document = gateway.policy(arn)
    if document is None or policies.same_meaning(document, policies.login_policy()):
        return []
    return [Drift(Kind.LOGIN_POLICY_CHANGED, arn, Step("replace_login_policy"))]


def _orphans(gateway: Gateway, account_id: str) -> list[Drift]:
    """Users that bear the portal's tags and that the database does not want: it was
    restored from a backup, say."""
    known = PullUser.objects.filter(account_id=account_id)
    known = known.exclude(wanted=Wanted.ABSENT, status=Status.GONE)
    strangers = gateway.user_names(settings.AWS_PATH) - set(known.values_list("name", flat=True))
    users = [gateway.user(name) for name in sorted(strangers)]
    return [
        Drift(Kind.ORPHAN_USER, user.name, Step("remove_orphan"))
        for user in users
        if user and names.MANAGED_BY.items() <= user.tags.items()
    ]


def _repair(gateway: Gateway, account_id: str, drift: Drift) -> None:
    if drift.kind == Kind.LOGIN_POLICY_CHANGED:
        gateway.replace_policy(login_policy_arn(account_id), policies.login_policy())
    else:
        gateway.strip_user(drift.subject)
        gateway.delete_user(drift.subject)
