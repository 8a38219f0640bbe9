"""Ops decide what to do about drift."""

from django.db import transaction

from accounts.audit.log import Action, record
from accounts.permissions import OPERATE, require_staff
from provisioning.desired import schedule
from provisioning.flows import Actor, Refused, require_reason
from provisioning.flows.adoption import ADOPTIONS, adopt
from provisioning.models import Drift, Installation
from provisioning.models.drift import Repair


@transaction.atomic
def resolve_drift(drift: Drift, choice: str, *, by: Actor, reason: str, seen: str = "") -> None:
    """``repair``: the portal makes AWS agree with the database. ``adopt``: it stays as AWS has
    it. ``seen`` is the choice that the person saw, empty where there was none: of two people who
    decide at the same time, the second is refused. Raises NotAllowed, Refused."""
    require_staff(by.user, OPERATE, "decide about drift")
    require_reason(reason)
    _require_as_seen(drift, seen)
    policy = Drift.Kind(drift.kind).policy
    is_held = Installation.get().held_at is not None
    if choice == "adopt" and not policy.may_be_adopted(is_held=is_held):
        raise Refused("This cannot stay as it is: what sales approved would not hold.")
    if choice == "repair" and policy.repair is Repair.NOBODY:
        raise Refused("The portal cannot change this. The AWS account's administrator can.")
    Drift.objects.filter(pk=drift.pk).update(choice=choice, chosen_by=by.user)
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


def _require_as_seen(drift: Drift, seen: str) -> None:
    """Lock the row. Raises Refused if it ended, or was decided since the person saw it; and where
    the database was changed by that decision, so that no other one can undo it."""
    found = Drift.objects.open().select_for_update(no_key=True).filter(pk=drift.pk).first()
    if found is None:
        raise Refused("This difference no longer exists.")
    is_done = found.choice == "adopt" and found.kind in ADOPTIONS
    if is_done or found.choice != seen:
        raise Refused(
            f"{found.chosen_by} has decided already: {found.get_choice_display().lower()}. The "
            "portal carries it out within a minute. What AWS has after that can be changed on the "
            "dashboard."
        )
