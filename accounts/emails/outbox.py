"""Writing emails: who gets which. An action writes its emails in its own transaction; a worker
sends them (``accounts.emails.delivery``)."""

from typing import Any

from accounts.emails.preferences import is_wanted_by
from accounts.models import Customer, Email, EmailKind, Invitation, User


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


def to_members(
    kind: EmailKind, customer: Customer, *, only: User | None = None, **facts: Any
) -> None:
    """To each member who wants this kind, or to ``only`` that member. ``facts`` is what the
    email says; the names of moments end in ``_at``, and ``path`` is the page it links to."""
    members = customer.memberships.select_related("user").order_by("pk")
    if only is not None:
        members = members.filter(user=only)
    Email.objects.bulk_create(
        Email(kind=kind, to=member.user.email, user=member.user, customer=customer, facts=facts)
        for member in members
        if is_wanted_by(member, kind)
    )
