"""How far an entitlement is, in steps and in words."""

from dataclasses import dataclass
from datetime import datetime

from django.utils import timezone

from provisioning.models import AccessKey, Entitlement, PullUser, Reconciled, Repository
from provisioning.queries.parts import (
    DEFAULT,
    current_key,
    grant_of,
    pull_user_of,
    pull_users,
    repositories,
)
from provisioning.states import EntitlementState, Status, Wanted

DONE, WORKING, WAITING, ATTENTION = "done", "working", "waiting", "attention"

GONE = "Seen to be gone from AWS"

LABELS = {
    "requested": "Requested",
    "rejected": "Rejected",
    "planned": "Approved for later",
    "working": "Being set up",
    "attention": "Needs attention",
    "ready": "Ready",
    "suspended": "Suspended",
    "ending": "Being taken away",
    "ended": "Ended",
}


@dataclass(frozen=True)
class Step:
    """A step as a page shows it. ``state`` is DONE, WORKING, WAITING or ATTENTION;
    ``error`` is for the vendor's people only."""

    name: str
    state: str
    note: str = ""
    at: datetime | None = None
    error: str = ""


@dataclass(frozen=True)
class Progress:
    """How far an entitlement is. ``state`` is one of LABELS; ``words`` say it to its
    customer."""

    state: str
    words: str
    steps: list[Step]

    @property
    def label(self) -> str:
        """The state in a word or two."""
        return LABELS[self.state]

    @property
    def is_moving(self) -> bool:
        return self.state in {"working", "ending", "attention"}

    @property
    def asks_again(self) -> int:
        """After how many seconds a page that shows it asks again; 0 where nothing is awaited."""
        return 2 if self.is_moving else 5 if self.state == "requested" else 0


def progress(entitlement: Entitlement) -> Progress:
    """How far an entitlement loaded by ``entitlements`` is. No query."""
    requested = Step("Requested", DONE, at=entitlement.requested_at)
    match entitlement.state:
        case EntitlementState.REQUESTED:
            words = "Waiting for your vendor to approve the request."
            return Progress("requested", words, [requested, Step("Approved", WAITING)])
        case EntitlementState.REJECTED:
            words = "Your vendor turned the request down."
            decided = Step("Rejected", DONE, entitlement.decision_note, entitlement.decided_at)
            return Progress("rejected", words, [requested, decided])
        case EntitlementState.APPROVED:
            approved = Step("Approved", DONE, entitlement.decision_note, entitlement.decided_at)
            return _provisioning(entitlement, [requested, approved])
        case EntitlementState.SUSPENDED:
            return _suspended(entitlement, [requested])
        case _:
            return _ending(entitlement, [requested])


def _provisioning(entitlement: Entitlement, before: list[Step]) -> Progress:
    if entitlement.customer.suspended_at:
        return _suspended(entitlement, before)
    if entitlement.starts_at and entitlement.starts_at > timezone.now():
        begin = Step("Begins", WAITING, at=entitlement.starts_at)
        return Progress("planned", "Access begins at its start date.", [*before, begin])
    steps = []
    for pull_user in pull_users(entitlement):
        steps += [_user_step(pull_user), *_key_steps(pull_user)]
    steps += [_repository_step(entitlement, repository) for repository in repositories(entitlement)]
    state, words = _summary(steps)
    return Progress(state, words, before + steps)


def _summary(steps: list[Step]) -> tuple[str, str]:
    states = {step.state for step in steps}
    if ATTENTION in states:
        return "attention", "Something needs your vendor's attention; they can see what."
    if states == {DONE}:
        return "ready", "Ready to pull."
    return "working", "Being set up in AWS. This usually takes less than a minute."


def _user_step(pull_user: PullUser) -> Step:
    name = f"Pull user{_label(pull_user)} made"
    if pull_user.status == Status.READY and not pull_user.attention:
        return Step(name, DONE)
    return _unfinished(name, pull_user)


