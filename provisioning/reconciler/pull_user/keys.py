"""A pull user's keys over time: they retire, expire, wait to be revealed, and are tested before
they are offered."""

from datetime import datetime

from django.conf import settings

from accounts import clock
from provisioning import vault
from provisioning.aws.gateway import Gateway
from provisioning.models import AccessKey, Drift
from provisioning.models.access_key import TESTED_FOR
from provisioning.reconciler.drift import Difference
from provisioning.reconciler.pull_user.context import PullUserContext
from provisioning.reconciler.uses import purpose
from provisioning.states import KeyStatus


def retire_overdue(context: PullUserContext) -> None:
    """Keys that have expired are retired, and so are those that nobody revealed in time. A new
    one is created for the former, and for the latter when a person asks."""
    row, now = context.pull_user, clock.now()
    if not _unclaimed(context.keys, now) and not _expired(context.keys, now):
        return
    with context.lease.writing():
        # As they are in this transaction: someone may just have revealed one.
        context.forget()
        unclaimed = _unclaimed(context.keys, now)
        overdue = [*_expired(context.keys, now), *unclaimed]
        if unclaimed:
            row.unclaimed_at = now
            row.save(update_fields=["unclaimed_at"])
        vault.destroy(*overdue)
        AccessKey.objects.filter(pk__in=[key.pk for key in overdue]).update(retires_at=now)
        context.forget()


def _unclaimed(keys: list[AccessKey], now: datetime) -> list[AccessKey]:
    waiting = [key for key in keys if key.is_current and key.secret.is_unrevealed]
    return [key for key in waiting if key.secret.created_at <= now - settings.UNCLAIMED_AFTER]


def _expired(keys: list[AccessKey], now: datetime) -> list[AccessKey]:
    return [key for key in keys if key.is_current and key.expires_at and key.expires_at <= now]


def next_change(keys: list[AccessKey]) -> datetime | None:
    """When a key next retires, expires, or has waited too long to be revealed. What is overdue
    already was this turn's to do."""
    now = clock.now()
    times: list[datetime | None] = []
    for key in keys:
        if key.desired == KeyStatus.DELETED:
            continue
        times.append(key.ends_at)
        if key.retires_at is None and key.secret.is_unrevealed:
            times.append(key.secret.created_at + settings.UNCLAIMED_AFTER)
    return min((time for time in times if time and time > now), default=None)


def untested(keys: list[AccessKey]) -> AccessKey | None:
    """The active key that nobody has revealed yet, and that was not seen to work."""
    for key in keys:
        is_new = key.is_current and key.tested_at is None and key.secret.is_unrevealed
        if is_new and key.status == key.written == KeyStatus.ACTIVE:
            return key
    return None


def unusable_keys(context: PullUserContext) -> list[Difference]:
    """The key that AWS refuses, and should accept by now."""
    key = untested(context.keys)
    if key is None or key.refused_since is None or key.refused_since > clock.now() - TESTED_FOR:
        return []
    return [Difference(Drift.Kind.KEY_UNUSABLE, key.access_key_id)]


def facts_of_keys(gateway: Gateway, user_name: str) -> dict[str, dict[str, str]]:
    """What AWS knows of each key of a user: its status, when it was created, and its last use."""
    created = gateway.access_keys_created(user_name)
    facts = {}
    for key_id, status in gateway.access_keys(user_name).items():
        facts[key_id] = {"status": status, "created_at": created[key_id].isoformat()}
        if use := gateway.key_use(key_id):
            facts[key_id] |= {"used_at": use.at.isoformat(), "used_for": purpose(use)}
    return facts
