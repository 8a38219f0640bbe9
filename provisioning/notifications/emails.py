"""The emails to customers about their access, one function each. None contains a key's id.

Each is stored by the action it reports, in its transaction, and sent by a worker.
"""

from datetime import datetime
from typing import Any

from django.conf import settings
from django.urls import reverse

from accounts.emails.outbox import to_members, to_staff
from accounts.models import Customer, EmailKind, User
from provisioning.models import AccessKey, Entitlement, Label, PullUser, Repository
from provisioning.queries.wording import State
from provisioning.states import EntitlementState


def requested(entitlement: Entitlement, *, by: User) -> None:
    """To sales; and to the member who asked, while sales who prepare one need no email."""
    _about_product(
        EmailKind.REQUEST_RECEIVED, entitlement, only=by, reference=entitlement.reference
    )
    to_staff(
        EmailKind.NEW_REQUEST,
        but=by,
        path=reverse("admin:provisioning_entitlement_change", args=[entitlement.pk]),
        who=str(entitlement.customer),
        product=entitlement.product.name,
        by=_named(by),
        reference=entitlement.reference,
        note=entitlement.note,
    )


def requests_waiting(reader: User, number: int, oldest: datetime) -> None:
    to_staff(
        EmailKind.REQUESTS_WAITING,
        only=reader,
        path=reverse("admin:provisioning_entitlement_changelist") + "?state__exact=requested",
        number=number,
        oldest_at=oldest,
    )


def approved(entitlement: Entitlement) -> None:
    _about_product(
        EmailKind.APPROVED,
        entitlement,
        person=entitlement.requested_by,
        note=entitlement.decision_note,
        starts_at=entitlement.starts_at,
        ends_at=entitlement.ends_at,
        decided_at=entitlement.decided_at,
        is_later=entitlement.starts_at > entitlement.decided_at,  # type: ignore[operator]
    )


def rejected(entitlement: Entitlement) -> None:
    _about_product(
        EmailKind.REJECTED,
        entitlement,
        person=entitlement.requested_by,
        note=entitlement.decision_note,
    )


def ready(entitlement: Entitlement, state: State) -> None:
    """``state``: what else its members have to do."""
    _about_product(
        EmailKind.READY,
        entitlement,
        person=entitlement.requested_by,
        repositories=_repositories(entitlement),
        state={"words": state.words, "remedy": state.remedy},
    )


def new_version(entitlement: Entitlement, repository: Repository, tags: list[str]) -> None:
    """``tags``: of the images that were pushed since the last reading."""
    facts = {"repository": repository.name, "tags": tags}
    _about_product(EmailKind.NEW_VERSION, entitlement, **facts)


def term_ending(entitlement: Entitlement, days: int) -> None:
    """To its owners, and to the salesperson who approved it."""
    _about_product(EmailKind.TERM_ENDING, entitlement, ends_at=entitlement.ends_at, days=days)
    extend = reverse("admin:provisioning_entitlement_decide", args=["extend"])
    to_staff(
        EmailKind.RENEWAL,
        only=entitlement.decided_by,
        path=f"{extend}?pk={entitlement.pk}",
        who=str(entitlement.customer),
        product=entitlement.product.name,
        ends_at=entitlement.ends_at,
        days=days,
    )


def ended(entitlement: Entitlement) -> None:
    """Once AWS has confirmed the removal, or when that takes longer than it should."""
    seconds = None
    if entitlement.closed_at and entitlement.ended_at:
        seconds = round((entitlement.closed_at - entitlement.ended_at).total_seconds())
    _about_product(
        EmailKind.ENDED,
        entitlement,
        ended_at=entitlement.ended_at,
        is_over=entitlement.state == EntitlementState.EXPIRED,
        is_confirmed=seconds is not None,
        seconds=seconds,
        repositories=_repositories(entitlement),
    )


def suspended(entitlement: Entitlement) -> None:
    _about_product(EmailKind.SUSPENDED, entitlement)


def resumed(entitlement: Entitlement) -> None:
    _about_product(EmailKind.RESUMED, entitlement)


def customer_suspended(customer: Customer) -> None:
    """Everything the customer has."""
    to_members(EmailKind.SUSPENDED, customer, path=reverse("customer:home"))


def customer_resumed(customer: Customer) -> None:
    to_members(EmailKind.RESUMED, customer, path=reverse("customer:home"))


def key_expiring(key: AccessKey, days: int) -> None:
    """The key expires in ``days`` days."""
    _about_key(EmailKind.KEY_EXPIRING, key.pull_user, expires_at=key.expires_at, days=days)


def holder_left(key: AccessKey) -> None:
    """Who revealed the key is no longer a member."""
    secret = key.secret
    who = _named(secret.revealed_by) if secret.revealed_by else ""
    path = reverse("customer:rotate", args=[key.pull_user_id])
    at = secret.revealed_at
    _about_key(EmailKind.HOLDER_LEFT, key.pull_user, path=path, who=who, revealed_at=at)


def unrevealed(key: AccessKey) -> None:
    """Nobody has revealed its secret yet."""
    path = reverse("customer:reveal", args=[key.pull_user_id])
    until = key.secret.created_at + settings.UNCLAIMED_AFTER
    _about_key(EmailKind.UNREVEALED, key.pull_user, path=path, destroyed_at=until)


def rotated(pull_user: PullUser, *, by: User, until: datetime | None) -> None:
    """A new key is being created; the present one works ``until`` (None: no longer)."""
    _about_key(EmailKind.ROTATED, pull_user, person=by, by=_named(by), until_at=until)


def revealed(key: AccessKey, *, by: User, at: datetime) -> None:
    _about_switch(EmailKind.REVEALED, key, by, revealed_at=at)


def key_deactivated(key: AccessKey, *, by: User, at: datetime) -> None:
    _about_switch(EmailKind.KEY_DEACTIVATED, key, by, deactivated_at=at)


def key_ended(key: AccessKey, *, by: User, at: datetime) -> None:
    """Before the day on which it would have ended by itself."""
    _about_key(EmailKind.KEY_ENDED, key.pull_user, person=by, by=_named(by), ended_at=at)


def label_changed(label: Label, *, by: User, at: datetime, is_added: bool) -> None:
    customer = label.customer
    to_members(
        EmailKind.LABEL_CHANGED,
        customer,
        person=by,
        path=reverse("customer:labels", args=[customer.pk]),
        label=label.name,
        by=_named(by),
        is_added=is_added,
        changed_at=at,
    )


def _about_switch(kind: EmailKind, key: AccessKey, by: User, **facts: Any) -> None:
    """To the person, too: was it them? The page that the email leads to deactivates the key."""
    path = reverse("customer:switch_key", args=[key.pk])
    _about_key(kind, key.pull_user, person=by, path=path, by=_named(by), **facts)


def _about_product(kind: EmailKind, entitlement: Entitlement, **facts: Any) -> None:
    to_members(
        kind,
        entitlement.customer,
        product=entitlement.product.name,
        path=reverse("customer:product", args=[entitlement.pk]),
        **facts,
    )


def _about_key(kind: EmailKind, pull_user: PullUser, *, path: str = "", **facts: Any) -> None:
    path = path or reverse("customer:home")
    to_members(kind, pull_user.customer, label=pull_user.label, path=path, **facts)


def _repositories(entitlement: Entitlement) -> list[str]:
    return sorted(entitlement.product.repositories.values_list("name", flat=True))


def _named(person: User) -> str:
    """As the customer knows the person; the vendor's people act for the vendor."""
    if person.is_staff:
        return settings.VENDOR_NAME
    return f"{person.name} ({person.email})" if person.name else person.email
