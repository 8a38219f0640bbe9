"""Who may do what: members by their role, staff by the groups of the vendor."""

from accounts.models import Customer, Membership, User

Role = Membership.Role

# Owners do everything; engineers handle credentials; viewers read.
MAY_REQUEST = {Role.OWNER, Role.ENGINEER}
MAY_HANDLE_CREDENTIALS = {Role.OWNER, Role.ENGINEER}
MAY_MANAGE_MEMBERS = {Role.OWNER}

# The names of the groups that a migration makes, and the permissions that mark them.
SALES = "Sales"
OPS = "Ops"
DECIDE = "provisioning.decide_entitlement"
OPERATE = "provisioning.operate"
# Who can make members can have a secret shown: administrators alone, not sales.
INVITE_OWNERS = "accounts.add_membership"


class NotAllowed(Exception):
    """The person lacks the role for the deed. The text says who has it."""


def role_of(user: User, customer: Customer) -> str | None:
    """The user's role at the customer, or None for who is no member."""
    return (
        Membership.objects.filter(user=user, customer=customer)
        .values_list("role", flat=True)
        .first()
    )


def require_role(user: User, customer: Customer, allowed: set[Role], deed: str) -> None:
    """Raise NotAllowed unless ``user`` has one of the ``allowed`` roles at ``customer``.

    The vendor's people never have: who can add members must not reach secrets by it.
    """
    if user.is_staff:
        raise NotAllowed(f"The vendor's own people cannot {deed}; that is the customer's to do.")
    if role_of(user, customer) not in allowed:
        roles = " or ".join(sorted(Role(role).label.lower() for role in allowed))
        raise NotAllowed(
            f"Only an {roles} of {customer} can {deed}. Ask one of them, or ask an owner "
            "to change your role."
        )


def require_staff(user: User, permission: str, deed: str) -> None:
    """Raise NotAllowed unless ``user`` works for the vendor and has the permission."""
    if not (user.is_active and user.is_staff and user.has_perm(permission)):
        who = {DECIDE: f"{SALES} group", OPERATE: f"{OPS} group"}.get(permission, "administrators")
        raise NotAllowed(f"Only the vendor's {who} can {deed}.")
