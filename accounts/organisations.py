"""How people come into an organisation, what they are there, and how they leave.

Each deed is one transaction with its audit line, and holds the customer's row: two owners
who leave, or demote each other, at the same time would else leave none behind.
"""

import secrets
from datetime import datetime
from hashlib import sha256

from allauth.account.models import EmailAddress
from django.db import transaction
from django.utils import timezone

from accounts import letters
from accounts.audit import Deed, record
from accounts.deeds import By, Refused
from accounts.models import Customer, Invitation, Membership, User, invitation_ends_at
from accounts.permissions import INVITE_OWNERS, MAY_MANAGE_MEMBERS, require_role, require_staff

Role = Membership.Role
MANAGE = "manage members"


@transaction.atomic
def invite(customer: Customer, email: str, role: Role, *, by: By) -> Invitation:
    """Write an invitation, and the letter with its link. Raises NotAllowed for
    all but owners, Refused for who is a member or invited already."""
    _lock(customer)
    require_role(by.user, customer, MAY_MANAGE_MEMBERS, MANAGE)
    return _invite(customer, email, role, by)


@transaction.atomic
def invite_owner(customer: Customer, email: str, *, by: By) -> Invitation:
    """The vendor's administrators invite a customer's owner; a second time, by a new link.
    Raises NotAllowed, Refused."""
    _lock(customer)
    require_staff(by.user, INVITE_OWNERS, "invite the owner of a customer")
    pending = customer.invitations.pending().filter(email__iexact=email, role=Role.OWNER).first()
    if pending:
        _send_again(pending, by)
        return pending
    return _invite(customer, email, Role.OWNER, by)


def _invite(customer: Customer, email: str, role: Role, by: By) -> Invitation:
    members = customer.members.filter(
        emailaddress__email__iexact=email, emailaddress__verified=True
    )
    if members.exists():
        raise Refused(f"{email} is a member of {customer} already.")
    if customer.invitations.pending().filter(email__iexact=email).exists():
        raise Refused(f"{email} is invited already. Send that invitation again instead.")
    invitation = Invitation(customer=customer, email=email, role=role, invited_by=by.user)
    _send(invitation)
    _record(Deed.INVITED, customer, f"{email} as {Role(role).label.lower()}", by=by)
    return invitation


@transaction.atomic
def send_again(invitation: Invitation, *, by: By) -> None:
    """Mail a new link, which lasts as long as a first one; the old one opens nothing any
    more. Raises NotAllowed, Refused."""
    pending = _hold_pending(invitation)
    require_role(by.user, pending.customer, MAY_MANAGE_MEMBERS, MANAGE)
    _send_again(pending, by)


def _send_again(pending: Invitation, by: By) -> None:
    pending.expires_at = invitation_ends_at()
    pending.sent_at = pending.token_hash = None
    _send(pending)
    _record(Deed.REMINDED, pending.customer, pending.email, by=by)


@transaction.atomic
def revoke(invitation: Invitation, *, by: By) -> None:
    """Take an invitation back. Raises NotAllowed, Refused."""
    pending = _hold_pending(invitation)
    require_role(by.user, pending.customer, MAY_MANAGE_MEMBERS, MANAGE)
    pending.revoked_at = timezone.now()
    pending.save(update_fields=["revoked_at"])
    _record(Deed.REVOKED, pending.customer, pending.email, by=by)


def pending(pk: int) -> Invitation | None:
    """The invitation, unless it was accepted or taken back."""
    found = Invitation.objects.pending().filter(pk=pk)
    return found.select_related("customer", "invited_by").first()


def make_token(pk: int) -> str | None:
    """What the link in the letter of the invitation holds, made as the letter is sent: only
    its hash is kept, and a link that was sent before opens nothing any more. None where
    nobody waits for it."""
    token = secrets.token_urlsafe(32)
    found = Invitation.objects.pending().filter(pk=pk)
    return token if found.update(token_hash=_hash(token)) else None


def sent(pk: int, at: datetime) -> None:
    """The letter of the invitation has gone."""
    Invitation.objects.filter(pk=pk).update(sent_at=at)


def find(token: str) -> Invitation | None:
    """The invitation that the link with this token opens now."""
    return Invitation.objects.open().filter(token_hash=_hash(token)).first()


