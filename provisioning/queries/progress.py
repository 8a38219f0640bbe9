"""The progress of an entitlement, in steps and in words."""

from dataclasses import dataclass, replace
from datetime import datetime

from django.utils import timezone

from provisioning.models import Entitlement, PullUser, Reconciled, Repository
from provisioning.queries import wording
from provisioning.queries.keys import key_state, state_of_keys
from provisioning.queries.lookups import (
    DEFAULT,
    current_key,
    denials,
    grant_of,
    pull_user_of,
    pull_users,
    repositories,
    tested_when,
)
from provisioning.queries.wording import State
from provisioning.states import Desired, EntitlementState, KeyStatus, Status

DONE, WORKING, WAITING, ATTENTION = "done", "working", "waiting", "attention"

GONE = "Removal confirmed in AWS"

# What changes by itself, and after how many seconds a page looks again.
REFRESHED_AFTER = {
    wording.SETTING_UP: 2,
    wording.ATTENTION: 2,
    wording.REPLACING: 2,
    wording.SUSPENDING: 2,
    wording.ENDING: 2,
    wording.REQUESTED: 5,
    wording.HELD: 5,
    wording.PAUSED: 5,
}


@dataclass(frozen=True)
class ProgressStep:
    """A step as a page shows it. ``state`` is DONE, WORKING, WAITING or ATTENTION; ``error`` is
    for the vendor's people only."""

    name: str
    state: str
    note: str = ""
    at: datetime | None = None
    error: str = ""


@dataclass(frozen=True)
class Progress:
    """The progress of an entitlement; ``at`` is the moment that completes the words of its
    state, if one does."""

    state: State
    steps: list[ProgressStep]
    at: datetime | None = None

    @property
    def asks_again(self) -> int:
        """After how many seconds a page that shows it refreshes; 0 where nothing will change."""
        return REFRESHED_AFTER.get(self.state, 0)


def progress(entitlement: Entitlement) -> Progress:
    """The progress of an entitlement loaded by ``entitlements``. No query."""
    requested = ProgressStep("Requested", DONE, at=entitlement.requested_at)
    decided = ProgressStep("Approved", DONE, entitlement.decision_note, entitlement.decided_at)
    match entitlement.state:
        case EntitlementState.REQUESTED:
            steps = [requested, ProgressStep("Approved", WAITING)]
            return Progress(wording.REQUESTED, steps, entitlement.requested_at)
        case EntitlementState.REJECTED:
            steps = [requested, replace(decided, name="Rejected")]
            return Progress(wording.REJECTED, steps, entitlement.decided_at)
        case EntitlementState.APPROVED if not _is_over(entitlement):
            return _provisioning(entitlement, [requested, decided])
        case EntitlementState.SUSPENDED:
            return _suspended(entitlement, [requested])
        case _:
            return _ending(entitlement, [requested])


def _is_over(entitlement: Entitlement) -> bool:
    return entitlement.ends_at is not None and entitlement.ends_at <= timezone.now()


def _provisioning(entitlement: Entitlement, before: list[ProgressStep]) -> Progress:
    if entitlement.customer.suspended_at:
        return _suspended(entitlement, before)
    starts_at = entitlement.starts_at
    if starts_at and starts_at > timezone.now():
        steps = [*before, ProgressStep("Starts", WAITING, at=starts_at)]
        return Progress(wording.PLANNED, steps, starts_at)
    users = pull_users(entitlement)
    keys = [step for user in users for step in _key_steps(user)]
    others = [_user_step(user) for user in users]
    others += [_repository_step(entitlement, row) for row in repositories(entitlement)]
    state, at = _summary(entitlement, keys, others)
    return Progress(state, [*before, *others[: len(users)], *keys, *others[len(users) :]], at)


def _summary(
    entitlement: Entitlement, keys: list[ProgressStep], others: list[ProgressStep]
) -> tuple[State, datetime | None]:
    """The state, and its moment: that of the keys, once nothing else is to be done."""
    is_open = all(step.state == DONE for step in others)
    missing = {step.state for step in [*keys, *others]} - {DONE}
    of_keys, at = state_of_keys(pull_users(entitlement))
    if is_open and (of_keys in wording.USABLE or not missing):
        return of_keys, at
    if entitlement.portal_is_held:  # type: ignore[attr-defined]
        return wording.HELD, None
    if ATTENTION in missing:
        return wording.ATTENTION, None
    if any(row.registry.paused_at for row in repositories(entitlement)):
        return wording.PAUSED, None
    return wording.SETTING_UP, None


def _user_step(pull_user: PullUser) -> ProgressStep:
    name = f"Pull user{_label(pull_user)} created"
    if pull_user.status == Status.READY and not pull_user.attention:
        return ProgressStep(name, DONE)
    return _unfinished(name, pull_user)


