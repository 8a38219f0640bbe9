"""Reminders that an access key expires or that access ends: who gets them, and when."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import TypeVar

from django.db import models, transaction
from django.db.models import Exists, OuterRef, Q

from accounts import clock
from accounts.models import Membership
from provisioning.models import AccessKey, Entitlement
from provisioning.notifications import emails
from provisioning.states import Desired

M = TypeVar("M", AccessKey, Entitlement)

# Days before the end.
REMINDERS = (30, 14, 7, 1)


def send() -> None:
    """Write the reminders that are due, each once."""
    now = clock.now()
    _ask_to_replace_keys_of_former_members(now)
    keys = AccessKey.objects.current().filter(
        pull_user__desired=Desired.PRESENT, expires_at__range=_soon(now)
    )
    for key in keys.select_related("pull_user__customer").iterator():
        _remind(key, key.expires_at, now, emails.key_expiring)
    terms = Entitlement.objects.live(now).filter(ends_at__range=_soon(now))
    for entitlement in terms.select_related("customer", "product").iterator():
        _remind(entitlement, entitlement.ends_at, now, emails.term_ending)


@transaction.atomic
def _ask_to_replace_keys_of_former_members(now: datetime) -> None:
    """Who revealed a key and then left may still have it."""
    members = Membership.objects.filter(
        user=OuterRef("secret__revealed_by"), customer=OuterRef("pull_user__customer")
    )
    left = AccessKey.objects.current().filter(
        ~Exists(members),
        secret__revealed_by__isnull=False,
        holder_left_at=None,
        pull_user__desired=Desired.PRESENT,
    )
    for key in left.select_related("pull_user__customer", "secret__revealed_by"):
        # Of two workers one writes it.
        if AccessKey.objects.filter(pk=key.pk, holder_left_at=None).update(holder_left_at=now):
            emails.holder_left(key)


def _soon(now: datetime) -> tuple[datetime, datetime]:
    return now, now + timedelta(days=max(REMINDERS))


@transaction.atomic
def _remind(row: M, at: datetime | None, now: datetime, write: Callable[[M, int], None]) -> None:
    left = at - now if at else timedelta(0)
    days = min(days for days in REMINDERS if left <= timedelta(days=days))
    not_yet = Q(warned_days__isnull=True) | Q(warned_days__gt=days)
    rows: models.QuerySet[M] = type(row)._default_manager.filter(not_yet, pk=row.pk)
    # Of two workers one writes it.
    if rows.update(warned_days=days):
        write(row, days)
