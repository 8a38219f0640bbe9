"""What should be true: brings ``desired`` of grants and pull users in line with the
entitlements. It only writes to the database; the reconciler does the rest.

Rows are locked in one order here and in the turns, so that no two transactions wait for each
other: customer, pull users, repositories, grants.
"""

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime

from django.db.models import Exists, OuterRef

from accounts import clock
from accounts.actor import Refused
from accounts.models import Customer
from provisioning import vault
from provisioning.desired import capacity, schedule
from provisioning.documents import names
from provisioning.models import (
    AccessKey,
    Entitlement,
    Grant,
    Priority,
    Product,
    PullUser,
    Repository,
)
from provisioning.states import Desired, KeyStatus, move


class OverCapacity(Refused):
    """AWS has no room for what is desired. The text says what is full, and who can help."""


@dataclass
class _Changed:
    """The rows that need a turn, by primary key, and whether access is taken away there."""

    pull_users: set[int] = field(default_factory=set)
    repositories: set[int] = field(default_factory=set)
    takes_away: bool = False


def sync_grants(
    customer: Customer, *, ignore_capacity: bool = False, priority: Priority = Priority.URGENT
) -> bool:
    """Make the customer's grants exactly those of its live entitlements, and its pull users
    exactly those that the grants need, and wake what has to be reconciled. Returns whether anything
    has. What takes access away is urgent whatever ``priority`` says.

    Call it in the transaction of the action that changed an entitlement. Raises OverCapacity;
    with ``ignore_capacity``, grants that do not fit wait instead.
    """
    # One action at a time for each customer; SQLite's transactions are alone anyway.
    customer.lock()
    now = clock.now()
    opened, halted = _repositories(customer, now)
    accounts = {row.registry.account_id for row in opened}
    suspended = {row.registry.account_id for row in halted} - accounts
    changed = _Changed()
    pull_users = _sync_pull_users(
        customer, accounts, suspended, changed, ignore_capacity=ignore_capacity
    )
    _lock_repositories(customer, opened)
    grants = list(Grant.objects.filter(pull_user__customer=customer))
    pairs = {
        (pull_user.pk, repository.pk): (pull_user, repository)
        for pull_user in pull_users
        for repository in opened
        if repository.registry.account_id == pull_user.account_id
    }
    _add_grants(pairs, grants, now, changed, ignore_capacity=ignore_capacity)
    _remove_grants(pairs, grants, now, changed)
    schedule.wake(
        pull_users=changed.pull_users,
        repositories=changed.repositories,
        priority=Priority.URGENT if changed.takes_away else priority,
    )
    return bool(changed.pull_users or changed.repositories)


def _repositories(customer: Customer, now: datetime) -> tuple[list[Repository], list[Repository]]:
    """Those that the customer's entitlements open, and those that they would open if nothing were
    suspended."""
    of_customer = Entitlement.objects.filter(
        customer=customer, product__repositories=OuterRef("pk")
    )
    is_open, is_halted = Exists(of_customer.live(now)), Exists(of_customer.halted(now))
    rows = Repository.objects.filter(is_open | is_halted).annotate(is_open=is_open)
    found = list(rows.select_related("registry").order_by("pk"))
    return [row for row in found if row.is_open], [row for row in found if not row.is_open]


def _sync_pull_users(
    customer: Customer,
    accounts: set[str],
    suspended: set[str],
    changed: _Changed,
    *,
    ignore_capacity: bool,
) -> list[PullUser]:
    """One pull user for each label in each account, and no others. Returns those present."""
    labels = [names.DEFAULT_LABEL, *customer.labels.values_list("name", flat=True)]
    desired = {(account, label): Desired.PRESENT for account in accounts for label in labels}
    desired |= {(account, label): Desired.SUSPENDED for account in suspended for label in labels}
    rows = PullUser.objects.select_for_update(no_key=True).filter(customer=customer)
    existing = {(row.account_id, row.label): row for row in rows.order_by("pk")}
    for key in sorted(desired.keys() - existing.keys()):
        if desired[key] == Desired.PRESENT:
            existing[key] = _create_pull_user(customer, *key, ignore_capacity=ignore_capacity)
            changed.pull_users.add(existing[key].pk)
    for key, row in existing.items():
        row.customer = customer
        to = desired.get(key, Desired.ABSENT)
        if to == Desired.SUSPENDED and row.desired == Desired.ABSENT:
            to = Desired.ABSENT  # It was removed before; there is nothing to keep.
        if row.desired != to:
            _set_desired(row, to)
            changed.pull_users.add(row.pk)
            changed.takes_away |= to != Desired.PRESENT
    return [row for row in existing.values() if row.desired == Desired.PRESENT]


