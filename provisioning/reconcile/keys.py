"""A pull user's keys as time goes by: they retire, run out, wait for their customer, and
are tried before they are shown."""

from datetime import datetime

from django.conf import settings
from django.utils import timezone

from provisioning import steps, vault
from provisioning.aws import errors
from provisioning.models import AccessKey, PullUser
from provisioning.models.pull_user import TRIED_FOR, AccessKeyQuerySet
from provisioning.plan import Step
from provisioning.reconcile.ending import BACKOFF_LAST, NEWCOMER_RETRY
from provisioning.reconcile.findings import Drift, Kind
from provisioning.states import KeyStatus, Status, Wanted
from provisioning.steps.pull_user import UserTurn


def retire_what_is_over(row: PullUser) -> None:
    """Keys whose age has run out go, and so do those that nobody collected; a new one is
    made for the former, and for the latter when somebody asks."""
    now = timezone.now()
    expired = row.access_keys.current().filter(expires_at__lte=now)
    unclaimed = row.access_keys.current().filter(
        secret__sealed__isnull=False, secret__made_at__lte=now - settings.UNCLAIMED_AFTER
    )
    over = [*expired, *unclaimed]
    if unclaimed.exists():
        row.unclaimed_at = now
        row.save(update_fields=["unclaimed_at"])
    vault.burn(*over)
    AccessKey.objects.filter(pk__in=[key.pk for key in over]).update(retires_at=now)


def next_change(row: PullUser) -> datetime | None:
    """When a key next retires, runs out, or has waited for too long."""
    times: list[datetime | None] = []
    for key in row.access_keys.exclude(wanted=KeyStatus.DELETED).select_related("secret"):
        times.append(key.retires_at or key.expires_at)
        if key.retires_at is None and key.secret.is_sealed:
            times.append(key.secret.made_at + settings.UNCLAIMED_AFTER)
    return min((time for time in times if time), default=None)


def _untested(row: PullUser) -> AccessKeyQuerySet:
    return row.access_keys.current().filter(
        tested_at__isnull=True, secret__sealed__isnull=False, status=KeyStatus.ACTIVE
    )


def unusable_keys(row: PullUser) -> list[Drift]:
    """The key that was tried and that AWS should accept by now."""
    tried = row.attempts.filter(step="try_access_key", outcome="temporary")
    late = _untested(row).filter(created_at__lt=timezone.now() - TRIED_FOR)
    return [Drift(Kind.KEY_UNUSABLE, key.access_key_id) for key in late if tried.exists()]


def try_keys(turn: UserTurn) -> datetime | None:
    """Try the key that nobody has seen yet, as its customer's machine will use it. Returns
    when to try again, if it did not work."""
    row = turn.pull_user
    key = _untested(row).first()
    open_ = row.grants.filter(wanted=Wanted.PRESENT, status=Status.READY)
    if key is None or row.wanted != Wanted.PRESENT or not open_.exists():
        return None
    try:
        steps.perform(Step("try_access_key", key.access_key_id), turn)
    except errors.KeyNotAccepted:
        age = timezone.now() - key.created_at
        return timezone.now() + max(NEWCOMER_RETRY, min(age / 4, BACKOFF_LAST))
    return None
