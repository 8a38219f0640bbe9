"""What people do, one deed a file. A flow checks that the deed is allowed, writes it and
its audit line in one transaction, and lets the reconciler know after the commit."""

from dataclasses import dataclass

from accounts.models import User
from accounts.permissions import NotAllowed

__all__ = ["By", "NotAllowed", "Refused", "require_reason"]


class Refused(Exception):
    """The deed is not possible as things stand. The text says why, and what to do."""


@dataclass(frozen=True)
class By:
    """Who does a deed, and the IP address that it came from."""

    user: User
    address: str | None = None


def require_reason(reason: str) -> None:
    """Raise Refused where none is given."""
    if not reason.strip():
        raise Refused("Give a reason: it stays in the audit log.")
