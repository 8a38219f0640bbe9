"""What people do about their own account, and who helps them when someone else used it."""

from allauth.mfa.models import Authenticator
from django.conf import settings
from django.db import transaction
from django.urls import reverse
from django.utils import timezone

from accounts import own_address, single_sign_on
from accounts.actor import Actor, Refused
from accounts.audit.log import Action, record
from accounts.emails import outbox
from accounts.flows import invitations
from accounts.models import DOUBTED, Customer, EmailKind, Membership, Session, User
from accounts.permissions import MAY_MANAGE_MEMBERS, require_role, require_staff
from accounts.sessions import lifetime

MANAGE_ACCOUNTS = "accounts.change_user"


@transaction.atomic
def end_session(session: Session, *, by: Actor) -> None:
    """End one of the person's own sessions. Raises Refused."""
    if not by.user.sessions.filter(pk=session.pk).delete()[0]:
        raise Refused("This session has ended already.")
    record(Action.ENDED_SESSIONS, str(session), by=by)


@transaction.atomic
def end_other_sessions(current: str | None, *, by: Actor) -> None:
    """End the person's sessions except the ``current`` one, by its key."""
    ended = lifetime.end_all(by.user, but=current)
    record(Action.ENDED_SESSIONS, f"all others ({ended})", by=by)


@transaction.atomic
def report_misuse(*, by: Actor) -> None:
    """Someone else used the person's account: end all sessions, make the password unusable, take
    back the account's invitations and other ways in, and lock what the person may do for
    organisations besides taking keys away."""
    _report(by.user, by, str(by.user))


@transaction.atomic
def report_misuse_as_staff(user: User, *, by: Actor) -> None:
    """The same by the vendor's administrators, for a person who cannot sign in any more. Raises
    NotAllowed."""
    require_staff(by.user, MANAGE_ACCOUNTS, "report that someone else used an account")
    _report(user, by, settings.VENDOR_NAME)


def _report(reported: User, by: Actor, who: str) -> None:
    reported.lock()
    user = User.objects.get(pk=reported.pk)
    user.set_unusable_password()
    user.save(update_fields=["password"])
    lifetime.end_all(user)
    # All of them are told; the owners of the organisations read the person's own.
    told = own_address.all_of(user)
    removed = _take_back_ways_in(user, own_address.find(user))
    for membership in user.memberships.select_related("customer").order_by("customer_id"):
        _lock(membership, by, who, told)
    for customer in invitations.where_others_were_invited(user):
        _take_back_invitations(user, customer, by, who)
    single_sign_on.forget(user)
    record(Action.LOCKED, user.email, by=by, changes=removed and f"Removed: {removed}.")
    if removed:
        outbox.sign_in_changed(user, f"removed after the report: {removed}")


def _take_back_ways_in(user: User, own: str) -> str:
    """Someone else may have added a way to come back. The other addresses go, and the second
    factors and identities that are no older than DOUBTED. Returns what did, in words."""
    since = timezone.now() - DOUBTED
    factors = Authenticator.objects.filter(user=user, created_at__gt=since)
    removed = [
        *own_address.make_only(user, own),
        *(factor.get_type_display().lower() for factor in factors.order_by("pk")),
        single_sign_on.remove_lately_connected(user),
    ]
    factors.delete()
    return ", ".join(filter(None, removed))


def _lock(membership: Membership, by: Actor, who: str, told: list[str]) -> None:
    user, customer = membership.user, membership.customer
    customer.lock()
    unlocked = Membership.objects.filter(pk=membership.pk, reveals_locked_at=None)
    if not unlocked.update(reveals_locked_at=timezone.now()):
        return
    facts = _take_back(user, customer, by)
    outbox.lock_changed(EmailKind.MEMBER_LOCKED, membership, told=told, by=who, **facts)


def _take_back_invitations(user: User, customer: Customer, by: Actor, who: str) -> None:
    """Where the person is no longer a member: someone else may have left in their name, or those
    whom they invited may have removed them."""
    customer.lock()
    facts = _take_back(user, customer, by)
    outbox.owners_told_of_lock(EmailKind.MEMBER_LOCKED, customer, user, by=who, **facts)


def _take_back(user: User, customer: Customer, by: Actor) -> dict[str, str]:
    """Returns what the email about it says."""
    withdrawn, unconfirmed = invitations.take_back(user, customer)
    changes = [f"Withdrawn invitations: {', '.join(withdrawn)}."] if withdrawn else []
    changes += [f"Await confirmation: {', '.join(unconfirmed)}."] if unconfirmed else []
    record(Action.LOCKED, user.email, by=by, customer=customer, changes=" ".join(changes))
    return {"withdrawn": ", ".join(withdrawn), "unconfirmed": ", ".join(unconfirmed)}


@transaction.atomic
def allow_reveals(membership: Membership, *, by: Actor) -> None:
    """Another owner has made sure that the member's account is theirs again; this opens the
    owner's organisation, and no other. Raises NotAllowed, Refused."""
    if membership.user == by.user:
        raise Refused("Ask another owner or the vendor to make sure that it is you.")
    require_role(by.user, membership.customer, MAY_MANAGE_MEMBERS, "allow reveals again")
    _unlock(membership, by)


@transaction.atomic
def allow_reveals_as_staff(user: User, *, by: Actor) -> None:
    """The same by the vendor's administrators, where there is no other owner, for all of the
    person's organisations. Raises NotAllowed, Refused."""
    require_staff(by.user, MANAGE_ACCOUNTS, "allow reveals again")
    locked = list(user.memberships.locked().select_related("customer", "user"))
    if not locked:
        raise Refused(f"{user} is not locked.")
    for membership in locked:
        _unlock(membership, by)


@transaction.atomic
def remove_factor(authenticator: Authenticator, *, by: Actor) -> None:
    """The vendor's administrators remove a second factor that its owner has lost. The person and
    the owners of their organisations get an email."""
    user, name = authenticator.user, authenticator.get_type_display()
    authenticator.delete()
    lifetime.end_all(user)
    record(Action.RESET, f"{user.email}: {name}", by=by)
    outbox.sign_in_changed(user, f"{name} removed by {settings.VENDOR_NAME}")
    for membership in user.memberships.select_related("customer"):
        customer = membership.customer
        page = reverse("customer:organisation", args=[customer.pk])
        outbox.to_members(
            EmailKind.FACTOR_RESET, customer, but=user, path=page, who=user.email, what=name
        )


def _unlock(membership: Membership, by: Actor) -> None:
    user, customer = membership.user, membership.customer
    if not Membership.objects.locked().filter(pk=membership.pk).update(reveals_locked_at=None):
        raise Refused(f"{user} is not locked at {customer}.")
    record(Action.UNLOCKED, user.email, by=by, customer=customer)
    who = settings.VENDOR_NAME if by.user.is_staff else str(by.user)
    told = own_address.all_of(user)
    outbox.lock_changed(EmailKind.MEMBER_UNLOCKED, membership, told=told, by=who)
