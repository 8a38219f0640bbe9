"""The administrators learn that the audit log was changed beside the portal."""

import logging
from datetime import timedelta

from django.utils import timezone

from accounts.audit import chain
from accounts.emails import outbox
from accounts.models import Email, EmailKind, User

log = logging.getLogger(__name__)

EVERY = timedelta(days=1)


def watch() -> None:
    """Check the chain; log what is wrong, and write to the administrators once a day."""
    broken = chain.watch()
    if not broken:
        return
    log.error("The audit log was changed beside the portal. %s", broken)
    since = timezone.now() - EVERY
    if Email.objects.filter(kind=EmailKind.AUDIT_BROKEN, created_at__gt=since).exists():
        return
    for administrator in User.objects.filter(is_superuser=True, is_active=True):
        outbox.to_person(EmailKind.AUDIT_BROKEN, administrator, path="/ops/audit/", broken=broken)
