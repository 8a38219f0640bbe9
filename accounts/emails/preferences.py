"""Which emails a member gets, and in which time zone."""

from django.db import transaction

from accounts.actor import Actor
from accounts.audit.log import Action, record
from accounts.models import EmailKind, Membership
from accounts.permissions import MAY_HANDLE_CREDENTIALS, MAY_MANAGE_MEMBERS

Role = Membership.Role

PRODUCTS = [
    EmailKind.REQUEST_RECEIVED,
    EmailKind.APPROVED,
    EmailKind.REJECTED,
    EmailKind.READY,
    EmailKind.TERM_ENDING,
    EmailKind.ENDED,
    EmailKind.SUSPENDED,
    EmailKind.RESUMED,
]
CREDENTIALS = [EmailKind.KEY_EXPIRING, EmailKind.ROTATED]
# These cannot be turned off: a member who learns too late that another holds a key is harmed.
ALWAYS = [EmailKind.REVEALED, EmailKind.KEY_DEACTIVATED]
# The same for owners, about members.
OF_OWNERS = [EmailKind.MEMBER_JOINED, EmailKind.FACTOR_RESET, EmailKind.HOLDER_LEFT]
# And for the member themselves.
OF_LOCKS = [EmailKind.MEMBER_LOCKED, EmailKind.MEMBER_UNLOCKED]
OF_OWNERS += OF_LOCKS
READERS = {kind: set(Role) for kind in PRODUCTS}
READERS |= dict.fromkeys(CREDENTIALS + ALWAYS, MAY_HANDLE_CREDENTIALS)
READERS |= dict.fromkeys(OF_OWNERS, MAY_MANAGE_MEMBERS)
# Where there is no owner, all members hear of one.
READERS |= {kind: set(Role) for kind in [EmailKind.MEMBER_JOINED, *OF_LOCKS]}


def is_wanted_by(membership: Membership, kind: str) -> bool:
    """Whether emails of this kind are for the member's role and not turned off."""
    is_for_them = membership.user.is_active and membership.role in READERS[EmailKind(kind)]
    return is_for_them and (kind in ALWAYS + OF_OWNERS or kind not in membership.muted)


def may_choose(membership: Membership) -> list[EmailKind]:
    """The kinds that the member can turn on and off."""
    return [kind for kind in PRODUCTS + CREDENTIALS if membership.role in READERS[kind]]


@transaction.atomic
def choose(membership: Membership, chosen: set[str], *, time_zone: str, by: Actor) -> None:
    """Record which emails the member wants, and their time zone."""
    user = membership.user
    before = _in_words(membership)
    # Kinds that the member's role cannot choose at present stay as they were.
    membership.muted = sorted(
        {kind for kind in may_choose(membership) if kind not in chosen}
        | {kind for kind in membership.muted if kind not in may_choose(membership)}
    )
    user.time_zone = time_zone
    membership.save(update_fields=["muted"])
    user.save(update_fields=["time_zone"])
    after = _in_words(membership)
    if after != before:
        record(
            Action.CHANGED_NOTIFICATIONS,
            user.email,
            by=by,
            customer=membership.customer,
            changes=f"{before} → {after}",
        )


def _in_words(membership: Membership) -> str:
    muted = ", ".join(membership.muted) or "none"
    return f"Turned off: {muted}. Time zone: {membership.user.time_zone}."
