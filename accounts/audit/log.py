"""Writing the audit log."""

import secrets
from datetime import UTC
from ipaddress import ip_address
from typing import Any

from django.utils import timezone

from accounts.actor import Actor
from accounts.audit.models import Action, AuditEvent
from accounts.audit.signature import is_signed, sign
from accounts.models import Customer, User

__all__ = [
    "Action",
    "content_of",
    "is_genuine",
    "label_of",
    "record",
    "record_attempt",
    "record_by_portal",
]

# Who acts where nobody is signed in.
SOMEONE, PORTAL = "Someone", "The portal"


def label_of(user: User) -> str:
    return f"{user.name} <{user.email}>" if user.name else user.email


def record(
    action: Action,
    subject: str,
    *,
    by: Actor,
    customer: Customer | None = None,
    entitlement_id: int | None = None,
    changes: str = "",
    reason: str = "",
) -> AuditEvent:
    """Write one line. Call it inside the transaction of the action.

    ``subject`` is in plain words and holds no secret.
    """
    return _write(
        action=action,
        subject=subject,
        actor=by.user,
        actor_label=label_of(by.user),
        address=by.address,
        customer=customer,
        entitlement_id=entitlement_id,
        changes=changes,
        reason=reason,
    )


def record_attempt(user: User, *, address: str | None) -> AuditEvent:
    """Write a line about a failed attempt to sign in as ``user``; who tried is unknown."""
    return _write(
        action=Action.FAILED_SIGN_IN, subject=user.email, actor_label=SOMEONE, address=address
    )


def record_by_portal(action: Action, subject: str, *, reason: str) -> AuditEvent:
    """Write a line about what the portal does by itself, or at its command line."""
    return _write(action=action, subject=subject, actor_label=PORTAL, reason=reason)


def _write(**fields: Any) -> AuditEvent:
    event = AuditEvent(at=timezone.now(), **fields)
    nonce = secrets.token_hex(8)
    event.signature = f"{nonce}:{sign(content_of(event) | {'nonce': nonce})}"
    event.save()
    return event


def is_genuine(event: AuditEvent) -> bool:
    """Whether the portal wrote the line as it is."""
    nonce, _, signature = event.signature.partition(":")
    return is_signed(content_of(event) | {"nonce": nonce}, signature)


def content_of(event: AuditEvent) -> dict[str, Any]:
    """What a line says, in a form that stays the same whatever the database is."""
    return {
        "at": event.at.astimezone(UTC).isoformat(timespec="microseconds"),
        "action": str(event.action),
        "actor_id": event.actor_id,
        "actor_label": event.actor_label,
        "customer_id": event.customer_id,
        "subject": event.subject,
        "entitlement_id": event.entitlement_id,
        "changes": event.changes,
        "reason": event.reason,
        # PostgreSQL writes addresses in its own way.
        "address": _canonical(event.address) if event.address else None,
    }


def _canonical(address: str) -> str:
    """As PostgreSQL returns an address. What is none was written beside the portal."""
    try:
        return str(ip_address(address))
    except ValueError:
        return address
