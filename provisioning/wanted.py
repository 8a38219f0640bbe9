"""What should be true: brings ``wanted`` of grants and pull users in line with the
entitlements. It only writes to the database; the reconciler does the rest.

Rows are locked in one order here and in the turns, so that none waits for another in a
circle: customer, pull users, repositories, grants.
"""

import logging
from dataclasses import dataclass, field
from datetime import datetime

from django.db import transaction
from django.db.models import Exists, OuterRef
from django.utils import timezone

from accounts.models import Customer
from provisioning import capacity, emails, names, readiness, vault
from provisioning.models import (
    AccessKey,
    Entitlement,
    Grant,
    Product,
    PullUser,
    Repository,
)
from provisioning.models.entitlement import EntitlementQuerySet
from provisioning.states import EntitlementState, KeyStatus, Wanted, move

log = logging.getLogger(__name__)

# Entitlements that one sweep looks at.
SETTLE_LIMIT = 500


class NoRoom(Exception):
    """AWS has no room for what is wanted; the text says what is full and who can help."""


@dataclass(frozen=True)
class Due:
    """Rows whose turn has come, by primary key."""

    pull_users: set[int] = field(default_factory=set)
    repositories: set[int] = field(default_factory=set)
    registries: set[int] = field(default_factory=set)

    def __or__(self, other: "Due") -> "Due":
        return Due(
            self.pull_users | other.pull_users,
            self.repositories | other.repositories,
            self.registries | other.registries,
        )


def settle(customer: Customer, *, even_without_room: bool = False) -> Due:
    """Make the customer's grants exactly those that its live entitlements open, and its
    pull users exactly those that its grants need. Returns what has to be reconciled.

    Call it in the transaction of the deed that changed an entitlement. Raises NoRoom, unless
    what does not fit is to wait.
    """
    # One deed at a time for a customer; SQLite's transactions are alone anyway.
    Customer.objects.select_for_update(no_key=True).get(pk=customer.pk)
    now = timezone.now()
    opened = _repositories(Entitlement.objects.live(now), customer)
    halted = _repositories(Entitlement.objects.halted(now), customer)
    accounts = {row.registry.account_id for row in opened}
    paused = {row.registry.account_id for row in halted} - accounts
    pull_users = _want_pull_users(customer, accounts, paused, even_without_room=even_without_room)
    _lock_repositories(customer, opened)
    for pull_user in pull_users:
        for repository in opened:
            if repository.registry.account_id == pull_user.account_id:
                _want_grant(pull_user, repository, now, even_without_room=even_without_room)
    _unwant_grants(customer, pull_users, opened, now)
    return _mark_due(customer, now)


def _repositories(entitlements: EntitlementQuerySet, customer: Customer) -> list[Repository]:
    of_customer = entitlements.filter(customer=customer, product=OuterRef("products__pk"))
    found = Repository.objects.filter(Exists(of_customer)).select_related("registry")
    return list(found.distinct().order_by("pk"))


def _want_pull_users(
    customer: Customer, accounts: set[str], paused: set[str], *, even_without_room: bool
) -> list[PullUser]:
    """A pull user of each label in each account, and no others. Returns those present."""
    labels = [names.DEFAULT_LABEL, *customer.labels.values_list("name", flat=True)]
    wanted = {(account, label): Wanted.PRESENT for account in accounts for label in labels}
    wanted |= {(account, label): Wanted.SUSPENDED for account in paused for label in labels}
    rows = PullUser.objects.select_for_update(no_key=True).filter(customer=customer)
    there = {(row.account_id, row.label): row for row in rows.order_by("pk")}
    for place in sorted(wanted.keys() - there.keys()):
        if wanted[place] == Wanted.PRESENT:
            there[place] = _new_pull_user(customer, *place, even_without_room=even_without_room)
    for place, row in there.items():
        to = wanted.get(place, Wanted.ABSENT)
        if to == Wanted.SUSPENDED and row.wanted == Wanted.ABSENT:
            to = Wanted.ABSENT  # It went before; there is nothing to keep.
        _want_pull_user(row, to)
    return [row for row in there.values() if row.wanted == Wanted.PRESENT]


def _new_pull_user(
    customer: Customer, account_id: str, label: str, *, even_without_room: bool
) -> PullUser:
    if not even_without_room and not capacity.room_for_user(account_id):
        raise NoRoom(
            f"AWS account {account_id} has no room for one more IAM user. The account's owner can "
            "delete users that nobody needs, or the vendor can add a registry in another account."
        )
    return PullUser.objects.create(
        customer=customer,
        account_id=account_id,
        label=label,
        name=names.user_name(customer.slug, label),
        due_at=timezone.now(),
    )


def _want_pull_user(row: PullUser, to: Wanted) -> None:
    if row.wanted == to:
        return
    move(row, to, field="wanted", due_at=timezone.now(), unclaimed_at=None)
    if to == Wanted.ABSENT:
        keys = AccessKey.objects.filter(pull_user=row)
        vault.burn(*keys)
        keys.update(wanted=KeyStatus.DELETED)


def _lock_repositories(customer: Customer, opened: list[Repository]) -> None:
    granted = Grant.objects.filter(pull_user__customer=customer).values("repository_id")
    rows = Repository.objects.filter(pk__in=granted) | Repository.objects.filter(
        pk__in=[row.pk for row in opened]
    )
    list(rows.order_by("pk").select_for_update(no_key=True).values_list("pk", flat=True))


