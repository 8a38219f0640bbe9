"""The difference between what is wanted and what AWS has, as steps in their order. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field

# "Each user can have a maximum of two access keys": IAM quotas. Inactive ones count.
ACCESS_KEYS_PER_USER = 2


@dataclass(frozen=True)
class Step:
    """One thing to do; ``name`` is the function of ``provisioning.steps`` that does it."""

    name: str
    access_key_id: str = ""


@dataclass(frozen=True)
class WantedUser:
    """``keys``: the ids that should live; ``needs_key``: whether one more should be made."""

    is_present: bool
    keys: frozenset[str] = frozenset()
    needs_key: bool = False


@dataclass(frozen=True)
class ObservedUser:
    """``is_complete``: it is the very user that the database knows, and may sign in;
    ``keys``: access key id → IAM's status."""

    has_login_policy: bool
    is_present: bool
    is_complete: bool = False
    keys: Mapping[str, str] = field(default_factory=dict)


def diff(wanted: WantedUser, observed: ObservedUser) -> list[Step]:
    """The steps from ``observed`` to ``wanted``; none when they agree."""
    return _provision(wanted, observed) if wanted.is_present else _remove(observed)


def _provision(wanted: WantedUser, observed: ObservedUser) -> list[Step]:
    steps = []
    if not observed.has_login_policy:
        steps.append(Step("ensure_login_policy"))
    if not observed.is_complete:
        steps.append(Step("ensure_pull_user"))
    # A new key comes before the old one goes, where IAM has room for both.
    removals = [
        Step("remove_access_key", key) for key in sorted(observed.keys.keys() - wanted.keys)
    ]
    if not wanted.needs_key:
        return steps + removals
    creation = Step("ensure_access_key")
    if len(observed.keys) < ACCESS_KEYS_PER_USER:
        return [*steps, creation, *removals]
    return [*steps, *removals, creation]


def _remove(observed: ObservedUser) -> list[Step]:
    if not observed.is_present:
        return []
    removals = [Step("remove_access_key", key) for key in sorted(observed.keys)]
    return [*removals, Step("remove_pull_user")]
