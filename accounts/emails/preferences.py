"""Who gets which emails: members of a customer by their role, the vendor's people by what they may
do, and each of them what they have not turned off."""

from django.db import transaction

from accounts.actor import Actor
from accounts.audit.log import Action, record
from accounts.models import Customer, EmailKind, Membership, User
from accounts.permissions import DECIDE, MAY_HANDLE_CREDENTIALS, OPERATE, staff_with

# A member as such, or one of the vendor's people.
Reader = Membership | User
Role = Membership.Role
OWNERS, EVERYONE = {Role.OWNER}, set(Role)

PRODUCTS = {
    # Only to who asked.
    EmailKind.REQUEST_RECEIVED: set[Role](),
    EmailKind.APPROVED: OWNERS,
    EmailKind.REJECTED: OWNERS,
    EmailKind.READY: MAY_HANDLE_CREDENTIALS,
    EmailKind.TERM_ENDING: OWNERS,
    EmailKind.ENDED: OWNERS,
    EmailKind.SUSPENDED: OWNERS,
    EmailKind.RESUMED: OWNERS,
    EmailKind.NEW_VERSION: EVERYONE,
}
CREDENTIALS = {
    EmailKind.UNREVEALED: MAY_HANDLE_CREDENTIALS,
    EmailKind.KEY_EXPIRING: MAY_HANDLE_CREDENTIALS,
    EmailKind.ROTATED: OWNERS,
    EmailKind.LABEL_CHANGED: OWNERS,
}
# These cannot be turned off: a member who learns too late that another holds a key is harmed.
ALWAYS = {
    EmailKind.REVEALED: OWNERS,
    EmailKind.KEY_DEACTIVATED: OWNERS,
    EmailKind.KEY_ENDED: OWNERS,
    EmailKind.MEMBER_JOINED: OWNERS,
    EmailKind.FACTOR_RESET: OWNERS,
    EmailKind.HOLDER_LEFT: OWNERS,
    EmailKind.MEMBER_LOCKED: OWNERS,
    EmailKind.MEMBER_UNLOCKED: OWNERS,
}
READERS = PRODUCTS | CREDENTIALS | ALWAYS
# To the vendor's people.
STAFF = {
    EmailKind.NEW_REQUEST: DECIDE,
    EmailKind.REQUESTS_WAITING: DECIDE,
    EmailKind.RENEWAL: DECIDE,
    EmailKind.TROUBLE: OPERATE,
}
# Off, until a person turns them on.
OPT_IN = {EmailKind.NEW_VERSION, EmailKind.REQUESTS_WAITING}


# --- Who gets them -------------------------------------------------------------------


def readers(
    kind: EmailKind, customer: Customer, *, person: User | None = None, but: User | None = None
) -> list[Membership]:
    """The members who get it: those of its roles, and the ``person`` whose doing it reports.
    Where a customer has no owner, what is for owners is for all members."""
    members = list(customer.memberships.select_related("user").order_by("pk"))
    others = [each for each in members if each.user != but]
    # An owner who joins is none yet to those who should learn of it.
    owned = others if kind == EmailKind.MEMBER_JOINED else members
    roles = READERS[kind]
    if roles == OWNERS and not any(map(_is_owner, owned)):
        roles = EVERYONE
    return [
        each
        for each in others
        if (each.role in roles or each.user == person) and is_wanted_by(each, kind)
    ]


def _is_owner(membership: Membership) -> bool:
    is_there = membership.user.is_active and not membership.awaits_confirmation
    return is_there and membership.role == Role.OWNER


def is_wanted_by(membership: Membership, kind: str) -> bool:
    """Whether the member is there to read it, and has it turned on."""
    is_on = kind in ALWAYS or _is_on(kind, membership.switched)
    return membership.user.is_active and is_on


def is_chosen(kind: str) -> bool:
    """Whether people can turn it on and off."""
    return kind in PRODUCTS or kind in CREDENTIALS or kind in STAFF


def staff_readers(kind: EmailKind) -> list[User]:
    """The vendor's people who may do what it is about, and have it turned on."""
    return [user for user in staff_with(STAFF[kind]) if _is_on(kind, user.switched)]


def _is_on(kind: str, switched: list[str]) -> bool:
    return (kind in switched) is (kind in OPT_IN)


# --- What they choose ----------------------------------------------------------------


def choices_of(reader: Reader) -> list[EmailKind]:
    """The kinds that a member, or one of the vendor's people, can turn on and off."""
    if isinstance(reader, User):
        return [kind for kind, permission in STAFF.items() if reader.has_perm(permission)]
    roles = {kind: READERS[kind] or EVERYONE for kind in [*PRODUCTS, *CREDENTIALS]}
    return [kind for kind, allowed in roles.items() if reader.role in allowed]


def always_to(membership: Membership) -> list[EmailKind]:
    """The kinds that the member gets in any case."""
    return [kind for kind, roles in ALWAYS.items() if membership.role in roles]


def turned_on(reader: Reader) -> list[EmailKind]:
    return [kind for kind in choices_of(reader) if _is_on(kind, reader.switched)]


def turn_off(reader: Reader, kind: EmailKind, *, by: Actor) -> None:
    """From now on the reader does not get this kind."""
    choose(reader, {str(each) for each in turned_on(reader) if each != kind}, by=by)


@transaction.atomic
def choose(reader: Reader, chosen: set[str], *, by: Actor) -> None:
    """Record which emails the reader wants."""
    before, kinds = _in_words(reader), choices_of(reader)
    # Kinds that the role does not have at present stay as they were.
    others = {kind for kind in reader.switched if kind not in kinds}
    switched = {str(kind) for kind in kinds if (kind in chosen) is (kind in OPT_IN)}
    reader.switched = sorted(others | switched)
    reader.save(update_fields=["switched"])
    after = _in_words(reader)
    if after != before:
        customer = reader.customer if isinstance(reader, Membership) else None
        changes = f"{before} → {after}"
        subject = by.user.email
        record(Action.CHANGED_NOTIFICATIONS, subject, by=by, customer=customer, changes=changes)


def _in_words(reader: Reader) -> str:
    on = [kind for kind in reader.switched if kind in OPT_IN]
    off = [kind for kind in reader.switched if kind not in OPT_IN]
    return f"Turned off: {', '.join(off) or 'none'}; on: {', '.join(on) or 'none'}."
