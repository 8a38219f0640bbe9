"""Ops say what becomes of a finding."""

from django.db import transaction
from django.utils import timezone

from accounts.audit import Deed, record
from accounts.permissions import OPERATE, require_staff
from provisioning.flows import By, Refused, require_reason
from provisioning.models import AccessKey, Finding, PullUser, Registry, Repository
from provisioning.reconcile.findings import ADOPTABLE, ONLY_SHOWN
from provisioning.states import KeyStatus
from provisioning.tasks import enqueue_on_commit
from provisioning.wanted import Due

__all__ = ["ADOPTABLE", "ONLY_SHOWN", "choose"]


@transaction.atomic
def choose(finding: Finding, choice: str, *, by: By, reason: str) -> None:
    """``repair``: the portal makes AWS as the database has it. ``adopt``: it stays as AWS has
    it. Raises NotAllowed, Refused."""
    require_staff(by.user, OPERATE, "decide on findings")
    require_reason(reason)
    kind = Finding.Kind(finding.kind)
    if choice == "adopt" and kind not in ADOPTABLE:
        raise Refused("This cannot stay as it is: what sales approved would not hold.")
    if choice == "repair" and kind in ONLY_SHOWN:
        raise Refused("This is not the portal's to change. The AWS account's administrator can.")
    chosen = Finding.objects.open().filter(pk=finding.pk)
    if not chosen.update(choice=choice, chosen_by=by.user):
        raise Refused("It is no longer so.")
    if choice == "adopt" and kind == Finding.Kind.KEY_STATUS:
        _adopt_key_status(finding)
    record(
        Deed.CHOSE,
        f"{choice}: {finding}"[:300],
        by=by.user,
        address=by.address,
        customer=finding.pull_user.customer if finding.pull_user else None,
        reason=reason,
    )
    enqueue_on_commit(_due(finding))


def _adopt_key_status(finding: Finding) -> None:
    """What somebody did to the key in IAM is what is wanted from now on."""
    key = AccessKey.objects.get(access_key_id=finding.subject)
    other = KeyStatus.INACTIVE if key.wanted == KeyStatus.ACTIVE else KeyStatus.ACTIVE
    AccessKey.objects.filter(pk=key.pk).update(wanted=other, status=other)


def _due(finding: Finding) -> Due:
    due = Due()
    for model, pk, pks in (
        (PullUser, finding.pull_user_id, due.pull_users),
        (Repository, finding.repository_id, due.repositories),
        (Registry, finding.registry_id, due.registries),
    ):
        if pk is not None:
            model._default_manager.filter(pk=pk).update(due_at=timezone.now())
            pks.add(pk)
    return due
