"""Who is told, and when, that an access key grows too old."""

import logging
from datetime import timedelta

from django.db.models import Q
from django.utils import timezone

from provisioning import emails
from provisioning.models import AccessKey
from provisioning.states import Wanted

log = logging.getLogger(__name__)

# Days before the end.
WARNINGS = (30, 14, 7, 1)


def warn() -> None:
    """Send the warnings that are due, each once. A letter that cannot be sent is tried again
    the next time."""
    now = timezone.now()
    keys = AccessKey.objects.current().filter(
        pull_user__wanted=Wanted.PRESENT,
        expires_at__gt=now,
        expires_at__lte=now + timedelta(days=max(WARNINGS)),
    )
    for key in keys.select_related("pull_user__customer").iterator():
        left = key.expires_at - now if key.expires_at else timedelta(0)
        _warn(key, min(days for days in WARNINGS if left <= timedelta(days=days)))


def _warn(key: AccessKey, days: int) -> None:
    before = key.warned_days
    not_yet = Q(warned_days__isnull=True) | Q(warned_days__gt=days)
    # Of two workers one sends it.
    if not AccessKey.objects.filter(not_yet, pk=key.pk).update(warned_days=days):
        return
    try:
        emails.key_expiring(key, days)
    except OSError as error:
        log.warning("The warning of %s could not be sent: %s", key.pull_user, error)
        AccessKey.objects.filter(pk=key.pk).update(warned_days=before)
