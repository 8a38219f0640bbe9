"""The administrators learn that the audit log was changed beside the portal.

Someone who did that can write to every table, so neither the outbox nor what it says was sent is
trusted: the email is sent here and now, and the time of the last one is kept elsewhere.
"""

import logging
from datetime import timedelta

from django.conf import settings

from accounts.audit import chain, head
from accounts.emails import delivery
from accounts.models import Email, EmailKind, User

log = logging.getLogger(__name__)

EVERY = timedelta(days=1)


def watch() -> None:
    """Check the chain; log what is wrong, and write to the administrators once a day."""
    broken = chain.watch()
    if not broken:
        return
    log.error("The audit log was changed beside the portal. %s", broken)
    if head.begin_alarm(EVERY) and not _is_told(broken):
        head.end_alarm()


def _is_told(broken: str) -> bool:
    """Whether an email reached the mail server: to each administrator, and to the address in the
    settings, which no table holds."""
    administrators = User.objects.filter(is_superuser=True, is_active=True)
    readers: dict[str, User | None] = {settings.SUPPORT_EMAIL: None}
    readers |= {user.email: user for user in administrators}
    facts = {"path": "/ops/audit/", "broken": broken}
    sent = 0
    for to, user in readers.items():
        email = Email(kind=EmailKind.AUDIT_BROKEN, user=user, to=to, facts=facts)
        sent += delivery.send_now(email)
    return sent > 0
