"""What should be true: brings ``desired`` of grants and pull users in line with the
entitlements. It only writes to the database; the reconciler does the rest.

Rows are locked in one order here and in the turns, so that no two transactions wait for each
other: customer, pull users, repositories, grants.
"""

from dataclasses import dataclass, field
from datetime import datetime

from django.db.models import Exists, OuterRef

from accounts import clock
from accounts.actor import Refused
from accounts.models import Customer
from provisioning import vault
from provisioning.desired import capacity, schedule
from provisioning.documents import names
from provisioning.models import AccessKey, Entitlement, Grant, Product, PullUser, Repository
from provisioning.models.entitlement import EntitlementQuerySet
from provisioning.states import Desired, KeyStatus, move


class OverCapacity(Refused):
    """AWS has no room for what is desired. The text says what is full, and who can help."""


@dataclass
class _Changed:
    """The rows that need a turn, by primary key."""

    pull_users: set[int] = field(default_factory=set)
    repositories: set[int] = field(default_factory=set)


def sync_grants(customer: Customer, *, ignore_capacity: bool = False) -> None:
    """Make the customer's grants exactly those of its live entitlements, and its pull users
    exactly those that the grants need, and wake what has to be reconciled.

    Call it in the transaction of the action that changed an entitlement. Raises OverCapacity;
    with ``ignore_capacity``, grants that do not fit wait instead.
    """
    # One action at a time for each customer; SQLite's transactions are alone anyway.
    customer.lock()
    now = clock.now()
    opened = _repositories(Entitlement.objects.live(now), customer)
    halted = _repositories(Entitlement.objects.halted(now), customer)
    accounts = {row.registry.account_id for row in opened}
    suspended = {row.registry.account_id for row in halted} - accounts
    changed = _Changed()
    pull_users = _sync_pull_users(
        customer, accounts, suspended, changed, ignore_capacity=ignore_capacity
    )
    _lock_repositories(customer, opened)
    for pull_user in pull_users:
        for repository in opened:
            if repository.registry.account_id == pull_user.account_id:
                _add_grant(pull_user, repository, now, changed, ignore_capacity=ignore_capacity)
    _remove_grants(customer, pull_users, opened, now, changed)
    _add_unsettled(customer, changed)
    schedule.wake(pull_users=changed.pull_users, repositories=changed.repositories)


def _repositories(entitlements: EntitlementQuerySet, customer: Customer) -> list[Repository]:
    of_customer = entitlements.filter(customer=customer, product=OuterRef("products__pk"))
    found = Repository.objects.filter(Exists(of_customer)).select_related("registry")
    return list(found.distinct().order_by("pk"))


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
        to = desired.get(key, Desired.ABSENT)
        if to == Desired.SUSPENDED and row.desired == Desired.ABSENT:
            to = Desired.ABSENT  # It was removed before; there is nothing to keep.
        if row.desired != to:
            _set_desired(row, to)
            changed.pull_users.add(row.pk)
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


def _add_grant(
    pull_user: PullUser,
    repository: Repository,
    now: datetime,
    changed: _Changed,
    *,
    ignore_capacity: bool,
) -> None:
    grant = Grant.objects.filter(pull_user=pull_user, repository=repository).first()
    if grant and grant.desired == Desired.PRESENT:
        return
    placement = capacity.placement_for(pull_user, repository)
    if placement is None and not ignore_capacity:
        raise OverCapacity(
            f"AWS has no room to open {repository} to another pull user: its policy is full, and "
            "so is the user's own. The vendor's AWS administrator can remove statements that do "
            "not belong to the portal, or sales can withdraw access that is no longer needed."
        )
    placement = placement or Grant.Placement.REPOSITORY_POLICY
    if grant is None:
        Grant.objects.create(pull_user=pull_user, repository=repository, placement=placement)
    else:
        changes = {"changed_at": now, "desired_at": now, "placement": placement}
        move(grant, Desired.PRESENT, field="desired", **changes)
    # Whatever its status says: a turn under way may be about to write another.
    changed.pull_users.add(pull_user.pk)
    changed.repositories.add(repository.pk)


def _remove_grants(
    customer: Customer,
    pull_users: list[PullUser],
    opened: list[Repository],
    now: datetime,
    changed: _Changed,
) -> None:
    present = Grant.objects.filter(pull_user__customer=customer, desired=Desired.PRESENT)
    leaving = present.exclude(pull_user__in=pull_users, repository__in=opened)
    rows = list(leaving.values_list("pk", "repository_id", "pull_user_id"))
    changed.repositories |= {repository for _, repository, _ in rows}
    changed.pull_users |= {pull_user for _, _, pull_user in rows}
    Grant.objects.filter(pk__in=[pk for pk, _, _ in rows]).update(
        desired=Desired.ABSENT, changed_at=now, desired_at=now
    )


def _add_unsettled(customer: Customer, changed: _Changed) -> None:
    """Everything of the customer's that is not as desired gets a turn now."""
    pull_users = PullUser.objects.unsettled().filter(customer=customer)
    grants = Grant.objects.unsettled().filter(pull_user__customer=customer)
    in_users = grants.exclude(placement=Grant.Placement.REPOSITORY_POLICY, in_user_policy=False)
    changed.pull_users |= {
        *pull_users.values_list("pk", flat=True),
        *in_users.values_list("pull_user_id", flat=True),
    }
    changed.repositories |= set(grants.values_list("repository_id", flat=True))


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
    moving = repository.grants.filter(desired=Desired.PRESENT).select_related("pull_user")
    pull_users = set()
    for grant in moving.exclude(placement=repository.placement):
        is_to_user = repository.placement == Grant.Placement.USER_POLICY
        if is_to_user and not capacity.has_user_policy_room(grant.pull_user, repository):
            continue
        Grant.objects.filter(pk=grant.pk).update(placement=repository.placement)
        pull_users.add(grant.pull_user_id)
    schedule.wake(pull_users=pull_users, repositories={repository.pk})
