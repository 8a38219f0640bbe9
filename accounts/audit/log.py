"""Writing the audit log."""

from accounts.actor import Actor
from accounts.audit.models import Action, AuditEvent
from accounts.models import Customer, User

__all__ = ["Action", "label_of", "record"]


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
