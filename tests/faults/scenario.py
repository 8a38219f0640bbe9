"""A scenario from a seed: hours in which people act, others meddle in AWS, calls fail in AWS's
ways, messages are lost and workers killed; then quiet."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection, transaction
from django.utils import timezone

from provisioning import tasks
from provisioning.demo.seed import Cast
from provisioning.embedded_aws.faults import Fault, Kind
from provisioning.flows import Actor, NotAllowed, Refused
from provisioning.flows.drift import resolve_drift
from provisioning.models import Drift
from provisioning.models.drift import DriftKind, Repair
from tests import messages
from tests.aws import Aws
from tests.faults.actions import ACTIONS, TAKING_AWAY, WHY, Act, grant, grant_everything
from tests.faults.meddling import MEDDLING
from tests.faults.oracle import Watcher
from tests.faults.world import World
from tests.worker import TASKS, TURNS

# Of botocore, for one call.
TRIES = 3
HANDLED = TASKS | {"release_lost"}
# What the portal calls, with the refusals that AWS has for it.
OPERATIONS = [
    "GetUser",
    "CreateUser",
    "AttachUserPolicy",
    "CreateAccessKey",
    "UpdateAccessKey",
    "DeleteAccessKey",
    "ListAccessKeys",
    "PutUserPolicy",
    "DeleteUserPolicy",
    "DetachUserPolicy",
    "DeleteUser",
    "GetRepositoryPolicy",
    "SetRepositoryPolicy",
    "DeleteRepositoryPolicy",
    "GetAuthorizationToken",
]
OF_READS = {
    Kind.STALE: ["GetRepositoryPolicy"],
    Kind.GARBLED: ["GetRepositoryPolicy", "GetUserPolicy"],
}
CHANGES = [each for each in OPERATIONS if not each.startswith(("Get", "List"))]
# What AWS says although it is not so → what the portal then takes for drift.
LIES = {
    ("GetUser", Kind.REFUSED, "NoSuchEntity"): {DriftKind.USER_MISSING, DriftKind.KEY_MISSING},
    ("ListAccessKeys", Kind.REFUSED, "NoSuchEntity"): {
        DriftKind.USER_MISSING,
        DriftKind.KEY_MISSING,
    },
    ("GetAuthorizationToken", Kind.REFUSED, "AccessDenied"): {DriftKind.KEY_UNUSABLE},
}
# What misread policies explain: the statement looks edited, or a key is tested before it can pull.
OF_MISREADING = {DriftKind.STATEMENT_CHANGED, DriftKind.KEY_UNUSABLE}
REFUSALS = [
    (400, "Throttling", "Rate exceeded"),
    (500, "ServiceFailure", "The service failed."),
    (403, "AccessDenied", "because no identity-based policy allows it"),
    (409, "ConcurrentModification", "Busy."),
    (404, "NoSuchEntity", "Not yet."),
]


class Killed(BaseException):
    """The worker died here."""


class Scenario(World):
    """``story`` says what happened."""

    actions, meddling = ACTIONS, MEDDLING

    def __init__(self, aws: Aws, cast: Cast, seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
        super().__init__(aws, cast, seed)
        self.watcher = Watcher(aws)
        self.story: list[str] = []
        # The kinds of drift that may be seen, for what AWS and those who meddle did.
        self.explained: set[DriftKind] = set()
        # Nobody meddles, and AWS shows what it has: then all drift is a fault of the portal's.
        self.is_honest = self.random.random() < 0.5
        self._is_inside = False
        monkeypatch.setattr(timezone, "now", lambda: self.now)

    # --- Hours of trouble, then quiet ------------------------------------------------

    def run(self) -> None:
        if self.random.random() < 0.7:
            self._do(grant_everything)
            self._work(is_lossy=False)
        for _ in range(self.random.randint(6, 14)):
            self._one_step()
        self._quiet()

    def _one_step(self) -> None:
        if self.random.random() < 0.25:
            self._change_mind()
        self._do(self.random.choice(self.actions))
        if self.random.random() < 0.5:
            self._lay_fault()
        if self.meddling and not self.is_honest and self.random.random() < 0.2:
            self._do(self.random.choice(self.meddling))
            self.explained.update(DriftKind)
        for _ in range(self.random.randint(0, 3)):
            self._work(is_lossy=True)
            self._pass(self.random.choice([1, 5, 60, 600, 1800]))

    def _change_mind(self) -> None:
        """Something is done and undone at once, while the portal cannot see what came of it, or
        cannot change anything."""
        kind = self.random.choice([Kind.LOST, Kind.REFUSED])
        # Some get through to botocore's last try, others past it.
        times = self.random.choice([1, 2, 2 * TRIES])
        self.story.append(f"{times} changes {kind.name}")
        for operation in CHANGES:
            self.aws.embedded.faults.lay(Fault(operation, kind, times))
        self._do(self.random.choice([*self.actions, *TAKING_AWAY]))
        self._work(is_lossy=True, sweeps=self.random.randint(1, 6))
        self._do(self.random.choice([*self.actions, *[grant] * 6]))
        self._work(is_lossy=True)

    def _do(self, action: Act) -> None:
        self.story.append(action.__name__)
        try:
            with transaction.atomic():
                action(self)
        except (Refused, NotAllowed):
            self.story[-1] += " (refused)"

    def _lay_fault(self) -> None:
        operation = self.random.choice(OPERATIONS)
        kinds = [Kind.REFUSED, Kind.FAILED, Kind.LOST]
        kind = self.random.choice(kinds if self.is_honest else [*kinds, *OF_READS])
        if kind in OF_READS:
            operation = self.random.choice(OF_READS[kind])
            self.explained |= OF_MISREADING
        if kind is Kind.STALE:
            # SetRepositoryPolicy knows no condition: what the read does not show is overwritten.
            self.has_foreign.clear()
        status, code, message = self.random.choice(REFUSALS)
        fault = Fault(operation, kind, self.random.randint(1, 4), status, code, message)
        if kind is Kind.FAILED:
            fault.status, fault.code, fault.message = 500, "ServiceFailure", "The service failed."
        if drift := LIES.get((operation, kind, code)):
            if self.is_honest:
                return
            self.explained |= drift
        self.story.append(f"{kind.name} {operation} {code if kind is Kind.REFUSED else ''}")
        self.aws.embedded.faults.lay(fault)

    def _quiet(self) -> None:
        self.aws.embedded.faults.clear()
        self.aws.embedded.config.propagation_seconds = 0
        for name in list(self.aws.users()):
            self.aws.iam.update_user(UserName=name, NewPath="/ecr-portal/")
        self.story.append("quiet")
        # Whose message was lost just before is looked at again within a minute or two.
        self._work(is_lossy=False)
        self._pass(120)
        for minutes in [10] * 8 + [30] * 8:
            self._work(is_lossy=False)
            self._decide()
            self.watcher.look_at_dates()
            self._pass(minutes * 60)
        # What was changed in AWS meanwhile is seen when it is next observed.
        self._pass(13 * 3600)
        for _ in range(6):
            self._work(is_lossy=False)
            self._decide()
            self._pass(1200)
        before = self.watcher.turns
        for _ in range(3):
            self._work(is_lossy=False)
            self._pass(1200)
        self.watcher.in_a_quiet_hour = self.watcher.turns - before

    def _decide(self) -> None:
        """Ops have everything repaired that waits for them."""
        for drift in Drift.objects.open().filter(choice=""):
            repair = Drift.Kind(drift.kind).policy.repair
            choice = "repair" if repair is Repair.OPS else "adopt"
            try:
                resolve_drift(drift, choice, by=Actor(self.cast.otto), reason=WHY)
            except Refused:
                pass

    # --- The worker ------------------------------------------------------------------

    def _pass(self, seconds: int) -> None:
        self.now += timedelta(seconds=seconds)

    def _work(self, *, is_lossy: bool, sweeps: int = 12) -> None:
        """Sweeps and the turns that they call for, until a sweep calls for none."""
        for _ in range(sweeps):
            if not self._sweep_once(is_lossy=is_lossy):
                return
            self._pass(2)

    def _sweep_once(self, *, is_lossy: bool = False) -> bool:
        """Returns whether the sweep called for a turn."""
        tasks.sweep()
        # Before anybody acts: it is the sweep that closes.
        self.watcher.look(is_honest=self.is_honest)
        waiting = [each for each in messages.receive() if each[0] in HANDLED]
        # Several workers take the turns in any order; what was lost is known after them.
        self.random.shuffle(waiting)
        waiting.sort(key=lambda message: message[0] == "release_lost")
        is_quiet = all(name == "release_lost" for name, _ in waiting)
        self._handle(waiting, is_lossy=is_lossy and not is_quiet)
        return not is_quiet

    def _handle(self, waiting: list[messages.Waiting], *, is_lossy: bool = False) -> None:
        for name, arguments in waiting:
            if is_lossy and self.random.random() < 0.1:
                continue
            times = 2 if is_lossy and self.random.random() < 0.1 else 1
            for _ in range(times):
                self._turn(name, arguments, is_lossy=is_lossy)

    def _turn(self, name: str, arguments: list[object], *, is_lossy: bool) -> None:
        self.watcher.turns += name in TURNS
        is_interrupted = is_lossy and self.random.random() < 0.3
        wrapper = self._interrupt if is_interrupted else self._go_on
        self._statements = self.random.randint(1, 25)
        with transaction.atomic():
            try:
                with connection.execute_wrapper(wrapper):
                    getattr(tasks, name)(*arguments)
            except Killed:
                self.story.append(f"killed in {name}")
        if name in TURNS and not self.explained & OF_MISREADING:
            self.watcher.look_at_pages()

    def _go_on(self, execute: Any, sql: str, params: Any, many: Any, context: Any) -> Any:
        return execute(sql, params, many, context)

    def _interrupt(self, execute: Any, sql: str, params: Any, many: Any, context: Any) -> Any:
        """At some statement of the turn the worker dies, or a person or another worker acts
        meanwhile, the latter perhaps because this one stalls for longer than its lease."""
        self._statements -= 1
        # A transaction that begins is not open yet; one that ends still is.
        is_between = not sql.startswith(("RELEASE", "ROLLBACK"))
        if self._statements == 0 and is_between and not self._is_inside:
            if len(connection.savepoint_ids) > BASELINE:
                # Inside of a transaction nobody else sees or does anything.
                self._statements = 1
                return execute(sql, params, many, context)
            event = self.random.choice(["death", "person", "worker"])
            if event == "death":
                raise Killed
            self._is_inside = True
            try:
                if event == "person" or self.random.random() < 0.5:
                    self._do(self.random.choice(self.actions))
                if event == "worker":
                    self._pass(self.random.choice([0, 180]))
                    self.story.append("another worker")
                    self._work(is_lossy=False, sweeps=self.random.randint(1, 3))
            finally:
                self._is_inside = False
        return self._go_on(execute, sql, params, many, context)


# Savepoints around a turn: of the test, and of ``_turn``.
BASELINE = 1
