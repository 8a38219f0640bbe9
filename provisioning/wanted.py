"""What should be true: brings ``wanted`` of grants and pull users in line with the
entitlements. It only writes to the database; the reconciler does the rest."""

from dataclasses import dataclass, field
from datetime import datetime

from django.db import transaction
from django.db.models import Exists, OuterRef
from django.utils import timezone

from accounts.models import Customer
from provisioning import names, vault
from provisioning.models import AccessKey, Entitlement, Grant, Product, PullUser, Repository
from provisioning.states import EntitlementState, KeyStatus, Wanted, move

# Entitlements that one sweep looks at.
SETTLE_LIMIT = 500


@dataclass(frozen=True)
class Due:
    """Rows whose turn has come, by primary key."""

    pull_users: set[int] = field(default_factory=set)
    repositories: set[int] = field(default_factory=set)

    def __or__(self, other: "Due") -> "Due":
        return Due(self.pull_users | other.pull_users, self.repositories | other.repositories)


def settle(customer: Customer) -> Due:
    """Make the customer's grants exactly those that its live entitlements open, and its
    pull users exactly those that its grants need. Returns what has to be reconciled.

    Call it in the transaction of the deed that changed an entitlement.
    """
    # One deed at a time for a customer; SQLite's transactions are alone anyway.
    Customer.objects.select_for_update().get(pk=customer.pk)
    now = timezone.now()
    opened = _opened(customer, now)
    for repository in opened:
        _want_grant(customer, repository, now)
    _unwant_grants(customer, keep=opened, now=now)
    _unwant_pull_users(customer)
    return _mark_due(customer, now)


def product_changed(product: Product) -> None:
    """Have every live entitlement to the product looked at again, by the sweep: there may
    be ten thousand."""
    Entitlement.objects.live().filter(product=product).update(due_at=timezone.now())


def settle_dates() -> Due:
    """Carry out what is due on entitlements: starts, ends, and changes of their product."""
    due = Due()
    pks = Entitlement.objects.filter(due_at__lte=timezone.now()).values_list("pk", flat=True)
    for pk in pks[:SETTLE_LIMIT]:
        due |= _settle_date(pk)
    return due


@transaction.atomic
def _settle_date(pk: int) -> Due:
    entitlement = Entitlement.objects.select_related("customer").select_for_update().get(pk=pk)
    now = timezone.now()
    if entitlement.due_at is None or entitlement.due_at > now:
        return Due()
    if entitlement.ends_at and entitlement.ends_at <= now:
        move(entitlement, EntitlementState.EXPIRED, field="state", ended_at=now, due_at=None)
    else:
        entitlement.due_at = entitlement.ends_at
        entitlement.save(update_fields=["due_at"])
    return settle(entitlement.customer)


def _opened(customer: Customer, now: datetime) -> list[Repository]:
    live = Entitlement.objects.live(now).filter(customer=customer, product=OuterRef("products__pk"))
    return list(Repository.objects.filter(Exists(live)).select_related("registry").distinct())


def _want_grant(customer: Customer, repository: Repository, now: datetime) -> None:
    pull_user, _ = PullUser.objects.get_or_create(
        customer=customer,
        account_id=repository.registry.account_id,
        label=names.DEFAULT_LABEL,
        defaults={"name": names.user_name(customer.slug), "due_at": now},
    )
    if pull_user.wanted != Wanted.PRESENT:
        move(pull_user, Wanted.PRESENT, field="wanted", due_at=now)
    grant, _ = Grant.objects.get_or_create(pull_user=pull_user, repository=repository)
    if grant.wanted != Wanted.PRESENT:
        move(grant, Wanted.PRESENT, field="wanted", changed_at=now)
        # Whatever its status says: a turn under way may be about to write another.
        Repository.objects.filter(pk=repository.pk).update(due_at=now)


def _unwant_grants(customer: Customer, *, keep: list[Repository], now: datetime) -> None:
    wanted = Grant.objects.filter(pull_user__customer=customer, wanted=Wanted.PRESENT)
    leaving = wanted.exclude(repository__in=keep)
    repositories = list(leaving.values_list("repository_id", flat=True))
    leaving.update(wanted=Wanted.ABSENT, changed_at=now)
    Repository.objects.filter(pk__in=repositories).update(due_at=now)


def _unwant_pull_users(customer: Customer) -> None:
    needed = Grant.objects.filter(pull_user=OuterRef("pk"), wanted=Wanted.PRESENT)
    idle = PullUser.objects.filter(~Exists(needed), customer=customer, wanted=Wanted.PRESENT)
    idle_pks = list(idle.values_list("pk", flat=True))
    PullUser.objects.filter(pk__in=idle_pks).update(wanted=Wanted.ABSENT, due_at=timezone.now())
    keys = AccessKey.objects.filter(pull_user__in=idle_pks)
    vault.burn(*keys)
    keys.update(wanted=KeyStatus.DELETED)


def _mark_due(customer: Customer, now: datetime) -> Due:
    """Everything of the customer's that is not as it is wanted gets a turn now."""
    pull_users = PullUser.objects.unsettled().filter(customer=customer)
    grants = Grant.objects.unsettled().filter(pull_user__customer=customer)
    due = Due(
        set(pull_users.values_list("pk", flat=True)),
        set(grants.values_list("repository_id", flat=True)),
    )
    PullUser.objects.filter(pk__in=due.pull_users).update(due_at=now)
    Repository.objects.filter(pk__in=due.repositories).update(due_at=now)
    return due
