"""What people do. A flow checks that the action is allowed, and writes it and its audit line in
one transaction; the reconciler is woken after the commit."""

from accounts.actor import Actor, Refused
from accounts.permissions import NotAllowed

__all__ = ["Actor", "NotAllowed", "Refused", "require_reason"]


def require_reason(reason: str) -> None:
    """Raise Refused where no reason is given."""
    if not reason.strip():
        raise Refused("Give a reason: it is kept in the audit log.")
