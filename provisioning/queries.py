"""The read side: what pages show, in a number of queries that does not grow with the
rows, and without asking AWS."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Prefetch, QuerySet
from django.utils import timezone

from accounts.models import Customer, User
from accounts.permissions import MAY_REQUEST
from provisioning.models import (
    AccessKey,
    Entitlement,
    Grant,
    Product,
    PullUser,
    Reconciled,
    Repository,
)
from provisioning.states import EntitlementState, KeyStatus, Status, Wanted

DONE, WORKING, WAITING, ATTENTION = "done", "working", "waiting", "attention"

LABELS = {
    "requested": "Requested",
    "rejected": "Rejected",
    "planned": "Approved for later",
    "working": "Being set up",
    "attention": "Needs attention",
    "ready": "Ready",
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


# --- Loading -----------------------------------------------------------------------


def entitlements(rows: QuerySet[Entitlement] | None = None) -> QuerySet[Entitlement]:
    """Entitlements with all that ``progress`` looks at, in a fixed number of queries."""
    if rows is None:
        rows = Entitlement.objects.all()
    pull_users = PullUser.objects.prefetch_related("grants", "access_keys__secret__revealed_by")
    repositories = Repository.objects.select_related("registry")
    return rows.select_related(
        "customer", "product", "requested_by", "decided_by"
    ).prefetch_related(
        Prefetch("customer__pull_users", pull_users),
        Prefetch("product__repositories", repositories),
    )


def of_user(user: User) -> QuerySet[Entitlement]:
    """The entitlements that a member sees, the newest first."""
    return entitlements(Entitlement.objects.for_user(user))


@dataclass(frozen=True)
class Offer:
    """The listed products that a customer neither has nor has asked for."""

    customer: Customer
    products: list[Product]
    may_request: bool


def on_offer(user: User) -> list[Offer]:
    """An offer for each of the user's customers."""
    customers = list(Customer.objects.for_user(user))
    requesting = set(
        user.memberships.filter(role__in=MAY_REQUEST).values_list("customer_id", flat=True)
    )
    products = list(Product.objects.filter(is_listed=True))
    taken = set(
        Entitlement.objects.open()
        .filter(customer__in=customers)
        .values_list("customer_id", "product_id")
    )
    return [
        Offer(
            customer,
            [product for product in products if (customer.pk, product.pk) not in taken],
            may_request=customer.pk in requesting,
        )
        for customer in customers
    ]


# --- Progress ----------------------------------------------------------------------


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
        case _:
            return _ending(entitlement, [requested])


def _provisioning(entitlement: Entitlement, before: list[Step]) -> Progress:
    if entitlement.starts_at and entitlement.starts_at > timezone.now():
        begin = Step("Begins", WAITING, at=entitlement.starts_at)
        return Progress("planned", "Access begins at its start date.", [*before, begin])
    steps = []
    for account_id in sorted(_accounts(entitlement)):
        pull_user = _pull_user(entitlement, account_id)
        if pull_user is not None:
            steps += [_user_step(pull_user), _key_step(pull_user)]
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
    if pull_user.status == Status.READY and not pull_user.attention:
        return Step("Pull user made", DONE)
    return _unfinished("Pull user made", pull_user)


def _key_step(pull_user: PullUser) -> Step:
    key = current_key(pull_user)
    if key is not None:
        return Step("Access key made", DONE, at=key.created_at)
    return Step("Access key made", WAITING if pull_user.attention else WORKING)


def _repository_step(entitlement: Entitlement, repository: Repository) -> Step:
    name = f"Repository {repository.name} opened"
    grant = _grant(entitlement, repository)
    if grant is not None and grant.status == Status.READY:
        return Step(name, DONE, at=grant.changed_at)
    pull_user = _pull_user(entitlement, repository.registry.account_id)
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


def _ending(entitlement: Entitlement, before: list[Step]) -> Progress:
    label = entitlement.get_state_display()
    before = [*before, Step(label, DONE, at=entitlement.ended_at)]
    closing = []
    for repository in repositories(entitlement):
        grant = _grant(entitlement, repository)
        # A grant that is wanted stays: another product opens the repository too.
        is_closed = grant is None or grant.wanted == Wanted.PRESENT or grant.status == Status.GONE
        name = f"Repository {repository.name} closed"
        closing.append(Step(name, DONE) if is_closed else _unfinished(name, repository))
    for pull_user in pull_users(entitlement):
        if pull_user.wanted == Wanted.ABSENT:
            is_gone = pull_user.status == Status.GONE
            name = "Pull user and access keys deleted"
            closing.append(Step(name, DONE) if is_gone else _unfinished(name, pull_user))
    if all(step.state == DONE for step in closing):
        return Progress("ended", "Access has ended.", before + closing)
    return Progress("ending", "Access is being taken away.", before + closing)


# --- Parts of a loaded entitlement: no query ----------------------------------------


def repositories(entitlement: Entitlement) -> list[Repository]:
    return sorted(entitlement.product.repositories.all(), key=lambda row: row.name)


def _accounts(entitlement: Entitlement) -> set[str]:
    return {row.registry.account_id for row in entitlement.product.repositories.all()}


def _pull_user(entitlement: Entitlement, account_id: str) -> PullUser | None:
    users: Iterable[PullUser] = entitlement.customer.pull_users.all()
    return next((user for user in users if user.account_id == account_id), None)


def _grant(entitlement: Entitlement, repository: Repository) -> Grant | None:
    pull_user = _pull_user(entitlement, repository.registry.account_id)
    grants = pull_user.grants.all() if pull_user else []
    return next((grant for grant in grants if grant.repository_id == repository.pk), None)


def pull_users(entitlement: Entitlement) -> list[PullUser]:
    """The pull users that an entitlement works through, one for each AWS account."""
    found = (_pull_user(entitlement, account_id) for account_id in sorted(_accounts(entitlement)))
    return [pull_user for pull_user in found if pull_user is not None]


def current_key(pull_user: PullUser) -> AccessKey | None:
    """The key that stands for the user, if AWS has it."""
    keys = (key for key in pull_user.access_keys.all() if key.retires_at is None)
    return next((key for key in keys if key.wanted == KeyStatus.ACTIVE), None)


def key_for(entitlement: Entitlement, repository: Repository) -> AccessKey | None:
    """The key that a repository is pulled with."""
    pull_user = _pull_user(entitlement, repository.registry.account_id)
    return current_key(pull_user) if pull_user else None


def open_repositories(entitlement: Entitlement) -> list[Repository]:
    """The repositories that the customer can pull from now."""
    if entitlement.state != EntitlementState.APPROVED:
        return []
    grants = {row.pk: _grant(entitlement, row) for row in repositories(entitlement)}
    return [
        row
        for row in repositories(entitlement)
        if (grant := grants[row.pk])
        and (grant.wanted, grant.status) == (Wanted.PRESENT, Status.READY)
    ]


def stuck_repositories(entitlement: Entitlement) -> list[Repository]:
    """The repositories whose policy somebody should look at."""
    return [row for row in repositories(entitlement) if row.attention or row.failures]
