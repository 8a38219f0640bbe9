"""What people do, one deed a file. A flow checks that the deed is allowed, writes it and
its audit line in one transaction, and lets the reconciler know after the commit."""

from accounts.deeds import By, Refused
from accounts.permissions import NotAllowed

__all__ = ["By", "NotAllowed", "Refused", "require_reason"]


def require_reason(reason: str) -> None:
    """Raise Refused where none is given."""
    if not reason.strip():
        raise Refused("Give a reason: it stays in the audit log.")
