"""Changing who belongs to an organisation, and in which role.

Each action is one transaction with its audit line, and holds the customer's row: two owners who
leave, or demote each other, at the same time would otherwise leave the organisation without one.
"""

from django.db import transaction

from accounts.actor import Actor, Refused
from accounts.audit.log import Action, record
from accounts.models import Membership
from accounts.permissions import MAY_MANAGE_MEMBERS, require_role

Role = Membership.Role
MANAGE = "manage members"


@transaction.atomic
def change_role(membership: Membership, role: Role, *, by: Actor) -> None:
    """Give a member another role. Raises NotAllowed, Refused for the last owner."""
    held = _lock(membership)
    require_role(by.user, held.customer, MAY_MANAGE_MEMBERS, MANAGE)
    if role == held.role:
        return
    _require_another_owner(held)
    before, held.role = held.get_role_display().lower(), role
    held.save(update_fields=["role"])
    subject = f"{held.user.email} from {before} to {held.get_role_display().lower()}"
    record(Action.CHANGED_ROLE, subject, by=by, customer=held.customer)


@transaction.atomic
def remove(membership: Membership, *, by: Actor) -> None:
    """End another person's membership. Raises NotAllowed, Refused for the last owner."""
    held = _lock(membership)
    require_role(by.user, held.customer, MAY_MANAGE_MEMBERS, MANAGE)
    _require_another_owner(held)
    held.delete()
    record(Action.REMOVED, held.user.email, by=by, customer=held.customer)


@transaction.atomic
def leave(membership: Membership, *, by: Actor) -> None:
    """End one's own membership. Raises Refused for the last owner, and for another person's."""
    held = _lock(membership)
    if held.user != by.user:
        raise Refused("You cannot leave an organisation for another person.")
    _require_another_owner(held)
    held.delete()
    record(Action.LEFT, f"{held.customer}", by=by, customer=held.customer)


def _lock(membership: Membership) -> Membership:
    """The membership as it is now, behind the customer's lock."""
    membership.customer.lock()
    held = Membership.objects.select_related("customer", "user").filter(pk=membership.pk).first()
    if held is None:
        raise Refused("This person is no longer a member.")
    return held


def _require_another_owner(membership: Membership) -> None:
    """Refuse what would leave the customer without an owner."""
    others = membership.customer.memberships.filter(role=Role.OWNER).exclude(pk=membership.pk)
    if membership.role == Role.OWNER and not others.exists():
        raise Refused(
            f"{membership.user} is the last owner of {membership.customer}. Make another member "
            "an owner first."
        )
