"""Ops decide what to do about drift."""

from django.db import transaction

from accounts.audit.log import Action, record
from accounts.permissions import OPERATE, require_staff
from provisioning.desired import schedule
from provisioning.flows import Actor, Refused, require_reason
from provisioning.flows.adoption import adopt
from provisioning.models import Drift, Installation
from provisioning.models.drift import Repair


@transaction.atomic
def resolve_drift(drift: Drift, choice: str, *, by: Actor, reason: str) -> None:
    """``repair``: the portal makes AWS agree with the database. ``adopt``: it stays as AWS has
    it. Raises NotAllowed, Refused."""
    require_staff(by.user, OPERATE, "decide about drift")
    require_reason(reason)
    policy = Drift.Kind(drift.kind).policy
    is_held = Installation.get().held_at is not None
    if choice == "adopt" and not policy.may_be_adopted(is_held=is_held):
        raise Refused("This cannot stay as it is: what sales approved would not hold.")
    if choice == "repair" and policy.repair is Repair.NOBODY:
        raise Refused("The portal cannot change this. The AWS account's administrator can.")
    if not Drift.objects.open().filter(pk=drift.pk).update(choice=choice, chosen_by=by.user):
        raise Refused("This difference no longer exists.")
    if choice == "adopt":
        adopt(drift, by=by, reason=reason)
    record(
        Action.RESOLVED_DRIFT,
        f"{choice}: {drift}"[:300],
        by=by,
        customer=drift.row.customer,
        reason=reason,
    )
    schedule.wake_row(drift.row)
