"""Inviting people to an organisation, and joining it.

Each action is one transaction with its audit line, and holds the customer's row.
"""

import secrets
from datetime import datetime, timedelta
from hashlib import sha256

from allauth.account.models import EmailAddress
from django.conf import settings
from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from accounts.actor import Actor, Refused
from accounts.addresses import is_deceptive
from accounts.audit.log import Action, record
from accounts.emails import outbox
from accounts.flows import members
from accounts.models import (
    DOUBTED,
    AuditEvent,
    Customer,
    Email,
    EmailKind,
    Invitation,
    Membership,
    User,
    invitation_ends_at,
)
from accounts.permissions import (
    INVITE_OWNERS,
    MAY_HANDLE_CREDENTIALS,
    MAY_MANAGE_MEMBERS,
    require_role,
    require_staff,
    require_unlocked,
)

Role = Membership.Role
# Invitations of one organisation to one address in a day, and by one organisation or one person
# in an hour.
PER_ADDRESS, PER_HOUR = 5, 50
MANAGE = "manage members"


@transaction.atomic
def invite(customer: Customer, email: str, role: Role, *, by: Actor) -> Invitation:
    """Write an invitation, and the email with its link. Raises NotAllowed for everybody but
    owners, Refused for a person who is a member or invited already."""
    customer.lock()
    require_role(by.user, customer, MAY_MANAGE_MEMBERS, MANAGE)
    return _invite(customer, email, role, by)


@transaction.atomic
def invite_owner(customer: Customer, email: str, *, by: Actor) -> Invitation:
    """The vendor's administrators invite a customer's first owner; a second time, with a new
    link. An invitation of theirs to another address is withdrawn: it was the wrong one. Raises
    NotAllowed, and Refused once there is an owner, who invites the others."""
    customer.lock()
    require_staff(by.user, INVITE_OWNERS, "invite the owner of a customer")
    if members.has_owner(customer):
        raise Refused(f"{customer} has an owner, who invites others.")
    waiting = customer.invitations.pending()
    for other in waiting.filter(is_by_vendor=True).exclude(email__iexact=email):
        _revoke(other, by)
    pending = waiting.filter(email__iexact=email, role=Role.OWNER).first()
    if pending:
        _send_again(pending, by, is_by_vendor=True)
        return pending
    return _invite(customer, email, Role.OWNER, by, is_by_vendor=True)


def _invite(
    customer: Customer, email: str, role: Role, by: Actor, *, is_by_vendor: bool = False
) -> Invitation:
    known = customer.members.filter(emailaddress__email__iexact=email, emailaddress__verified=True)
    if known.exists():
        raise Refused(f"{email} is already a member of {customer}.")
    if customer.invitations.pending().filter(email__iexact=email).exists():
        raise Refused(f"{email} is already invited. Send that invitation again instead.")
    if is_deceptive(email):
        raise Refused(f"{email} looks like another address: its domain mixes alphabets.")
    _require_room(customer, email, by)
    invitation = Invitation(
        customer=customer, email=email, role=role, invited_by=by.user, is_by_vendor=is_by_vendor
    )
    _send(invitation)
    subject = f"{email} as {Role(role).label.lower()}"
    record(Action.INVITED, subject, by=by, customer=customer)
    return invitation


@transaction.atomic
def send_again(invitation: Invitation, *, by: Actor) -> None:
    """Send a new link, which lasts as long as a first one; the old link no longer works.
    Raises NotAllowed, Refused."""
    pending = _lock_pending(invitation)
    require_role(by.user, pending.customer, MAY_MANAGE_MEMBERS, MANAGE)
    _send_again(pending, by)


def _send_again(pending: Invitation, by: Actor, *, is_by_vendor: bool = False) -> None:
    _require_room(pending.customer, pending.email, by)
    # Who sends it again vouches for it from now on.
    pending.invited_by, pending.is_by_vendor = by.user, is_by_vendor
    pending.expires_at = invitation_ends_at()
    pending.sent_at = pending.token_hash = None
    _send(pending)
    record(Action.REMINDED, pending.email, by=by, customer=pending.customer)


@transaction.atomic
def revoke(invitation: Invitation, *, by: Actor) -> None:
    """Withdraw an invitation. Raises NotAllowed, Refused."""
    pending = _lock_pending(invitation)
    require_role(by.user, pending.customer, MAY_MANAGE_MEMBERS, MANAGE)
    _revoke(pending, by)


def _revoke(pending: Invitation, by: Actor) -> None:
    pending.revoked_at = timezone.now()
    pending.save(update_fields=["revoked_at"])
    record(Action.REVOKED, pending.email, by=by, customer=pending.customer)