def _key_steps(pull_user: PullUser) -> list[ProgressStep]:
    created = f"Access key{_label(pull_user)} created"
    key = current_key(pull_user)
    if key is None and pull_user.unclaimed_at:
        note = f"{wording.KEY_UNCLAIMED.words}. {wording.KEY_UNCLAIMED.remedy}"
        return [ProgressStep(created, DONE, note, pull_user.unclaimed_at)]
    if key is None:
        return [ProgressStep(created, WAITING if pull_user.attention else WORKING)]
    tested = ProgressStep(f"Access key{_label(pull_user)} tested", DONE, at=key.tested_at)
    if key.tested_at is None and key.secret.is_unrevealed:
        tested = ProgressStep(tested.name, WORKING, tested_when(key, pull_user))
    is_shown = key.tested_at is not None or tested.state != DONE
    if key.desired == KeyStatus.ACTIVE and (key.status == KeyStatus.INACTIVE or key.is_in_doubt):
        state = key_state(key, pull_user).state
        is_ours = state.slug == wording.KEY_ACTIVATING.slug
        name = f"Access key {key.access_key_id} active"
        return [ProgressStep(name, WORKING if is_ours else ATTENTION, state.remedy)]
    return [
        ProgressStep(created, DONE, at=key.created_at),
        # A key that was revealed before it was ever tested needs no test any more.
        *([tested] if is_shown else []),
    ]


def _label(pull_user: PullUser) -> str:
    return "" if pull_user.label == DEFAULT else f" {pull_user.label}"


def _repository_step(entitlement: Entitlement, repository: Repository) -> ProgressStep:
    name = f"Repository {repository.name} opened"
    grant = grant_of(entitlement, repository)
    if grant is not None and grant.status == Status.READY:
        # What depends on a condition may not concern the customer's machines.
        denied = [each for each in denials(entitlement, repository) if not each.condition]
        if denied:
            note = f"The repository's own policy denies it ({denied[0]}). Your vendor can see this."
            return ProgressStep(name, ATTENTION, note)
        return ProgressStep(name, DONE, at=grant.changed_at)
    pull_user = pull_user_of(entitlement, repository.registry.account_id)
    if pull_user is None or pull_user.status != Status.READY:
        return ProgressStep(name, WAITING)
    return _unfinished(name, repository)


def _unfinished(name: str, row: Reconciled) -> ProgressStep:
    if row.attention:
        return ProgressStep(name, ATTENTION, "Your vendor can see this.", row.due_at, row.attention)
    if row.failures:
        note = "AWS has not done this yet; it will be retried."
        return ProgressStep(name, WORKING, note, row.due_at, row.last_error)
    return ProgressStep(name, WORKING)


def _took(entitlement: Entitlement) -> str:
    """How long it took until AWS had nothing of it left."""
    if entitlement.closed_at is None or entitlement.ended_at is None:
        return ""
    seconds = round((entitlement.closed_at - entitlement.ended_at).total_seconds())
    return f"{seconds} seconds after the end." if seconds != 1 else "One second after the end."


def _suspended(entitlement: Entitlement, before: list[ProgressStep]) -> Progress:
    suspended_at = entitlement.customer.suspended_at
    closing = _closing(entitlement)
    for pull_user in pull_users(entitlement):
        if pull_user.desired == Desired.SUSPENDED:
            name = f"Access key{_label(pull_user)} deactivated"
            is_off = pull_user.status == Status.SUSPENDED
            closing.append(ProgressStep(name, DONE) if is_off else _unfinished(name, pull_user))
    steps = [*before, ProgressStep("Suspended", DONE, at=suspended_at), *closing]
    if all(step.state == DONE for step in closing):
        return Progress(wording.SUSPENDED, steps, suspended_at)
    return Progress(wording.SUSPENDING, steps)


def _ending(entitlement: Entitlement, before: list[ProgressStep]) -> Progress:
    ended_at = entitlement.ended_at or entitlement.ends_at
    if entitlement.ended_at is None:
        # Its last day is over; nothing has been closed yet.
        is_held = entitlement.portal_is_held  # type: ignore[attr-defined]
        note = f"{wording.HELD.words}. {wording.HELD.remedy}" if is_held else ""
        expired = ProgressStep("Expired", DONE, at=ended_at)
        removed = ProgressStep("Access removed", WORKING, note)
        return Progress(wording.ENDING, [*before, expired, removed])
    closing = _closing(entitlement)
    for pull_user in pull_users(entitlement):
        if pull_user.desired == Desired.ABSENT:
            is_gone = pull_user.status == Status.GONE
            name = "Pull user and access keys deleted"
            closing.append(ProgressStep(name, DONE) if is_gone else _unfinished(name, pull_user))
    is_done = all(step.state == DONE for step in closing)
    is_withdrawn = entitlement.state == EntitlementState.WITHDRAWN
    ended = ProgressStep("Withdrawn" if is_withdrawn else "Expired", DONE, at=ended_at)
    steps = [*before, ended, *closing]
    if not is_done:
        return Progress(wording.ENDING, steps)
    if entitlement.closed_at:
        steps.append(ProgressStep(GONE, DONE, _took(entitlement), entitlement.closed_at))
    return Progress(wording.WITHDRAWN if is_withdrawn else wording.EXPIRED, steps, ended_at)


def _closing(entitlement: Entitlement) -> list[ProgressStep]:
    closing = []
    for repository in repositories(entitlement):
        grant = grant_of(entitlement, repository)
        # A desired grant stays: another product opens the repository as well.
        is_closed = grant is None or grant.desired == Desired.PRESENT or grant.status == Status.GONE
        name = f"Repository {repository.name} closed"
        closing.append(ProgressStep(name, DONE) if is_closed else _unfinished(name, repository))
    return closing
