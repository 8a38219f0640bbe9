"""What a member should know of first. No query."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum

from django.utils import timezone

from provisioning.models import AccessKey, Entitlement, PullUser
from provisioning.queries.keys import SOON, claimed_until
from provisioning.queries.parts import current_key, pull_users
from provisioning.queries.progress import ATTENTION, progress
from provisioning.states import EntitlementState, KeyStatus


class Kind(IntEnum):
    """What there is to do; the first are the most urgent. Those from OLD_KEY_IN_USE on
    have a day by which, and go by that."""

    UNCLAIMED = 1
    REVEAL = 2
    STUCK = 3
    OLD_KEY_IN_USE = 4
    KEY_EXPIRES = 5
    TERM_ENDS = 6


@dataclass(frozen=True)
class Todo:
    """``entitlement`` is the one on whose page it is done; ``at`` is the day by which, or
    since which. A pull user serves many products, and is told of once."""

    kind: Kind
    entitlement: Entitlement
    pull_user: PullUser | None = None
    key: AccessKey | None = None
    at: datetime | None = None

    @property
    def name(self) -> str:
        """For a template to choose its words by."""
        return self.kind.name

    @property
    def has_a_day(self) -> bool:
        """Whether it goes on until ``at`` as it is."""
        return self.kind >= Kind.OLD_KEY_IN_USE

    @property
    def is_of_credentials(self) -> bool:
        """Whether only who handles credentials can do it."""
        return self.kind in {Kind.UNCLAIMED, Kind.REVEAL, Kind.KEY_EXPIRES}


def todo(entitlements: Iterable[Entitlement]) -> list[Todo]:
    """What needs doing for these entitlements, loaded by ``entitlements``, the most urgent
    first."""
    now = timezone.now()
    found: list[Todo] = []
    seen: set[int] = set()
    for entitlement in entitlements:
        if entitlement.state != EntitlementState.APPROVED or entitlement.customer.suspended_at:
            continue
        if entitlement.ends_at and now < entitlement.ends_at <= now + SOON:
            found.append(Todo(Kind.TERM_ENDS, entitlement, at=entitlement.ends_at))
        if progress(entitlement).state == ATTENTION:
            found.append(Todo(Kind.STUCK, entitlement))
        for pull_user in pull_users(entitlement):
            if pull_user.is_ready and pull_user.pk not in seen:
                seen.add(pull_user.pk)
                found += _of_keys(pull_user, entitlement, now)
    return sorted(found, key=_urgency)


def _urgency(row: Todo) -> tuple[int, float]:
    return min(row.kind, Kind.OLD_KEY_IN_USE), row.at.timestamp() if row.at else 0


def _of_keys(pull_user: PullUser, entitlement: Entitlement, now: datetime) -> Iterable[Todo]:
    key = current_key(pull_user)
    if key is None:
        if pull_user.unclaimed_at:
            yield Todo(Kind.UNCLAIMED, entitlement, pull_user, at=pull_user.unclaimed_at)
    elif key.secret.is_sealed:
        if key.is_offered and key.wanted == KeyStatus.ACTIVE:
            yield Todo(Kind.REVEAL, entitlement, pull_user, key, claimed_until(key))
    elif key.expires_at and key.expires_at <= now + SOON:
        yield Todo(Kind.KEY_EXPIRES, entitlement, pull_user, key, key.expires_at)
    for old in pull_user.access_keys.all():
        if old.retires_at and old.retires_at > now and key and _is_in_use(old, instead=key):
            yield Todo(Kind.OLD_KEY_IN_USE, entitlement, pull_user, old, old.retires_at)


def _is_in_use(old: AccessKey, *, instead: AccessKey) -> bool:
    """Whether it was used after the new one was collected, or is all that was ever used."""
    collected_at = instead.secret.revealed_at
    if collected_at is None or old.last_used_at is None or old.wanted != KeyStatus.ACTIVE:
        return False
    return instead.last_used_at is None or old.last_used_at > collected_at