def _key_steps(pull_user: PullUser) -> list[Step]:
    made = f"Access key{_label(pull_user)} made"
    key = current_key(pull_user)
    if key is None and pull_user.unclaimed_at:
        note = "Nobody collected it in time, so it was destroyed. Have a new one made."
        return [Step(made, DONE, note, pull_user.unclaimed_at)]
    if key is None:
        return [Step(made, WAITING if pull_user.attention else WORKING)]
    tested = Step(f"Access key{_label(pull_user)} tested", DONE, at=key.tested_at)
    if key.tested_at is None and key.secret.is_sealed:
        tested = Step(tested.name, WORKING, "AWS may take a minute to accept a new key.")
    return [Step(made, DONE, at=key.created_at), *([tested] if _is_told(key, tested) else [])]


def _is_told(key: AccessKey, tested: Step) -> bool:
    """A key that was collected before it was ever tried needs no trying any more."""
    return key.tested_at is not None or tested.state != DONE


def _label(pull_user: PullUser) -> str:
    return "" if pull_user.label == DEFAULT else f" {pull_user.label}"


def _repository_step(entitlement: Entitlement, repository: Repository) -> Step:
    name = f"Repository {repository.name} opened"
    grant = grant_of(entitlement, repository)
    if grant is not None and grant.status == Status.READY:
        return Step(name, DONE, at=grant.changed_at)
    pull_user = pull_user_of(entitlement, repository.registry.account_id)
    if pull_user is None or pull_user.status != Status.READY:
        return Step(name, WAITING)
    return _unfinished(name, repository)


def _unfinished(name: str, row: Reconciled) -> Step:
    if row.attention:
        return Step(name, ATTENTION, "Your vendor has been told.", row.due_at, row.attention)
    if row.failures:
        note = "AWS did not do it yet; it is tried again."
        return Step(name, WORKING, note, row.due_at, row.last_error)
    return Step(name, WORKING)


def _took(entitlement: Entitlement) -> str:
    """How long it took until AWS had nothing left of it."""
    if entitlement.closed_at is None or entitlement.ended_at is None:
        return ""
    seconds = round((entitlement.closed_at - entitlement.ended_at).total_seconds())
    return f"After {seconds} seconds." if seconds != 1 else "After one second."


def _suspended(entitlement: Entitlement, before: list[Step]) -> Progress:
    steps = [*before, Step("Suspended", DONE, at=entitlement.customer.suspended_at)]
    closing = _closing(entitlement)
    for pull_user in pull_users(entitlement):
        if pull_user.wanted == Wanted.SUSPENDED:
            name = f"Access key{_label(pull_user)} switched off"
            is_off = pull_user.status == Status.SUSPENDED
            closing.append(Step(name, DONE) if is_off else _unfinished(name, pull_user))
    if all(step.state == DONE for step in closing):
        words = "Your vendor has suspended the access. The keys stay, and work again when it ends."
        return Progress("suspended", words, steps + closing)
    return Progress("ending", "Access is being suspended.", steps + closing)


def _ending(entitlement: Entitlement, before: list[Step]) -> Progress:
    label = entitlement.get_state_display()
    before = [*before, Step(label, DONE, at=entitlement.ended_at)]
    closing = _closing(entitlement)
    for pull_user in pull_users(entitlement):
        if pull_user.wanted == Wanted.ABSENT:
            is_gone = pull_user.status == Status.GONE
            name = "Pull user and access keys deleted"
            closing.append(Step(name, DONE) if is_gone else _unfinished(name, pull_user))
    if all(step.state == DONE for step in closing):
        if entitlement.closed_at:
            closing.append(Step(GONE, DONE, _took(entitlement), entitlement.closed_at))
        return Progress("ended", "Access has ended.", before + closing)
    return Progress("ending", "Access is being taken away.", before + closing)


def _closing(entitlement: Entitlement) -> list[Step]:
    closing = []
    for repository in repositories(entitlement):
        grant = grant_of(entitlement, repository)
        # A grant that is wanted stays: another product opens the repository too.
        is_closed = grant is None or grant.wanted == Wanted.PRESENT or grant.status == Status.GONE
        name = f"Repository {repository.name} closed"
        closing.append(Step(name, DONE) if is_closed else _unfinished(name, repository))
    return closing
