"""The progress of an entitlement, in steps and in words."""

from dataclasses import dataclass
from datetime import datetime

from django.utils import timezone

from provisioning.models import Entitlement, PullUser, Reconciled, Repository
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
from provisioning.states import Desired, EntitlementState, KeyStatus, Status

DONE, WORKING, WAITING, ATTENTION = "done", "working", "waiting", "attention"

GONE = "Removal confirmed in AWS"

LABELS = {
    "requested": "Requested",
    "rejected": "Rejected",
    "planned": "Approved for later",
    "working": "Being set up",
    "attention": "Needs attention",
    "ready": "Ready",
    "suspended": "Suspended",
    "ending": "Being removed",
    "ended": "Ended",
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
    """The progress of an entitlement. ``state`` is one of LABELS; ``words`` are for its
    customer."""

    state: str
    words: str
    steps: list[ProgressStep]

    @property
    def label(self) -> str:
        """The state in a word or two."""
        return LABELS[self.state]

    @property
    def is_moving(self) -> bool:
        return self.state in {"working", "ending", "attention"}

    @property
    def asks_again(self) -> int:
        """After how many seconds a page that shows it refreshes; 0 where nothing will change."""
        return 2 if self.is_moving else 5 if self.state == "requested" else 0


def progress(entitlement: Entitlement) -> Progress:
    """The progress of an entitlement loaded by ``entitlements``. No query."""
    requested = ProgressStep("Requested", DONE, at=entitlement.requested_at)
    match entitlement.state:
        case EntitlementState.REQUESTED:
            words = "Waiting for your vendor to approve the request."
            return Progress("requested", words, [requested, ProgressStep("Approved", WAITING)])
        case EntitlementState.REJECTED:
            words = "Your vendor rejected the request."
            decided = ProgressStep(
                "Rejected", DONE, entitlement.decision_note, entitlement.decided_at
            )
            return Progress("rejected", words, [requested, decided])
        case EntitlementState.APPROVED:
            approved = ProgressStep(
                "Approved", DONE, entitlement.decision_note, entitlement.decided_at
            )
            return _provisioning(entitlement, [requested, approved])
        case EntitlementState.SUSPENDED:
            return _suspended(entitlement, [requested])
        case _:
            return _ending(entitlement, [requested])


def _provisioning(entitlement: Entitlement, before: list[ProgressStep]) -> Progress:
    if entitlement.customer.suspended_at:
        return _suspended(entitlement, before)
    if entitlement.starts_at and entitlement.starts_at > timezone.now():
        start = ProgressStep("Starts", WAITING, at=entitlement.starts_at)
        return Progress("planned", "Access starts on its start date.", [*before, start])
    steps = []
    for pull_user in pull_users(entitlement):
        steps += [_user_step(pull_user), *_key_steps(pull_user)]
    steps += [_repository_step(entitlement, repository) for repository in repositories(entitlement)]
    state, words = _summary(steps, is_held=entitlement.portal_is_held)  # type: ignore[attr-defined]
    return Progress(state, words, before + steps)


def _summary(steps: list[ProgressStep], *, is_held: bool) -> tuple[str, str]:
    states = {step.state for step in steps}
    if states == {DONE}:
        return "ready", "Ready to pull."
    if is_held:
        return "working", (
            "Your vendor has stopped all changes for a while, to check them. What you can pull "
            "already stays as it is; the rest goes on afterwards, by itself."
        )
    if ATTENTION in states:
        return "attention", "Your vendor needs to look at this, and can see what is wrong."
    return "working", "Being set up in AWS. This usually takes less than a minute."


def _user_step(pull_user: PullUser) -> ProgressStep:
    name = f"Pull user{_label(pull_user)} created"
    if pull_user.status == Status.READY and not pull_user.attention:
        return ProgressStep(name, DONE)
    return _unfinished(name, pull_user)


def _key_steps(pull_user: PullUser) -> list[ProgressStep]:
    created = f"Access key{_label(pull_user)} created"
    key = current_key(pull_user)
    if key is None and pull_user.unclaimed_at:
        note = "Nobody revealed it in time, so it was destroyed. Create a new key."
        return [ProgressStep(created, DONE, note, pull_user.unclaimed_at)]
    if key is None:
        return [ProgressStep(created, WAITING if pull_user.attention else WORKING)]
    tested = ProgressStep(f"Access key{_label(pull_user)} tested", DONE, at=key.tested_at)
    if key.tested_at is None and key.secret.is_unrevealed:
        tested = ProgressStep(tested.name, WORKING, tested_when(key, pull_user))
    is_shown = key.tested_at is not None or tested.state != DONE
    if key.desired == KeyStatus.ACTIVE and key.status == KeyStatus.INACTIVE:
        # Ops decide about it, or it is about to be activated.
        off = f"Access key {key.access_key_id} active"
        note = "It is deactivated in AWS. Your vendor can see this."
        return [ProgressStep(off, ATTENTION, note)]
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
    steps = [*before, ProgressStep("Suspended", DONE, at=entitlement.customer.suspended_at)]
    closing = _closing(entitlement)
    for pull_user in pull_users(entitlement):
        if pull_user.desired == Desired.SUSPENDED:
            name = f"Access key{_label(pull_user)} deactivated"
            is_off = pull_user.status == Status.SUSPENDED
            closing.append(ProgressStep(name, DONE) if is_off else _unfinished(name, pull_user))
    if all(step.state == DONE for step in closing):
        words = (
            "Your vendor has suspended access. Your keys are kept, and will work again afterwards."
        )
        return Progress("suspended", words, steps + closing)
    return Progress("ending", "Access is being suspended.", steps + closing)


def _ending(entitlement: Entitlement, before: list[ProgressStep]) -> Progress:
    label = entitlement.get_state_display()
    before = [*before, ProgressStep(label, DONE, at=entitlement.ended_at)]
    closing = _closing(entitlement)
    for pull_user in pull_users(entitlement):
        if pull_user.desired == Desired.ABSENT:
            is_gone = pull_user.status == Status.GONE
            name = "Pull user and access keys deleted"
            closing.append(ProgressStep(name, DONE) if is_gone else _unfinished(name, pull_user))
    if all(step.state == DONE for step in closing):
        if entitlement.closed_at:
            closing.append(ProgressStep(GONE, DONE, _took(entitlement), entitlement.closed_at))
        return Progress("ended", "Access has ended.", before + closing)
    return Progress("ending", "Access is being removed.", before + closing)


def _closing(entitlement: Entitlement) -> list[ProgressStep]:
    closing = []
    for repository in repositories(entitlement):
        grant = grant_of(entitlement, repository)
        # A desired grant stays: another product opens the repository as well.
        is_closed = grant is None or grant.desired == Desired.PRESENT or grant.status == Status.GONE
        name = f"Repository {repository.name} closed"
        closing.append(ProgressStep(name, DONE) if is_closed else _unfinished(name, repository))
    return closing
