"""Who gets which letter. A deed writes its letters in its own transaction; a worker sends
them (``accounts.sending``)."""

from typing import Any

from django.db import transaction

from accounts.audit import Deed, record
from accounts.deeds import By
from accounts.models import Customer, Invitation, Kind, Letter, Membership, User
from accounts.permissions import MAY_HANDLE_CREDENTIALS

Role = Membership.Role

PRODUCTS = [
    Kind.REQUEST_RECEIVED,
    Kind.APPROVED,
    Kind.REJECTED,
    Kind.READY,
    Kind.TERM_ENDING,
    Kind.ENDED,
    Kind.SUSPENDED,
    Kind.RESUMED,
]
CREDENTIALS = [Kind.KEY_EXPIRING, Kind.ROTATED]
# Who finds out too late that somebody else holds a key has lost more than an hour of peace.
ALWAYS = [Kind.REVEALED, Kind.KEY_DEACTIVATED]
READERS = {kind: set(Role) for kind in PRODUCTS}
READERS |= dict.fromkeys(CREDENTIALS + ALWAYS, MAY_HANDLE_CREDENTIALS)


def invitation(invitation: Invitation) -> None:
    """To the invited address. Its link is made when it is sent: only the hash of what it
    holds may stand in the database."""
    Letter.objects.create(
        kind=Kind.INVITATION,
        to=invitation.email,
        customer=invitation.customer,
        facts={"invitation": invitation.pk},
    )


def welcome(user: User) -> None:
    """To somebody whose account an administrator has made: how to sign in."""
    Letter.objects.create(kind=Kind.WELCOME, to=user.email, user=user)


def to_members(kind: Kind, customer: Customer, *, only: User | None = None, **facts: Any) -> None:
    """To each member who wants that kind, or to ``only`` her. ``facts`` is what the letter
    says; the names of moments end in ``_at``, and ``path`` is the page that it leads to."""
    members = customer.memberships.select_related("user").order_by("pk")
    if only is not None:
        members = members.filter(user=only)
    Letter.objects.bulk_create(
        Letter(kind=kind, to=member.user.email, user=member.user, customer=customer, facts=facts)
        for member in members
        if wants(member, kind)
    )


def wants(membership: Membership, kind: str) -> bool:
    """Whether letters of that kind are for the member's role, and not turned off."""
    is_hers = membership.user.is_active and membership.role in READERS[Kind(kind)]
    return is_hers and (kind in ALWAYS or kind not in membership.muted)


def may_choose(membership: Membership) -> list[Kind]:
    """The kinds that the member can turn on and off."""
    return [kind for kind in PRODUCTS + CREDENTIALS if membership.role in READERS[kind]]


@transaction.atomic
def choose(membership: Membership, wanted: set[str], *, time_zone: str, by: By) -> None:
    """Write down which letters the member wants, and her time zone."""
    user = membership.user
    before = _told(membership)
    # What her role does not let her choose now stays as it was.
    membership.muted = sorted(
        {kind for kind in may_choose(membership) if kind not in wanted}
        | {kind for kind in membership.muted if kind not in may_choose(membership)}
    )
    user.time_zone = time_zone
    membership.save(update_fields=["muted"])
    user.save(update_fields=["time_zone"])
    if _told(membership) == before:
        return
    record(
        Deed.CHOSE_LETTERS,
        user.email,
        by=by.user,
        address=by.address,
        customer=membership.customer,
        changes=f"{before} → {_told(membership)}",
    )


def _told(membership: Membership) -> str:
    return (
        f"Without: {', '.join(membership.muted) or 'none'}. Time zone: {membership.user.time_zone}."
    )
