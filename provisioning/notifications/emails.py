"""The emails to customers about their access, one function each. None contains a key's id.

Each is stored by the action it reports, in its transaction, and sent by a worker.
"""

from datetime import datetime
from typing import Any

from django.conf import settings
from django.urls import reverse

from accounts.emails.outbox import to_members
from accounts.models import Customer, EmailKind, User
from provisioning.models import AccessKey, Entitlement, PullUser
from provisioning.queries.wording import State


def request_received(entitlement: Entitlement) -> None:
    """To the member who asked; sales who prepare an entitlement need no email."""
    only = entitlement.requested_by
    _about_product(
        EmailKind.REQUEST_RECEIVED, entitlement, only=only, reference=entitlement.reference
    )


def approved(entitlement: Entitlement) -> None:
    _about_product(
        EmailKind.APPROVED,
        entitlement,
        note=entitlement.decision_note,
        starts_at=entitlement.starts_at,
        ends_at=entitlement.ends_at,
        decided_at=entitlement.decided_at,
        is_later=entitlement.starts_at > entitlement.decided_at,  # type: ignore[operator]
    )


def rejected(entitlement: Entitlement) -> None:
    _about_product(EmailKind.REJECTED, entitlement, note=entitlement.decision_note)


def ready(entitlement: Entitlement, state: State) -> None:
    """``state``: what else its members have to do."""
    _about_product(
        EmailKind.READY,
        entitlement,
        repositories=_repositories(entitlement),
        state={"words": state.words, "remedy": state.remedy},
    )


def term_ending(entitlement: Entitlement, days: int) -> None:
    _about_product(EmailKind.TERM_ENDING, entitlement, ends_at=entitlement.ends_at, days=days)


def ended(entitlement: Entitlement, *, at: datetime, is_over: bool) -> None:
    """``is_over``: its term has ended; otherwise it was withdrawn."""
    _about_product(
        EmailKind.ENDED,
        entitlement,
        ended_at=at,
        is_over=is_over,
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


def rotated(pull_user: PullUser, *, by: User, until: datetime | None) -> None:
    """A new key is being created; the present one works ``until`` (None: no longer)."""
    _about_key(EmailKind.ROTATED, pull_user, by=_named(by), until_at=until)


def revealed(key: AccessKey, *, by: User, at: datetime) -> None:
    """So that members who did not do it find out."""
    _about_key(EmailKind.REVEALED, key.pull_user, path=_switch(key), by=_named(by), revealed_at=at)


def key_deactivated(key: AccessKey, *, by: User, at: datetime) -> None:
    facts: dict[str, Any] = {"by": _named(by), "deactivated_at": at}
    _about_key(EmailKind.KEY_DEACTIVATED, key.pull_user, path=_switch(key), **facts)


def _about_product(
    kind: EmailKind, entitlement: Entitlement, *, only: User | None = None, **facts: Any
) -> None:
    to_members(
        kind,
        entitlement.customer,
        only=only,
        product=entitlement.product.name,
        path=reverse("customer:product", args=[entitlement.pk]),
        **facts,
    )


def _about_key(kind: EmailKind, pull_user: PullUser, *, path: str = "", **facts: Any) -> None:
    path = path or reverse("customer:home")
    to_members(kind, pull_user.customer, label=pull_user.label, path=path, **facts)


def _switch(key: AccessKey) -> str:
    return reverse("customer:switch_key", args=[key.pk])


def _repositories(entitlement: Entitlement) -> list[str]:
    return sorted(entitlement.product.repositories.values_list("name", flat=True))


def _named(person: User) -> str:
    """As the customer knows the person; the vendor's people act for the vendor."""
    if person.is_staff:
        return settings.VENDOR_NAME
    return f"{person.name} ({person.email})" if person.name else person.email