def is_for(invitation: Invitation, user: User) -> bool:
    """Whether the address of the invitation is one that the person has verified."""
    addresses = EmailAddress.objects.filter(user=user, verified=True)
    return addresses.filter(email__iexact=invitation.email).exists()


@transaction.atomic
def accept(invitation: Invitation, *, by: By) -> Membership:
    """Join, once. Raises Refused for anybody else than whom the invitation is for."""
    pending = _hold_pending(invitation)
    customer = pending.customer
    if pending.has_expired:
        raise Refused(f"This invitation has expired. Ask an owner of {customer} for another.")
    if not is_for(pending, by.user):
        raise Refused(f"This invitation is for {pending.email}. Sign in with that address.")
    if by.user.is_staff:
        raise Refused("The vendor's own people cannot join a customer.")
    if customer.memberships.filter(user=by.user).exists():
        raise Refused(f"You are a member of {customer} already.")
    pending.accepted_at, pending.accepted_by = timezone.now(), by.user
    pending.save(update_fields=["accepted_at", "accepted_by"])
    membership = Membership.objects.create(user=by.user, customer=customer, role=pending.role)
    _record(Deed.JOINED, customer, f"as {membership.get_role_display().lower()}", by=by)
    return membership


@transaction.atomic
def change_role(membership: Membership, role: Role, *, by: By) -> None:
    """Give a member another role. Raises NotAllowed, Refused for the last owner."""
    held = _hold(membership)
    require_role(by.user, held.customer, MAY_MANAGE_MEMBERS, MANAGE)
    if role == held.role:
        return
    _keep_an_owner(held)
    before, held.role = held.get_role_display().lower(), role
    held.save(update_fields=["role"])
    subject = f"{held.user.email} from {before} to {held.get_role_display().lower()}"
    _record(Deed.CHANGED_ROLE, held.customer, subject, by=by)


@transaction.atomic
def remove(membership: Membership, *, by: By) -> None:
    """End somebody's membership. Raises NotAllowed, Refused for the last owner."""
    held = _hold(membership)
    require_role(by.user, held.customer, MAY_MANAGE_MEMBERS, MANAGE)
    _keep_an_owner(held)
    held.delete()
    _record(Deed.REMOVED, held.customer, held.user.email, by=by)


@transaction.atomic
def leave(membership: Membership, *, by: By) -> None:
    """End one's own membership. Raises Refused for the last owner, and for another's."""
    held = _hold(membership)
    if held.user != by.user:
        raise Refused("Nobody leaves for another.")
    _keep_an_owner(held)
    held.delete()
    _record(Deed.LEFT, held.customer, f"{held.customer}", by=by)


def _lock(customer: Customer) -> None:
    Customer.objects.select_for_update().get(pk=customer.pk)


def _hold(membership: Membership) -> Membership:
    """The membership as it is now, behind the customer's lock."""
    _lock(membership.customer)
    held = Membership.objects.select_related("customer", "user").filter(pk=membership.pk).first()
    if held is None:
        raise Refused("That person is no member any more.")
    return held


def _hold_pending(invitation: Invitation) -> Invitation:
    _lock(invitation.customer)
    pending = Invitation.objects.pending().select_related("customer").filter(pk=invitation.pk)
    if not pending:
        raise Refused(
            "This invitation was accepted or taken back already. An owner of "
            f"{invitation.customer} can invite anew."
        )
    return pending[0]


def _keep_an_owner(membership: Membership) -> None:
    """Refuse what would leave the customer without an owner."""
    others = membership.customer.memberships.filter(role=Role.OWNER).exclude(pk=membership.pk)
    if membership.role == Role.OWNER and not others.exists():
        raise Refused(
            f"{membership.user} is the last owner of {membership.customer}. Make somebody else "
            "an owner first."
        )


def _send(invitation: Invitation) -> None:
    invitation.save()
    letters.invitation(invitation)


def _hash(token: str) -> str:
    return sha256(token.encode()).hexdigest()


def _record(deed: Deed, customer: Customer, subject: str, *, by: By) -> None:
    record(deed, subject, by=by.user, address=by.address, customer=customer)
