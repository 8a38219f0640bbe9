"""Writing emails: who gets which. An action writes its emails in its own transaction; a worker
sends them (``accounts.emails.delivery``)."""

from datetime import timedelta
from typing import Any

from django.db import transaction
from django.urls import reverse
from django.utils import timezone

from accounts import own_address
from accounts.emails import preferences
from accounts.models import Customer, Email, EmailKind, Invitation, Membership, User

# Changes at someone's sign-in that are reported in one email.
TOGETHER = timedelta(minutes=1)
# Between two emails about trouble, and how much one of them lists.
PAUSE, LINES = timedelta(minutes=10), 10


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
    person: User | None = None,
    but: User | None = None,
    **facts: Any,
) -> None:
    """To each member whose role it is for (``preferences.readers``) and to the ``person`` whose
    doing it reports, to all ``but`` that member, or to ``only`` that member. ``facts`` is what the
    email says; the names of moments end in ``_at``, and ``path`` is the page it links to."""
    found = preferences.readers(kind, customer, person=only or person, but=but)
    Email.objects.bulk_create(
        Email(kind=kind, to=member.user.email, user=member.user, customer=customer, facts=facts)
        for member in found
        if only in (None, member.user)
    )


def to_staff(
    kind: EmailKind, *, only: User | None = None, but: User | None = None, **facts: Any
) -> None:
    """To each of the vendor's people who is to act, ``but`` one, or to ``only`` one of them."""
    Email.objects.bulk_create(
        Email(kind=kind, to=user.email, user=user, facts=facts)
        for user in preferences.staff_readers(kind)
        if user != but and only in (None, user)
    )


@transaction.atomic
def trouble(line: str) -> None:
    """Something for ops to look at. What happens before the email is sent shares it, and the next
    one waits for PAUSE."""
    now = timezone.now()
    for user in preferences.staff_readers(EmailKind.TROUBLE):
        mine = Email.objects.filter(kind=EmailKind.TROUBLE, user=user)
        waiting = mine.filter(tries=0, sent_at=None, due_at__isnull=False)
        unsent = waiting.select_for_update(no_key=True).first()
        if unsent is None:
            last = mine.filter(sent_at__gt=now - PAUSE).first()
            due_at = last.sent_at + PAUSE if last and last.sent_at else now
            facts = {"path": reverse("ops:dashboard"), "lines": [line], "happened_at": now}
            Email.objects.create(
                kind=EmailKind.TROUBLE, to=user.email, user=user, facts=facts, due_at=due_at
            )
        elif len(unsent.facts["lines"]) < LINES and line not in unsent.facts["lines"]:
            unsent.facts["lines"].append(line)
            unsent.save(update_fields=["facts"])


def member_joined(membership: Membership, *, by: str) -> None:
    """Another person may handle credentials or manage members. ``by`` is who invited or promoted
    them."""
    customer = membership.customer
    to_members(
        EmailKind.MEMBER_JOINED,
        customer,
        but=membership.user,
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
    to_members(kind, customer, but=user, **facts)
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
