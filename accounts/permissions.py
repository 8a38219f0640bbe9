"""Who may do what: members by their role, staff by the groups of the vendor."""

from django.contrib.auth.models import Permission
from django.db.models import Exists, OuterRef, Q, QuerySet

from accounts.models import Customer, Membership, User

Role = Membership.Role

# Owners do everything; engineers handle credentials; viewers read.
MAY_REQUEST = {Role.OWNER, Role.ENGINEER}
MAY_HANDLE_CREDENTIALS = {Role.OWNER, Role.ENGINEER}
MAY_MANAGE_MEMBERS = {Role.OWNER}

# The groups that a migration creates, and the permissions that mark them.
SALES = "Sales"
OPS = "Ops"
DECIDE = "provisioning.decide_entitlement"
OPERATE = "provisioning.operate"
# Someone who can create members can have a secret shown to them: administrators only, not sales.
INVITE_OWNERS = "accounts.add_membership"


class NotAllowed(Exception):
    """The person lacks the role for the action. The text says who has it."""


def role_of(user: User, customer: Customer) -> str | None:
    """The user's role at the customer, or None where the user is not a member. A member who waits
    for an owner's confirmation is a viewer."""
    membership = Membership.objects.filter(user=user, customer=customer).first()
    return membership.effective_role if membership else None


def require_role(
    user: User,
    customer: Customer,
    allowed: set[Role],
    action: str,
    *,
    is_taking_away: bool = False,
) -> None:
    """Raise NotAllowed unless ``user`` has one of the ``allowed`` roles at ``customer``, and may
    use it now; ``is_taking_away`` access of keys is never held back.

    The vendor's people never may: someone who can add members must not get at secrets that way.
    """
    if user.is_staff:
        raise NotAllowed(f"The vendor's own people cannot {action}; only the customer can.")
    membership = Membership.objects.filter(user=user, customer=customer).first()
    if membership and membership.awaits_confirmation:
        raise NotAllowed(
            f"An owner of {customer} must confirm your membership on the page of {customer} "
            f"before you can {action}."
        )
    if membership is None or membership.role not in allowed:
        roles = " or ".join(sorted(Role(role).label.lower() for role in allowed))
        raise NotAllowed(
            f"Only an {roles} of {customer} can {action}. Ask one of them, or ask an owner "
            "to change your role."
        )
    if membership.reveals_locked_at and not is_taking_away:
        require_unlocked(user, action, at=customer)


def require_unlocked(user: User, action: str, *, at: Customer | None = None) -> None:
    """Raise NotAllowed where the person reported misuse, until another owner of the customer has
    allowed reveals again, or without one, another owner of each of their customers."""
    locked = user.memberships.locked().order_by("customer__name")
    if at is not None:
        locked = locked.filter(customer=at)
    names = list(locked.values_list("customer__name", flat=True))
    if names:
        owners = " and another owner of ".join(names)
        raise NotAllowed(
            f"You cannot {action}, because someone else may have used your account. First another "
            f"owner of {owners} or the vendor's administrators must allow it again."
        )


def staff_with(permission: str) -> QuerySet[User]:
    """The vendor's people who have it, by a group or as superusers."""
    label, _, codename = permission.partition(".")
    of = {"content_type__app_label": label, "codename": codename}
    by_group = Permission.objects.filter(**of, group__user=OuterRef("pk"))
    by_user = Permission.objects.filter(**of, user=OuterRef("pk"))
    allowed = Q(is_superuser=True) | Exists(by_group) | Exists(by_user)
    return User.objects.filter(allowed, is_staff=True, is_active=True).order_by("pk")


def require_staff(user: User, permission: str, action: str) -> None:
    """Raise NotAllowed unless ``user`` works for the vendor and has the permission."""
    if not (user.is_active and user.is_staff and user.has_perm(permission)):
        who = {DECIDE: f"{SALES} group", OPERATE: f"{OPS} group"}.get(permission, "administrators")
        raise NotAllowed(f"Only the vendor's {who} can {action}.")
