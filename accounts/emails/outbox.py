"""Writing emails: who gets which. An action writes its emails in its own transaction; a worker
sends them (``accounts.emails.delivery``)."""

from datetime import timedelta
from typing import Any

from django.urls import reverse
from django.utils import timezone

from accounts import own_address
from accounts.emails.preferences import is_wanted_by
from accounts.models import Customer, Email, EmailKind, Invitation, Membership, User

# Changes at someone's sign-in that are reported in one email.
TOGETHER = timedelta(minutes=1)


def invitation(invitation: Invitation) -> None:
    """To the invited address. The link is made when the email is sent, because the database
    may only hold the hash of its token."""
    Email.objects.create(
        kind=EmailKind.INVITATION,
        to=invitation.email,
        customer=invitation.customer,
        facts={"invitation": invitation.pk},
    )


def welcome(user: User) -> None:
    """To a person whose account an administrator created: how to sign in."""
    Email.objects.create(kind=EmailKind.WELCOME, to=user.email, user=user)


def to_person(kind: EmailKind, user: User, *, to: str = "", **facts: Any) -> None:
    """About the person's own account; these emails cannot be turned off. ``to`` is another of
    their addresses."""
    facts = {"path": reverse("security"), "happened_at": timezone.now(), **facts}
    Email.objects.create(kind=kind, to=to or user.email, user=user, facts=facts)


def sign_in_changed(user: User, what: str, *, to: str = "", **facts: Any) -> None:
    """``what`` changed at the person's sign-in. Changes that belong together share an email."""
    to = to or user.email
    waiting = Email.objects.filter(
        kind=EmailKind.SIGN_IN_CHANGED,
        user=user,
        to=to,
        tries=0,
        created_at__gt=timezone.now() - TOGETHER,
    ).first()
    if waiting is None:
        to_person(EmailKind.SIGN_IN_CHANGED, user, to=to, what=what, **facts)
    else:
        waiting.facts["what"] += f"; {what}"
        waiting.save(update_fields=["facts"])


def to_members(
    kind: EmailKind,
    customer: Customer,
    *,
    only: User | None = None,
    but: User | None = None,
    roles: set[Membership.Role] | None = None,
    **facts: Any,
) -> None:
    """To each member who wants this kind, to ``only`` that member, or to all ``but`` that member
    and only to those in ``roles``.
    ``facts`` is what the email says; the names of moments end in ``_at``, and ``path`` is the page
    it links to."""
    members = customer.memberships.select_related("user").order_by("pk")
    if only is not None:
        members = members.filter(user=only)
    if but is not None:
        members = members.exclude(user=but)
    if roles is not None:
        members = members.filter(role__in=roles)
    Email.objects.bulk_create(
        Email(kind=kind, to=member.user.email, user=member.user, customer=customer, facts=facts)
        for member in members
        if is_wanted_by(member, kind)
    )


def member_joined(membership: Membership, *, by: str) -> None:
    """To the owners, or to all members where there is none: another person may handle credentials
    or manage members. ``by`` is who invited or promoted them."""
    customer = membership.customer
    has_owner = customer.memberships.owners().exclude(pk=membership.pk).exists()
    to_members(
        EmailKind.MEMBER_JOINED,
        customer,
        but=membership.user,
        roles={Membership.Role.OWNER} if has_owner else set(Membership.Role),
        path=reverse("customer:organisation", args=[customer.pk]),
        who=membership.user.email,
        role=membership.get_role_display().lower(),
        by=by,
        awaits_confirmation=membership.awaits_confirmation,
    )


def member_removed(membership: Membership, *, by: str) -> None:
    """To all the addresses of the person who is no longer a member."""
    user, organisation = membership.user, str(membership.customer)
    for to in own_address.all_of(user):
        to_person(EmailKind.MEMBER_REMOVED, user, to=to, organisation=organisation, by=by)


def owners_told_of_lock(
    kind: EmailKind, customer: Customer, user: User, *, by: str, **facts: Any
) -> dict[str, Any]:
    """The account of a member, or of one who was, is locked or no longer. Returns what the email
    says."""
    page = reverse("customer:organisation", args=[customer.pk])
    facts = {"path": page, "who": user.email, "by": by, **facts}
    to_members(kind, customer, but=user, roles={Membership.Role.OWNER}, **facts)
    return facts


def lock_changed(
    kind: EmailKind, membership: Membership, *, told: list[str], by: str, **facts: Any
) -> None:
    """The member's account is locked at the customer, or no longer. To the owners, and to the
    addresses ``told`` of the member, because someone else may have changed which one is theirs."""
    user, customer = membership.user, membership.customer
    facts = owners_told_of_lock(kind, customer, user, by=by, **facts)
    for to in told:
        Email.objects.create(kind=kind, to=to, user=user, customer=customer, facts=facts)
