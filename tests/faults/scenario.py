"""A scenario from a seed: hours in which people act, others meddle in AWS, calls fail in AWS's
ways, messages are lost and workers killed; then quiet."""

import random
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection, transaction
from django.utils import timezone

from accounts.models import Customer
from provisioning import tasks
from provisioning.demo.seed import Cast
from provisioning.desired.grants import placement_changed, product_changed
from provisioning.embedded_aws.faults import Fault, Kind
from provisioning.flows import Actor, NotAllowed, Refused
from provisioning.flows.credentials import activate, deactivate, reissue
from provisioning.flows.customers import resume_customer, suspend_customer
from provisioning.flows.drift import resolve_drift
from provisioning.flows.entitlements import approve, extend, request, resume, suspend, withdraw
from provisioning.flows.labels import add_label, remove_label
from provisioning.models import AccessKey, Drift, Entitlement, Product, PullUser, Repository
from provisioning.models.drift import Repair
from tests import messages
from tests.aws import Aws
from tests.faults.oracle import Watcher
from tests.repository_policies import FOREIGN, document
from tests.worker import TASKS, TURNS

WHY = "Any reason"
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
CHANGES = [each for each in OPERATIONS if not each.startswith(("Get", "List"))]
REFUSALS = [
    (400, "Throttling", "Rate exceeded"),
    (500, "ServiceFailure", "The service failed."),
    (403, "AccessDenied", "because no identity-based policy allows it"),
    (409, "ConcurrentModification", "Busy."),
    (404, "NoSuchEntity", "Not yet."),
]


class Killed(BaseException):
    """The worker died here."""


