"""Writing the audit log."""

from accounts.actor import Actor
from accounts.audit.models import Action, AuditEvent
from accounts.models import Customer, User

__all__ = ["Action", "label_of", "record", "record_attempt"]

# Who acts where nobody is signed in.
SOMEONE = "Someone"


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
    return AuditEvent.objects.create(
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
    return AuditEvent.objects.create(
        action=Action.FAILED_SIGN_IN, subject=user.email, actor_label=SOMEONE, address=address
    )