def _want_grant(
    pull_user: PullUser, repository: Repository, now: datetime, *, even_without_room: bool
) -> None:
    grant = Grant.objects.filter(pull_user=pull_user, repository=repository).first()
    if grant and grant.wanted == Wanted.PRESENT:
        return
    place = capacity.place_for(pull_user, repository)
    if place is None and not even_without_room:
        raise NoRoom(
            f"AWS has no room to open {repository} to one more pull user: its policy is full, "
            "and so is the user's own. The vendor's AWS administrator can remove statements "
            "that are not the portal's, or sales can withdraw access that is no longer needed."
        )
    place = place or Grant.Placement.REPOSITORY_POLICY
    if grant is None:
        Grant.objects.create(pull_user=pull_user, repository=repository, placement=place)
    else:
        move(grant, Wanted.PRESENT, field="wanted", changed_at=now, placement=place)
    # Whatever its status says: a turn under way may be about to write another.
    PullUser.objects.filter(pk=pull_user.pk).update(due_at=now)
    Repository.objects.filter(pk=repository.pk).update(due_at=now)


def _unwant_grants(
    customer: Customer, pull_users: list[PullUser], opened: list[Repository], now: datetime
) -> None:
    wanted = Grant.objects.filter(pull_user__customer=customer, wanted=Wanted.PRESENT)
    leaving = wanted.exclude(pull_user__in=pull_users, repository__in=opened)
    rows = list(leaving.values_list("pk", "repository_id", "pull_user_id"))
    Repository.objects.filter(pk__in={repository for _, repository, _ in rows}).update(due_at=now)
    PullUser.objects.filter(pk__in={pull_user for _, _, pull_user in rows}).update(due_at=now)
    Grant.objects.filter(pk__in=[pk for pk, _, _ in rows]).update(
        wanted=Wanted.ABSENT, changed_at=now
    )


def _mark_due(customer: Customer, now: datetime) -> Due:
    """Everything of the customer's that is not as it is wanted gets a turn now."""
    pull_users = PullUser.objects.unsettled().filter(customer=customer)
    grants = Grant.objects.unsettled().filter(pull_user__customer=customer)
    in_users = grants.exclude(placement=Grant.Placement.REPOSITORY_POLICY, in_user_policy=False)
    due = Due(
        {
            *pull_users.values_list("pk", flat=True),
            *in_users.values_list("pull_user_id", flat=True),
        },
        set(grants.values_list("repository_id", flat=True)),
    )
    PullUser.objects.filter(pk__in=due.pull_users).update(due_at=now)
    Repository.objects.filter(pk__in=due.repositories).update(due_at=now)
    return due


# --- What changes by itself ---------------------------------------------------------


def product_changed(product: Product) -> None:
    """Have every live entitlement to the product looked at again, by the sweep: there may
    be ten thousand. Call it in the transaction that changed the product."""
    # Whoever approves meanwhile waits, and then sees the change.
    Product.objects.select_for_update(no_key=True).get(pk=product.pk)
    Entitlement.objects.live().filter(product=product).update(due_at=timezone.now())


def placement_changed(repository: Repository) -> Due:
    """Move the repository's grants to where it wants them written; those already there, or
    for whom there is no room, stay. Pulling goes on meanwhile."""
    moving = repository.grants.filter(wanted=Wanted.PRESENT).select_related("pull_user")
    due = Due(repositories={repository.pk})
    for grant in moving.exclude(placement=repository.placement):
        is_to_user = repository.placement == Grant.Placement.USER_POLICY
        if is_to_user and not capacity.has_user_policy_room(grant.pull_user, repository):
            continue
        Grant.objects.filter(pk=grant.pk).update(placement=repository.placement)
        due.pull_users.add(grant.pull_user_id)
    PullUser.objects.filter(pk__in=due.pull_users).update(due_at=timezone.now())
    Repository.objects.filter(pk=repository.pk).update(due_at=timezone.now())
    return due


def settle_dates() -> Due:
    """Carry out what is due on entitlements: starts, ends, and changes of their product."""
    due = Due()
    pks = Entitlement.objects.filter(due_at__lte=timezone.now()).values_list("pk", flat=True)
    for pk in pks[:SETTLE_LIMIT]:
        try:
            due |= _settle_date(pk)
        except Exception:
            # One that cannot be settled must not hold up the others.
            log.exception("Entitlement %s could not be settled", pk)
    return due


@transaction.atomic
def _settle_date(pk: int) -> Due:
    entitlement = (
        Entitlement.objects.select_related("customer").select_for_update(of=["self"]).get(pk=pk)
    )
    now = timezone.now()
    if entitlement.due_at is None or entitlement.due_at > now:
        return Due()
    if entitlement.ends_at and entitlement.ends_at <= now:
        move(entitlement, EntitlementState.EXPIRED, field="state", ended_at=now, due_at=None)
        emails.ended(entitlement, at=now, is_over=True)
    else:
        entitlement.due_at = entitlement.ends_at
        entitlement.save(update_fields=["due_at"])
    due = settle(entitlement.customer, even_without_room=True)
    # Where all of it is open by another product already, no turn comes.
    readiness.record_ready(Customer.objects.filter(pk=entitlement.customer_id))
    return due