@transaction.atomic
def accept(invitation: Invitation, *, by: Actor) -> Membership:
    """Join, once. Raises Refused for anyone but the invited person, and NotAllowed while their
    account is locked."""
    by.user.lock()
    pending = _lock_pending(invitation)
    customer = pending.customer
    if pending.has_expired:
        raise Refused(f"This invitation has expired. Ask an owner of {customer} for a new one.")
    if not Invitation.objects.open().filter(pk=pending.pk).exists():
        raise Refused(
            f"The person who sent this invitation may no longer invite people. Ask an owner of "
            f"{customer} to send it again."
        )
    if not is_for(pending, by.user):
        raise Refused(f"This invitation is for {pending.email}. Sign in with that address.")
    if by.user.is_staff:
        raise Refused("The vendor's own people cannot join a customer.")
    require_unlocked(by.user, f"join {customer}")
    if customer.memberships.filter(user=by.user).exists():
        raise Refused(f"You are already a member of {customer}.")
    pending.accepted_at, pending.accepted_by = timezone.now(), by.user
    pending.save(update_fields=["accepted_at", "accepted_by"])
    membership = Membership.objects.create(
        user=by.user,
        customer=customer,
        role=pending.role,
        joined_as=pending.email,
        awaits_confirmation=pending.is_by_vendor and members.has_had_owner(customer),
    )
    subject = f"as {membership.get_role_display().lower()}"
    record(Action.JOINED, subject, by=by, customer=customer)
    if membership.role in MAY_HANDLE_CREDENTIALS:
        inviter = pending.invited_by
        who = f"{settings.VENDOR_NAME} ({inviter})" if pending.is_by_vendor else str(inviter)
        outbox.member_joined(membership, by=who)
    return membership


def where_others_were_invited(user: User) -> list[Customer]:
    """The organisations of which the person is not a member, and to which the account has invited
    people who have not joined, or joined lately."""
    is_pending = Q(invitations__accepted_at=None, invitations__revoked_at=None)
    lately = Q(invitations__accepted_at__gt=timezone.now() - DOUBTED)
    found = Customer.objects.filter(is_pending | lately, invitations__invited_by=user)
    return list(found.exclude(memberships__user=user).distinct().order_by("pk"))


def take_back(user: User, customer: Customer) -> tuple[list[str], list[str]]:
    """Someone else may have invited people in the name of ``user``, and those in turn others:
    withdraw the pending invitations, and let who joined lately wait for an owner's confirmation.
    Returns the addresses of both. The caller holds the customer's row."""
    doubted = newly = {user.pk}
    withdrawn: list[str] = []
    while newly:
        sent = customer.invitations.filter(invited_by__in=newly)
        withdrawn += sent.pending().values_list("email", flat=True)
        sent.pending().update(revoked_at=timezone.now())
        # Whom the vendor invited is the first owner: nobody could confirm them.
        joined = sent.filter(accepted_at__gt=timezone.now() - DOUBTED, is_by_vendor=False)
        newly = set(joined.values_list("accepted_by", flat=True)) - doubted
        doubted = doubted | newly
    unconfirmed = customer.memberships.filter(user__in=doubted, awaits_confirmation=False)
    unconfirmed = unconfirmed.exclude(user=user)
    addresses = list(unconfirmed.values_list("user__email", flat=True))
    unconfirmed.update(awaits_confirmation=True)
    return sorted(withdrawn), sorted(addresses)


# --- Links ---------------------------------------------------------------------------


def find_pending(pk: int) -> Invitation | None:
    """The invitation, unless it was accepted or withdrawn."""
    found = Invitation.objects.pending().filter(pk=pk)
    return found.select_related("customer", "invited_by").first()


def make_token(pk: int) -> str | None:
    """The token for the link in the invitation's email, made as the email is sent: only its
    hash is kept, and an earlier link no longer works. None where the invitation is no longer
    pending."""
    token = secrets.token_urlsafe(32)
    found = Invitation.objects.pending().filter(pk=pk)
    return token if found.update(token_hash=_hash(token)) else None


def mark_sent(pk: int, at: datetime) -> None:
    """Record that the invitation's email was sent."""
    Invitation.objects.filter(pk=pk).update(sent_at=at)


def find(token: str) -> Invitation | None:
    """The invitation that the link with this token opens now."""
    return Invitation.objects.open().filter(token_hash=_hash(token)).first()


@transaction.atomic
def is_for(invitation: Invitation, user: User) -> bool:
    """Whether the person has verified the address of the invitation."""
    addresses = EmailAddress.objects.filter(user=user, verified=True)
    return addresses.filter(email__iexact=invitation.email).exists()


def _lock_pending(invitation: Invitation) -> Invitation:
    invitation.customer.lock()
    pending = find_pending(invitation.pk)
    if pending is None:
        raise Refused(
            "This invitation was already accepted or withdrawn. An owner of "
            f"{invitation.customer} can send a new one."
        )
    return pending


def _require_room(customer: Customer, email: str, by: Actor) -> None:
    """Raise Refused where a person or an organisation has had its share. No organisation uses up
    another's."""
    hour, day = (timezone.now() - period for period in (timedelta(hours=1), timedelta(days=1)))
    sent = Email.objects.filter(kind=EmailKind.INVITATION, customer=customer)
    written = AuditEvent.objects.filter(action__in=[Action.INVITED, Action.REMINDED])
    if sent.filter(to__iexact=email, created_at__gt=day).count() >= PER_ADDRESS:
        raise Refused(
            f"{email} has had {PER_ADDRESS} invitations from {customer} today. Try again tomorrow."
        )
    for mine in (written.filter(customer=customer), written.filter(actor=by.user)):
        if mine.filter(at__gt=hour).count() >= PER_HOUR:
            raise Refused(f"{PER_HOUR} invitations were sent in the last hour. Try again later.")


def _send(invitation: Invitation) -> None:
    invitation.save()
    outbox.invitation(invitation)


def _hash(token: str) -> str:
    return sha256(token.encode()).hexdigest()
