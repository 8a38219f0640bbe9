"""Changing who belongs to an organisation, and in which role.

Each action is one transaction with its audit line, and holds the customer's row: two owners who
leave, or demote each other, at the same time would otherwise leave the organisation without one.
"""

from django.db import transaction

from accounts.actor import Actor, Refused
from accounts.audit.log import Action, record
from accounts.emails import outbox
from accounts.models import Customer, Membership
from accounts.permissions import (
    MAY_HANDLE_CREDENTIALS,
    MAY_MANAGE_MEMBERS,
    require_role,
    require_unlocked,
)

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
    if role in MAY_HANDLE_CREDENTIALS:
        outbox.member_joined(held, by=str(by.user))


@transaction.atomic
def confirm(membership: Membership, *, by: Actor) -> None:
    """An owner confirms a member whom the vendor invited, or an account that someone else used;
    where none can, another member does.
    Raises NotAllowed, Refused."""
    held = _lock(membership)
    if has_owner(held.customer):
        require_role(by.user, held.customer, MAY_MANAGE_MEMBERS, MANAGE)
    else:
        # Then any member does, whom the customer chose.
        require_role(by.user, held.customer, set(Role), "confirm a member")
    if not held.awaits_confirmation:
        raise Refused(f"{held.user} is confirmed already.")
    held.awaits_confirmation = False
    held.save(update_fields=["awaits_confirmation"])
    record(Action.ADMITTED, held.user.email, by=by, customer=held.customer)


@transaction.atomic
def confirm_identity(membership: Membership, identity: str, *, by: Actor) -> None:
    """Another owner says that the ``identity`` with which a member signed in, as the owner saw it,
    is the member's. Raises NotAllowed, Refused."""
    held = _lock(membership)
    require_role(by.user, held.customer, MAY_MANAGE_MEMBERS, MANAGE)
    if held.user == by.user:
        raise Refused("Another owner can confirm your identity.")
    if not held.identity_asked or identity != held.identity_shown:
        raise Refused(f"{held.user} has signed in with another identity meanwhile. Look again.")
    subject = f"{held.user.email} signs in as {held.identity_email}"
    held.identity, held.identity_asked = held.identity_asked, ""
    held.save(update_fields=["identity", "identity_asked"])
    record(Action.ADMITTED, subject, by=by, customer=held.customer)


@transaction.atomic
def remove(membership: Membership, *, by: Actor) -> None:
    """End another person's membership. Raises NotAllowed, Refused for the last owner."""
    held = _lock(membership)
    require_role(by.user, held.customer, MAY_MANAGE_MEMBERS, MANAGE)
    _require_another_owner(held)
    held.delete()
    record(Action.REMOVED, held.user.email, by=by, customer=held.customer)
    outbox.member_removed(held, by=str(by.user))


@transaction.atomic
def leave(membership: Membership, *, by: Actor) -> None:
    """End one's own membership. Raises Refused for the last owner, and for another person's, and
    NotAllowed while the account is locked there."""
    held = _lock(membership)
    if held.user != by.user:
        raise Refused("You cannot leave an organisation for another person.")
    require_unlocked(by.user, f"leave {held.customer}", at=held.customer)
    _require_another_owner(held)
    held.delete()
    record(Action.LEFT, f"{held.customer}", by=by, customer=held.customer)


def has_owner(customer: Customer) -> bool:
    """Whether there is someone who can invite others and confirm members."""
    return customer.memberships.owners().exists()


def has_had_owner(customer: Customer) -> bool:
    """Whether there is an owner, perhaps one whose account the vendor made inactive."""
    return customer.memberships.filter(role=Role.OWNER, awaits_confirmation=False).exists()


def _lock(membership: Membership) -> Membership:
    """The membership as it is now, behind the customer's lock."""
    membership.customer.lock()
    held = Membership.objects.select_related("customer", "user").filter(pk=membership.pk).first()
    if held is None:
        raise Refused("This person is no longer a member.")
    return held


def _require_another_owner(membership: Membership) -> None:
    """Refuse what would leave the customer without an owner."""
    others = membership.customer.memberships.owners().exclude(pk=membership.pk)
    if membership.effective_role == Role.OWNER and not others.exists():
        raise Refused(
            f"{membership.user} is the last owner of {membership.customer}. Make another member "
            "an owner first."
        )