def _create_pull_user(
    customer: Customer, account_id: str, label: str, *, ignore_capacity: bool
) -> PullUser:
    if not ignore_capacity and not capacity.has_user_room(account_id):
        raise OverCapacity(
            f"AWS account {account_id} has no room for another IAM user. The account's owner can "
            "delete users that are no longer needed, or the vendor can add a registry in another "
            "account."
        )
    return PullUser.objects.create(
        customer=customer,
        account_id=account_id,
        label=label,
        name=names.user_name(customer.slug, label),
    )


def _set_desired(row: PullUser, to: Desired) -> None:
    now = clock.now()
    move(row, to, field="desired", unclaimed_at=None, desired_at=now)
    if to == Desired.ABSENT:
        keys = AccessKey.objects.filter(pull_user=row)
        vault.destroy(*keys)
        keys.update(desired=KeyStatus.DELETED, desired_at=now)


def _lock_repositories(customer: Customer, opened: list[Repository]) -> None:
    granted = Grant.objects.filter(pull_user__customer=customer).values("repository_id")
    rows = Repository.objects.filter(pk__in=granted) | Repository.objects.filter(
        pk__in=[row.pk for row in opened]
    )
    list(rows.order_by("pk").select_for_update(no_key=True).values_list("pk", flat=True))


def _add_grants(
    pairs: dict[tuple[int, int], tuple[PullUser, Repository]],
    grants: list[Grant],
    now: datetime,
    changed: _Changed,
    *,
    ignore_capacity: bool,
) -> None:
    existing = {(grant.pull_user_id, grant.repository_id): grant for grant in grants}
    present = {key for key, grant in existing.items() if grant.desired == Desired.PRESENT}
    lacking = {key: pair for key, pair in pairs.items() if key not in present}
    room = capacity.Room(
        {pull_user for pull_user, _ in lacking.values()},
        {repository for _, repository in lacking.values()},
    )
    created = []
    for key, (pull_user, repository) in lacking.items():
        placement = room.place(pull_user, repository)
        if placement is None and not ignore_capacity:
            raise OverCapacity(
                f"AWS has no room to open {repository} to another pull user: its policy is full, "
                "and so is the user's own. The vendor's AWS administrator can remove statements "
                "that do not belong to the portal, or sales can withdraw access that is no longer "
                "needed."
            )
        placement = placement or Grant.Placement.REPOSITORY_POLICY
        if key in existing:
            changes = {"changed_at": now, "desired_at": now, "placement": placement}
            move(existing[key], Desired.PRESENT, field="desired", **changes)
        else:
            created.append(Grant(pull_user=pull_user, repository=repository, placement=placement))
        # Whatever its status says: a turn under way may be about to write another.
        changed.pull_users.add(pull_user.pk)
        changed.repositories.add(repository.pk)
    Grant.objects.bulk_create(created)


def _remove_grants(
    pairs: Collection[tuple[int, int]], grants: list[Grant], now: datetime, changed: _Changed
) -> None:
    leaving = [
        grant
        for grant in grants
        if grant.desired == Desired.PRESENT
        and (grant.pull_user_id, grant.repository_id) not in pairs
    ]
    if not leaving:
        return
    changed.takes_away = True
    changed.repositories |= {grant.repository_id for grant in leaving}
    changed.pull_users |= {grant.pull_user_id for grant in leaving}
    Grant.objects.filter(pk__in=[grant.pk for grant in leaving]).update(
        desired=Desired.ABSENT, changed_at=now, desired_at=now
    )


# --- Changes of the catalog ----------------------------------------------------------


def product_changed(product: Product) -> None:
    """Have the sweep sync every live entitlement to the product; there may be ten thousand.
    Call it in the transaction that changed the product."""
    # An approval waits meanwhile, and then sees the change.
    Product.objects.select_for_update(no_key=True).get(pk=product.pk)
    Entitlement.objects.live().filter(product=product).update(due_at=clock.now())


def placement_changed(repository: Repository) -> None:
    """Move the repository's grants to where it wants them written; those already there, or for
    which there is no room, stay. Pulls keep working meanwhile."""
    present = repository.grants.filter(desired=Desired.PRESENT)
    moving = present.select_related("pull_user__customer").exclude(placement=repository.placement)
    room = capacity.Room({grant.pull_user for grant in moving}, {repository})
    is_to_user = repository.placement == Grant.Placement.USER_POLICY
    moved = [
        grant
        for grant in moving
        if not is_to_user or room.place_in_user_policy(grant.pull_user, repository)
    ]
    Grant.objects.filter(pk__in=[grant.pk for grant in moved]).update(
        placement=repository.placement
    )
    schedule.wake(
        pull_users={grant.pull_user_id for grant in moved},
        repositories={repository.pk},
        priority=Priority.LATER,
    )
