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
    try:
        broken = chain.watch()
    except Exception as error:
        # What stops the check may have been written to stop it.
        log.exception("The audit log cannot be checked")
        broken = f"The check itself fails ({type(error).__name__}): see the worker's log."
    if not broken:
        return
    log.error("The audit log was changed beside the portal. %s", broken)
    if head.begin_alarm(EVERY) and not _is_told(broken):
        head.end_alarm()


def _is_told(broken: str) -> bool:
    """Whether an email reached the mail server: first to the address in the settings, which no
    table holds, then to each administrator."""
    facts = {"path": "/ops/audit/", "broken": broken}
    is_told = _send(settings.SUPPORT_EMAIL, None, facts)
    try:
        for user in User.objects.filter(is_superuser=True, is_active=True):
            is_told |= _send(user.email, user, facts)
    except Exception:
        log.exception("The administrators cannot be read")
    return is_told


def _send(to: str, user: User | None, facts: dict[str, str]) -> bool:
    return delivery.send_now(Email(kind=EmailKind.AUDIT_BROKEN, user=user, to=to, facts=facts))
