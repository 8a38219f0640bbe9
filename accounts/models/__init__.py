"""People, the organisations they act for, and what is kept about both."""

from accounts.audit.models import AuditEvent, ChainLink
from accounts.cache import CacheEntry
from accounts.emails.models import Email, EmailKind
from accounts.models.invitation import Invitation, invitation_ends_at
from accounts.models.people import DOUBTED, Customer, FormerAddress, Membership, User
from accounts.sessions.models import Session

__all__ = [
    "DOUBTED",
    "AuditEvent",
    "CacheEntry",
    "ChainLink",
    "Customer",
    "Email",
    "EmailKind",
    "FormerAddress",
    "Invitation",
    "Membership",
    "Session",
    "User",
    "invitation_ends_at",
]
