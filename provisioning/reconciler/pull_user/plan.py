"""The difference between what is desired and what AWS has, as steps in their order. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from provisioning.documents.policies import NO_POLICY, UserPolicy
from provisioning.states import KeyStatus, Step


@dataclass(frozen=True)
class PlannedStep:
    """One step to take, and what it is about: ``access_key_id``, and the ``status`` that the
    key should have; ``is_shrinking``: a policy that then opens less than before. It is not taken
    where one of the steps that it ``needs`` was not."""

    step: Step
    access_key_id: str = ""
    status: str = ""
    is_shrinking: bool = False
    needs: frozenset[Step] = field(default=frozenset(), compare=False)

    @property
    def is_revocation(self) -> bool:
        """Whether it leaves less access to the customer, or anyone who has its key."""
        return self.step.is_revocation or self.status == KeyStatus.INACTIVE or self.is_shrinking


@dataclass(frozen=True)
class DesiredUser:
    """``is_needed``: whether the user is to be created where AWS has none; ``keys``: those that
    should exist, id → IAM's status; ``needs_key``: whether another should be created;
    ``own_policy``: what the user's own policy should say.

    ``surplus``: keys that should not exist, and that AWS was last seen to have; ``doubtful``: keys
    whose status was set without knowing the outcome; ``is_policy_doubtful``: the same of the
    policy. What is doubtful is set again, whatever one read shows.
    """

    is_present: bool
    is_needed: bool = True
    keys: Mapping[str, str] = field(default_factory=dict)
    needs_key: bool = False
    own_policy: UserPolicy = NO_POLICY
    surplus: frozenset[str] = frozenset()
    doubtful: frozenset[str] = frozenset()
    is_policy_doubtful: bool = False


@dataclass(frozen=True)
class ObservedUser:
    """``is_known``: it is the very user that the database knows; ``is_complete``: and is tagged,
    bounded, and may sign in; ``keys``: access key id → IAM's status; ``own_policy``: what its own
    policy says, None where that policy is not as the portal writes it, and ``policy_meaning``
    what marks it; ``foreign``: names of policies that the portal did not give it."""

    has_login_policy: bool
    is_present: bool
    is_known: bool = False
    is_complete: bool = False
    user_id: str = ""
    arn: str = ""
    keys: Mapping[str, str] = field(default_factory=dict)
    own_policy: UserPolicy | None = NO_POLICY
    policy_meaning: str = ""
    foreign: frozenset[str] = frozenset()


def diff(desired: DesiredUser, observed: ObservedUser) -> list[PlannedStep]:
    """The steps from ``observed`` to ``desired``; none when they agree. Revocations come first:
    nothing that fails later may hold them up."""
    if not desired.is_present:
        return _remove(desired, observed)
    if not desired.is_needed and not observed.is_present:
        return []
    steps = [*_removals(desired, observed), *_switches(desired, observed)]
    policy = _policy(desired, observed)
    steps += [step for step in policy if step.is_shrinking]
    if not observed.has_login_policy:
        steps.append(PlannedStep(Step.ENSURE_LOGIN_POLICY))
    if not observed.is_complete:
        needed = frozenset({Step.ENSURE_LOGIN_POLICY})
        steps.append(PlannedStep(Step.ENSURE_PULL_USER, needs=needed))
    if desired.needs_key:
        steps.append(PlannedStep(Step.ENSURE_ACCESS_KEY, needs=_needed_for_a_key(observed)))
    return steps + [step for step in policy if not step.is_shrinking]


def _needed_for_a_key(observed: ObservedUser) -> frozenset[Step]:
    """AWS allows two keys; and a user that is only repaired can have one meanwhile."""
    room = frozenset({Step.REMOVE_ACCESS_KEY})
    return room if observed.is_known else room | {Step.ENSURE_LOGIN_POLICY, Step.ENSURE_PULL_USER}


def _removals(desired: DesiredUser, observed: ObservedUser) -> list[PlannedStep]:
    """Also of keys that one read does not show: it may be stale, and a removal whose answer was
    lost must be known to have happened."""
    if not observed.is_present:
        return []
    surplus = (observed.keys.keys() | desired.surplus) - desired.keys.keys()
    return [PlannedStep(Step.REMOVE_ACCESS_KEY, key) for key in sorted(surplus)]


def _switches(desired: DesiredUser, observed: ObservedUser) -> list[PlannedStep]:
    """Deactivations first."""
    switches = [
        PlannedStep(Step.SET_KEY_STATUS, key, status)
        for key, status in sorted(desired.keys.items())
        if key in observed.keys and (observed.keys[key] != status or key in desired.doubtful)
    ]
    return sorted(switches, key=lambda planned: not planned.is_revocation)


def _policy(desired: DesiredUser, observed: ObservedUser) -> list[PlannedStep]:
    if desired.own_policy == observed.own_policy and not desired.is_policy_doubtful:
        return []
    is_shrinking = observed.is_present and (
        desired.is_policy_doubtful
        or observed.own_policy is None
        or bool(observed.own_policy.repositories - desired.own_policy.repositories)
        or observed.own_policy.sources != desired.own_policy.sources
    )
    return [PlannedStep(Step.ENSURE_USER_POLICY, is_shrinking=is_shrinking)]


def _remove(desired: DesiredUser, observed: ObservedUser) -> list[PlannedStep]:
    if not observed.is_present:
        return []
    closing = []
    if observed.own_policy is None or observed.own_policy.repositories:
        closing = [PlannedStep(Step.ENSURE_USER_POLICY, is_shrinking=True)]
    last = PlannedStep(Step.REMOVE_PULL_USER, needs=frozenset({Step.REMOVE_ACCESS_KEY}))
    return [*closing, *_removals(desired, observed), last]
