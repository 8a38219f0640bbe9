"""What people do, one deed a file. A flow checks that the deed is allowed, writes it and
its audit line in one transaction, and lets the reconciler know after the commit."""

from accounts.deeds import By, Refused
from accounts.permissions import NotAllowed

__all__ = ["By", "NotAllowed", "Refused"]
