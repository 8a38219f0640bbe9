"""What a member should do first. No query."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum

from django.utils import timezone

from provisioning.models import AccessKey, Entitlement, PullUser
from provisioning.queries import wording
from provisioning.queries.keys import SOON, claimed_until
from provisioning.queries.lookups import current_key, pull_users
from provisioning.queries.progress import progress
from provisioning.queries.wording import State
from provisioning.states import KeyStatus


class TodoKind(IntEnum):
    """What there is to do, most urgent first. From OLD_KEY_IN_USE on there is a deadline, and
    the earliest comes first."""

    UNCLAIMED = 1
    REVEAL = 2
    HOLDER_LEFT = 3
    STUCK = 4
    OLD_KEY_IN_USE = 5
    KEY_EXPIRES = 6
    TERM_ENDS = 7


STATES = {
    TodoKind.UNCLAIMED: wording.UNCLAIMED,
    TodoKind.REVEAL: wording.TO_REVEAL,
    TodoKind.STUCK: wording.ATTENTION,
}


@dataclass(frozen=True)
class Todo:
    """``entitlement`` is the one on whose page it is done; ``at`` is the deadline, or since when
    it waits. A pull user serves many products, and appears once."""

    kind: TodoKind
    entitlement: Entitlement
    pull_user: PullUser | None = None
    key: AccessKey | None = None
    at: datetime | None = None

    @property
    def name(self) -> str:
        """For a template, to choose its words."""
        return self.kind.name

    @property
    def state(self) -> State | None:
        """The state that it is about, where there is one."""
        return STATES.get(self.kind)

    @property
    def has_a_day(self) -> bool:
        """Whether ``at`` is a deadline."""
        return self.kind >= TodoKind.OLD_KEY_IN_USE

    @property
    def is_of_credentials(self) -> bool:
        """Whether only members who handle credentials can do it."""
        return self.kind in {
            TodoKind.UNCLAIMED,
            TodoKind.REVEAL,
            TodoKind.HOLDER_LEFT,
            TodoKind.KEY_EXPIRES,
        }


def todo(entitlements: Iterable[Entitlement]) -> list[Todo]:
    """What needs doing for these entitlements, loaded by ``entitlements``, most urgent first."""
    now = timezone.now()
    found: list[Todo] = []
    seen: set[int] = set()
    for entitlement in entitlements:
        state = progress(entitlement).state
        if not state.is_live:
            continue
        if entitlement.ends_at and now < entitlement.ends_at <= now + SOON:
            found.append(Todo(TodoKind.TERM_ENDS, entitlement, at=entitlement.ends_at))
        if state == wording.ATTENTION:
            found.append(Todo(TodoKind.STUCK, entitlement))
        for pull_user in pull_users(entitlement):
            if pull_user.is_ready and pull_user.pk not in seen:
                seen.add(pull_user.pk)
                found += _of_keys(pull_user, entitlement, now)
    return sorted(found, key=_urgency)


def _urgency(row: Todo) -> tuple[int, float]:
    return min(row.kind, TodoKind.OLD_KEY_IN_USE), row.at.timestamp() if row.at else 0


def _of_keys(pull_user: PullUser, entitlement: Entitlement, now: datetime) -> Iterable[Todo]:
    key = current_key(pull_user)
    if key is None:
        if pull_user.unclaimed_at:
            yield Todo(TodoKind.UNCLAIMED, entitlement, pull_user, at=pull_user.unclaimed_at)
    elif key.secret.is_unrevealed:
        if key.is_offered and key.desired == KeyStatus.ACTIVE:
            yield Todo(TodoKind.REVEAL, entitlement, pull_user, key, claimed_until(key))
    elif has_holder_left(key, pull_user.customer_id):
        yield Todo(TodoKind.HOLDER_LEFT, entitlement, pull_user, key, key.secret.revealed_at)
    elif key.expires_at and key.expires_at <= now + SOON:
        yield Todo(TodoKind.KEY_EXPIRES, entitlement, pull_user, key, key.expires_at)
    for old in pull_user.access_keys.all():
        if old.retires_at and old.retires_at > now and key and _is_in_use(old, instead=key):
            yield Todo(TodoKind.OLD_KEY_IN_USE, entitlement, pull_user, old, old.retires_at)


def has_holder_left(key: AccessKey, customer_id: int) -> bool:
    """Whether the person who revealed the key is no longer a member."""
    holder = key.secret.revealed_by
    if holder is None:
        return False
    return all(membership.customer_id != customer_id for membership in holder.memberships.all())


def _is_in_use(old: AccessKey, *, instead: AccessKey) -> bool:
    """Whether it was used after the new one was revealed, or only it was ever used."""
    revealed_at = instead.secret.revealed_at
    if revealed_at is None or old.last_used_at is None or old.desired != KeyStatus.ACTIVE:
        return False
    return instead.last_used_at is None or old.last_used_at > revealed_at
