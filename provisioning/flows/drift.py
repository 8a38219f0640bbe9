"""Ops decide what to do about drift."""

from django.db import transaction

from accounts import clock
from accounts.audit.log import Action, record
from accounts.permissions import OPERATE, require_staff
from provisioning.desired import schedule
from provisioning.flows import Actor, Refused, require_reason
from provisioning.models import AccessKey, Drift
from provisioning.models.drift import Repair
from provisioning.states import KeyStatus


@transaction.atomic
def resolve_drift(drift: Drift, choice: str, *, by: Actor, reason: str) -> None:
    """``repair``: the portal makes AWS agree with the database. ``adopt``: it stays as AWS has
    it. Raises NotAllowed, Refused."""
    require_staff(by.user, OPERATE, "decide about drift")
    require_reason(reason)
    policy = Drift.Kind(drift.kind).policy
    if choice == "adopt" and not policy.is_adoptable:
        raise Refused("This cannot stay as it is: what sales approved would not hold.")
    if choice == "repair" and policy.repair is Repair.NOBODY:
        raise Refused("The portal cannot change this. The AWS account's administrator can.")
    if not Drift.objects.open().filter(pk=drift.pk).update(choice=choice, chosen_by=by.user):
        raise Refused("This difference no longer exists.")
    if choice == "adopt" and drift.kind in ADOPTIONS:
        ADOPTIONS[Drift.Kind(drift.kind)](drift)
    record(
        Action.RESOLVED_DRIFT,
        f"{choice}: {drift}"[:300],
        by=by,
        customer=drift.row.customer,
        reason=reason,
    )
    schedule.wake_row(drift.row)


def _leave_deactivated(drift: Drift) -> None:
    """What was done to the key in IAM is what is desired from now on."""
    AccessKey.objects.filter(access_key_id=drift.subject).update(desired=KeyStatus.INACTIVE)


def _release_untested(drift: Drift) -> None:
    """The key is offered although AWS has not accepted it."""
    AccessKey.objects.filter(access_key_id=drift.subject).update(tested_at=clock.now())


# What it means, in the database, to leave a difference as it is.
ADOPTIONS = {
    Drift.Kind.KEY_STATUS: _leave_deactivated,
    Drift.Kind.KEY_UNUSABLE: _release_untested,
}
