"""Reminders: that credentials wait, that an access key expires or access ends, that the holder of
a key has left, and that requests wait. Each is written once, and costs nothing before it is due."""

from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import Count, Exists, Min, OuterRef, Q

from accounts import clock
from accounts.emails import preferences
from accounts.models import Email, EmailKind, Membership
from provisioning.models import AccessKey, Entitlement, OneTimeSecret
from provisioning.notifications import emails
from provisioning.states import Desired, EntitlementState, KeyStatus

# Days before the end, the last one first: it stands for those that were missed.
REMINDERS = (1, 7, 14, 30)
# Of the time that a secret waits: days 6 and 3 of 7.
SHARES = (6 / 7, 3 / 7)
# Between two emails about the requests that wait: a little less than a day.
DAILY = timedelta(hours=23)


def send() -> None:
    """Write the reminders that are due."""
    now = clock.now()
    _remind_of_unrevealed_secrets(now)
    _ask_to_replace_keys_of_former_members(now)
    for days in REMINDERS:
        _remind_of_expiring_keys(now, days)
        _remind_of_ending_terms(now, days)
    _list_waiting_requests(now)


def _remind_of_unrevealed_secrets(now: datetime) -> None:
    waiting = OneTimeSecret.objects.filter(
        ciphertext__isnull=False,
        access_key__in=AccessKey.objects.current().filter(
            tested_at__isnull=False,
            desired=KeyStatus.ACTIVE,
            pull_user__desired=Desired.PRESENT,
        ),
    )
    for number, share in zip(range(len(SHARES), 0, -1), SHARES, strict=True):
        since = now - share * settings.UNCLAIMED_AFTER
        due = waiting.filter(created_at__lte=since, reminders__lt=number)
        for secret in due.select_related("access_key__pull_user__customer"):
            _remind_of_secret(secret, number)


@transaction.atomic
def _remind_of_secret(secret: OneTimeSecret, number: int) -> None:
    # Of two workers one writes it.
    unsaid = OneTimeSecret.objects.filter(pk=secret.pk, reminders__lt=number)
    if unsaid.update(reminders=number):
        emails.unrevealed(secret.access_key)


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


def _not_warned(days: int) -> Q:
    return Q(warned_days__isnull=True) | Q(warned_days__gt=days)


def _remind_of_expiring_keys(now: datetime, days: int) -> None:
    due = AccessKey.objects.current().filter(
        _not_warned(days),
        pull_user__desired=Desired.PRESENT,
        expires_at__range=(now, now + timedelta(days=days)),
    )
    for key in due.select_related("pull_user__customer"):
        with transaction.atomic():
            # Of two workers one writes it.
            unsaid = AccessKey.objects.filter(_not_warned(days), pk=key.pk)
            if unsaid.update(warned_days=days):
                emails.key_expiring(key, days)


def _remind_of_ending_terms(now: datetime, days: int) -> None:
    ends = (now, now + timedelta(days=days))
    due = Entitlement.objects.live(now).filter(_not_warned(days), ends_at__range=ends)
    for entitlement in due.select_related("customer", "product", "decided_by"):
        with transaction.atomic():
            unsaid = Entitlement.objects.filter(_not_warned(days), pk=entitlement.pk)
            if unsaid.update(warned_days=days):
                emails.term_ending(entitlement, days)


@transaction.atomic
def _list_waiting_requests(now: datetime) -> None:
    readers = preferences.staff_readers(EmailKind.REQUESTS_WAITING)
    requests = Entitlement.objects.filter(state=EntitlementState.REQUESTED)
    found = requests.aggregate(number=Count("pk"), oldest=Min("requested_at")) if readers else {}
    if not found.get("number"):
        return
    told = Email.objects.filter(kind=EmailKind.REQUESTS_WAITING, created_at__gt=now - DAILY)
    lately = set(told.values_list("user_id", flat=True))
    for reader in readers:
        if reader.pk not in lately:
            emails.requests_waiting(reader, found["number"], found["oldest"])
