"""The difference between what is wanted and what AWS has, as steps in their order. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field

# "Each user can have a maximum of two access keys": IAM quotas. Inactive ones count.
ACCESS_KEYS_PER_USER = 2


@dataclass(frozen=True)
class Step:
    """One thing to do; ``name`` is the function of ``provisioning.steps`` that does it.
    ``status``: what an access key becomes."""

    name: str
    access_key_id: str = ""
    status: str = ""

    @property
    def takes_away(self) -> bool:
        """It leaves less to the customer, or to whoever has its key: never put off."""
        return self.name.startswith("remove") or self.status == "Inactive"


@dataclass(frozen=True)
class WantedUser:
    """``keys``: those that should live, id → IAM's status; ``needs_key``: whether one more
    should be made; ``repositories``: ARNs that the user's own policy should open."""

    is_present: bool
    keys: Mapping[str, str] = field(default_factory=dict)
    needs_key: bool = False
    repositories: frozenset[str] = frozenset()


@dataclass(frozen=True)
class ObservedUser:
    """``is_complete``: it is the very user that the database knows, and may sign in;
    ``keys``: access key id → IAM's status; ``repositories``: what its own policy opens, None
    where that policy is not as the portal writes it; ``foreign``: names of policies that the
    portal did not give."""

    has_login_policy: bool
    is_present: bool
    is_complete: bool = False
    user_id: str = ""
    keys: Mapping[str, str] = field(default_factory=dict)
    repositories: frozenset[str] | None = frozenset()
    foreign: frozenset[str] = frozenset()


def diff(wanted: WantedUser, observed: ObservedUser) -> list[Step]:
    """The steps from ``observed`` to ``wanted``; none when they agree. What must go goes
    first: nothing that fails later keeps it alive."""
    if not wanted.is_present:
        return _remove(observed)
    steps = [
        Step("remove_access_key", key) for key in sorted(observed.keys.keys() - wanted.keys.keys())
    ]
    switches = [
        Step("set_key_status", key, status)
        for key, status in sorted(wanted.keys.items())
        if observed.keys.get(key, status) != status
    ]
    steps += sorted(switches, key=lambda step: not step.takes_away)
    if not observed.has_login_policy:
        steps.append(Step("ensure_login_policy"))
    if not observed.is_complete:
        steps.append(Step("ensure_pull_user"))
    if wanted.needs_key:
        steps.append(Step("ensure_access_key"))
    if wanted.repositories != observed.repositories:
        steps.append(Step("ensure_user_policy"))
    return steps


def _remove(observed: ObservedUser) -> list[Step]:
    if not observed.is_present:
        return []
    closing = [Step("ensure_user_policy")] if observed.repositories != frozenset() else []
    removals = [Step("remove_access_key", key) for key in sorted(observed.keys)]
    return [*closing, *removals, Step("remove_pull_user")]
