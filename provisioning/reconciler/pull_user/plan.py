"""The difference between what is desired and what AWS has, as steps in their order. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from provisioning.documents.policies import NO_POLICY, UserPolicy
from provisioning.states import KeyStatus, Step


@dataclass(frozen=True)
class PlannedStep:
    """One step to take, and what it is about: ``access_key_id``, and the ``status`` that the
    key should have."""

    step: Step
    access_key_id: str = ""
    status: str = ""

    @property
    def is_revocation(self) -> bool:
        """Whether it leaves less access to the customer, or anyone who has its key."""
        return self.step.is_revocation or self.status == KeyStatus.INACTIVE


@dataclass(frozen=True)
class DesiredUser:
    """``keys``: those that should exist, id → IAM's status; ``needs_key``: whether another
    should be created; ``own_policy``: what the user's own policy should say."""

    is_present: bool
    keys: Mapping[str, str] = field(default_factory=dict)
    needs_key: bool = False
    own_policy: UserPolicy = NO_POLICY


@dataclass(frozen=True)
class ObservedUser:
    """``is_complete``: it is the very user that the database knows, and may sign in; ``keys``:
    access key id → IAM's status; ``own_policy``: what its own policy says, None where that
    policy is not as the portal writes it; ``foreign``: names of policies that the portal did not
    give it."""

    has_login_policy: bool
    is_present: bool
    is_complete: bool = False
    user_id: str = ""
    keys: Mapping[str, str] = field(default_factory=dict)
    own_policy: UserPolicy | None = NO_POLICY
    foreign: frozenset[str] = frozenset()


def diff(desired: DesiredUser, observed: ObservedUser) -> list[PlannedStep]:
    """The steps from ``observed`` to ``desired``; none when they agree. Revocations come first:
    nothing that fails later may hold them up."""
    if not desired.is_present:
        return _remove(observed)
    steps = [
        PlannedStep(Step.REMOVE_ACCESS_KEY, key)
        for key in sorted(observed.keys.keys() - desired.keys.keys())
    ]
    switches = [
        PlannedStep(Step.SET_KEY_STATUS, key, status)
        for key, status in sorted(desired.keys.items())
        if observed.keys.get(key, status) != status
    ]
    steps += sorted(switches, key=lambda planned: not planned.is_revocation)
    if not observed.has_login_policy:
        steps.append(PlannedStep(Step.ENSURE_LOGIN_POLICY))
    if not observed.is_complete:
        steps.append(PlannedStep(Step.ENSURE_PULL_USER))
    if desired.needs_key:
        steps.append(PlannedStep(Step.ENSURE_ACCESS_KEY))
    if desired.own_policy != observed.own_policy:
        steps.append(PlannedStep(Step.ENSURE_USER_POLICY))
    return steps


def _remove(observed: ObservedUser) -> list[PlannedStep]:
    if not observed.is_present:
        return []
    closing = []
    if observed.own_policy is None or observed.own_policy.repositories:
        closing = [PlannedStep(Step.ENSURE_USER_POLICY)]
    removals = [PlannedStep(Step.REMOVE_ACCESS_KEY, key) for key in sorted(observed.keys)]
    return [*closing, *removals, PlannedStep(Step.REMOVE_PULL_USER)]