class Scenario:
    """``random`` decides everything; ``now`` is the virtual time."""

    def __init__(self, aws: Aws, cast: Cast, seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
        self.aws, self.cast, self.random = aws, cast, random.Random(seed)  # noqa: S311 - replayed by its seed
        self.now = timezone.now()
        self.watcher = Watcher(aws)
        self.story: list[str] = []
        self.is_meddled = False
        self._turns_until_kill = 0
        self._is_inside = False
        monkeypatch.setattr(timezone, "now", lambda: self.now)

    # --- Hours of trouble, then quiet ------------------------------------------------

    def run(self) -> None:
        for _ in range(self.random.randint(6, 14)):
            self._one_step()
        self._quiet()

    def _one_step(self) -> None:
        if self.random.random() < 0.25:
            self._change_mind()
        self._do(self.random.choice(ACTIONS))
        if self.random.random() < 0.5:
            self._lay_fault()
        if self.random.random() < 0.2:
            self._do(self.random.choice(MEDDLING))
            self.is_meddled = True
        for _ in range(self.random.randint(0, 3)):
            self._work(is_lossy=True)
            self._pass(self.random.choice([1, 5, 60, 600, 1800]))

    def _change_mind(self) -> None:
        """Something is done and undone at once, while the portal cannot see what came of it."""
        for operation in CHANGES:
            self.aws.embedded.faults.lay(Fault(operation, Kind.LOST, self.random.randint(1, 2)))
        self._do(self.random.choice(ACTIONS))
        self._work(is_lossy=True)
        self._do(self.random.choice(ACTIONS))
        self._work(is_lossy=True)

    def _do(self, action: "Act") -> None:
        self.story.append(action.__name__)
        try:
            with transaction.atomic():
                action(self)
        except (Refused, NotAllowed):
            self.story[-1] += " (refused)"

    def _lay_fault(self) -> None:
        operation = self.random.choice(OPERATIONS)
        kind = self.random.choice([Kind.REFUSED, Kind.FAILED, Kind.LOST, Kind.STALE])
        if kind is Kind.STALE:
            operation = "GetRepositoryPolicy"
        status, code, message = self.random.choice(REFUSALS)
        fault = Fault(operation, kind, self.random.randint(1, 4), status, code, message)
        if kind is Kind.FAILED:
            fault.status, fault.code, fault.message = 500, "ServiceFailure", "The service failed."
        self.story.append(f"{kind.name} {operation} {code if kind is Kind.REFUSED else ''}")
        self.aws.embedded.faults.lay(fault)

    def _quiet(self) -> None:
        self.aws.embedded.faults.clear()
        self.aws.embedded.config.propagation_seconds = 0
        for name in list(self.aws.users()):
            self.aws.iam.update_user(UserName=name, NewPath="/ecr-portal/")
        self.story.append("quiet")
        for _ in range(30):
            self._work(is_lossy=False)
            self._decide()
            self.watcher.look_at_dates()
            self._pass(600)
        # What was changed in AWS meanwhile is seen when it is next observed.
        self._pass(13 * 3600)
        for _ in range(12):
            self._work(is_lossy=False)
            self._decide()
            self._pass(600)
        before = self.watcher.turns
        for _ in range(6):
            self._work(is_lossy=False)
            self._pass(600)
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

    def _work(self, *, is_lossy: bool) -> None:
        """Sweeps and the turns that they call for, until a sweep calls for none."""
        for _ in range(12):
            tasks.sweep()
            waiting = [each for each in messages.receive() if each[0] in HANDLED]
            if all(name == "release_lost" for name, _ in waiting):
                self._handle(waiting)
                return
            self._handle(waiting, is_lossy=is_lossy)
            self._pass(2)

    def _handle(self, waiting: list[messages.Waiting], *, is_lossy: bool = False) -> None:
        for name, arguments in waiting:
            if is_lossy and self.random.random() < 0.1:
                continue
            times = 2 if is_lossy and self.random.random() < 0.1 else 1
            for _ in range(times):
                self._turn(name, arguments, is_lossy=is_lossy)

    def _turn(self, name: str, arguments: list[object], *, is_lossy: bool) -> None:
        self.watcher.turns += name in TURNS
        wrapper = self._interrupt if is_lossy and self.random.random() < 0.3 else None
        self._statements = self.random.randint(3, 40)
        with transaction.atomic():
            try:
                if wrapper is None:
                    getattr(tasks, name)(*arguments)
                else:
                    with connection.execute_wrapper(wrapper):
                        getattr(tasks, name)(*arguments)
            except Killed:
                self.story.append(f"killed in {name}")
        self.watcher.look()

    def _interrupt(self, execute: Any, sql: str, params: Any, many: Any, context: Any) -> Any:
        """At some statement of the turn the worker dies, or somebody acts meanwhile."""
        self._statements -= 1
        is_between = not sql.startswith(("SAVEPOINT", "RELEASE", "ROLLBACK"))
        if self._statements == 0 and is_between and not self._is_inside:
            if len(connection.savepoint_ids) > BASELINE:
                # Inside of a transaction nobody else sees or does anything.
                self._statements = 1
                return execute(sql, params, many, context)
            if self.random.random() < 0.5:
                raise Killed
            self._is_inside = True
            try:
                self._do(self.random.choice(ACTIONS))
            finally:
                self._is_inside = False
        return execute(sql, params, many, context)

    # --- Choices ---------------------------------------------------------------------

    def customer(self) -> Customer:
        pk = self.random.choice([self.cast.birch, self.cast.cedar]).pk
        return Customer.objects.get(pk=pk)

    def member(self, customer: Customer) -> Actor:
        return Actor(self.cast.alice if customer == self.cast.birch else self.cast.charlie)

    def entitlement(self) -> Entitlement | None:
        return self._any(Entitlement.objects.open().order_by("pk"))

    def key(self) -> AccessKey | None:
        return self._any(AccessKey.objects.current().order_by("pk"))

    def user(self) -> str | None:
        users = self.aws.users()
        return self.random.choice(users) if users else None

    def _any(self, rows: Any) -> Any:
        found = list(rows)
        return self.random.choice(found) if found else None


# Savepoints around a turn: of the test, and of ``_turn``.
BASELINE = 1
Act = Callable[[Scenario], None]

# --- What people do ------------------------------------------------------------------


def grant(s: Scenario) -> None:
    customer = s.customer()
    product = s.random.choice([s.cast.server, s.cast.reports])
    found = Entitlement.objects.open().filter(customer=customer, product=product).first()
    entitlement = found or request(customer, product, by=s.member(customer))
    starts_at = s.now + timedelta(minutes=s.random.choice([0, 0, 0, 30]))
    ends_at = s.random.choice([None, None, starts_at + timedelta(hours=1)])
    approve(entitlement, by=Actor(s.cast.sandra), starts_at=starts_at, ends_at=ends_at)


def withdraw_one(s: Scenario) -> None:
    if found := s.entitlement():
        withdraw(found, by=Actor(s.cast.sandra), reason=WHY)


def suspend_one(s: Scenario) -> None:
    if found := s.entitlement():
        suspend(found, by=Actor(s.cast.sandra), reason=WHY)


def resume_one(s: Scenario) -> None:
    if found := s.entitlement():
        resume(found, by=Actor(s.cast.sandra), reason=WHY)


def extend_one(s: Scenario) -> None:
    if found := s.entitlement():
        end = s.now + timedelta(hours=s.random.choice([1, 5]))
        extend(found, by=Actor(s.cast.sandra), ends_at=end, reason=WHY)


def suspend_whole(s: Scenario) -> None:
    suspend_customer(s.customer(), by=Actor(s.cast.sandra), reason=WHY)


def resume_whole(s: Scenario) -> None:
    resume_customer(s.customer(), by=Actor(s.cast.sandra), reason=WHY)


def deactivate_key(s: Scenario) -> None:
    if found := s.key():
        deactivate(found, by=Actor(s.cast.otto))


def activate_key(s: Scenario) -> None:
    if found := s.key():
        activate(found, by=Actor(s.cast.otto))


def new_key(s: Scenario) -> None:
    row = s._any(PullUser.objects.order_by("pk"))
    if row:
        overlap = timedelta(minutes=s.random.choice([0, 30]))
        keys = [str(key) for key in row.access_keys.living()]
        chosen = keys[0] if keys else ""
        reissue(row, by=Actor(s.cast.otto), reason=WHY, overlap=overlap, key_to_delete=chosen)


def label(s: Scenario) -> None:
    customer = s.customer()
    if found := customer.labels.first():
        remove_label(found, by=s.member(customer))
    else:
        add_label(customer, "ci", by=s.member(customer))


def move_placement(s: Scenario) -> None:
    repository = s._any(Repository.objects.order_by("pk"))
    repository.placement = s.random.choice(["repository_policy", "user_policy"])
    repository.save(update_fields=["placement"])
    placement_changed(repository)


def change_product(s: Scenario) -> None:
    product = Product.objects.get(pk=s.cast.reports.pk)
    agent = Repository.objects.get(name="acme/agent")
    if agent in product.repositories.all():
        product.repositories.remove(agent)
    else:
        product.repositories.add(agent)
    product_changed(product)


ACTIONS: list[Act] = [
    grant,
    grant,
    grant,
    withdraw_one,
    suspend_one,
    resume_one,
    extend_one,
    suspend_whole,
    resume_whole,
    deactivate_key,
    activate_key,
    new_key,
    label,
    move_placement,
    change_product,
]

# --- What others do in AWS -----------------------------------------------------------


def delete_user(s: Scenario) -> None:
    if name := s.user():
        s.aws.delete_user(name)


def delete_key(s: Scenario) -> None:
    for name in s.aws.users()[:1]:
        for key in list(s.aws.keys(name))[:1]:
            s.aws.iam.delete_access_key(UserName=name, AccessKeyId=key)


def switch_key(s: Scenario) -> None:
    for name in s.aws.users()[:1]:
        for key in s.aws.keys(name):
            status = s.random.choice(["Active", "Inactive"])
            s.aws.iam.update_access_key(UserName=name, AccessKeyId=key, Status=status)


def add_key(s: Scenario) -> None:
    name = s.user()
    if name and len(s.aws.keys(name)) < 2:
        s.aws.iam.create_access_key(UserName=name)


def overwrite_policy(s: Scenario) -> None:
    name = s.random.choice(["acme/server", "acme/reports"])
    s.aws.set_repository_policy(name, document(FOREIGN))


def detach_policy(s: Scenario) -> None:
    if name := s.user():
        for each in s.aws.iam.list_attached_user_policies(UserName=name)["AttachedPolicies"]:
            s.aws.iam.detach_user_policy(UserName=name, PolicyArn=each["PolicyArn"])


def remove_tag(s: Scenario) -> None:
    if name := s.user():
        s.aws.iam.untag_user(UserName=name, TagKeys=["managed-by"])


def move_user(s: Scenario) -> None:
    if name := s.user():
        s.aws.iam.update_user(UserName=name, NewPath="/people/")


def slow_ecr(s: Scenario) -> None:
    s.aws.embedded.config.propagation_seconds = s.random.choice([0, 3600])


MEDDLING: list[Act] = [
    delete_user,
    delete_key,
    switch_key,
    add_key,
    overwrite_policy,
    detach_policy,
    remove_tag,
    move_user,
    slow_ecr,
]
