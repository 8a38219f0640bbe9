"""Entitlements and offers, each with everything its page needs."""

from dataclasses import dataclass

from django.db.models import Exists, Prefetch, QuerySet

from accounts.models import Customer, User
from accounts.permissions import MAY_REQUEST
from provisioning.models import (
    AccessKey,
    Entitlement,
    Image,
    Installation,
    Product,
    PullUser,
    Repository,
)

TAGS = 10


def entitlements(rows: QuerySet[Entitlement] | None = None) -> QuerySet[Entitlement]:
    """Entitlements with everything ``progress`` reads, in a fixed number of queries."""
    if rows is None:
        rows = Entitlement.objects.all()
    # The keys that are gone open nothing, and become more with every rotation.
    keys = AccessKey.objects.living().prefetch_related("secret__revealed_by__memberships")
    pull_users = PullUser.objects.prefetch_related("grants").prefetch_related(
        Prefetch("access_keys", keys)
    )
    repositories = Repository.objects.select_related("registry")
    held = Installation.objects.filter(held_at__isnull=False)
    return (
        rows.annotate(portal_is_held=Exists(held))
        .select_related("customer", "product", "requested_by", "decided_by")
        .prefetch_related(
            Prefetch("customer__pull_users", pull_users),
            Prefetch("product__repositories", repositories),
        )
    )


def of_user(user: User) -> QuerySet[Entitlement]:
    """The entitlements that a member sees, newest first."""
    return entitlements(Entitlement.objects.for_user(user))


def newest_tags(repositories: list[Repository]) -> list[tuple[Repository, list[str]]]:
    """Each repository with the tags of its newest images, up to TAGS of them."""
    tags: dict[int, list[str]] = {row.pk: [] for row in repositories}
    for image in Image.objects.filter(repository__in=repositories).only("repository_id", "tags"):
        tags[image.repository_id] += image.tags
    return [(row, tags[row.pk][:TAGS]) for row in repositories]


@dataclass(frozen=True)
class Offer:
    """The listed products that a customer neither has nor has requested, as one of its members
    sees them."""

    customer: Customer
    role: str
    products: list[Product]

    @property
    def may_request(self) -> bool:
        return self.role in MAY_REQUEST


def on_offer(user: User) -> list[Offer]:
    """An offer for each of the user's customers."""
    customers = [row for row in user.organisations if row.pk not in user.kept_out_of]
    roles = {row.customer_id: row.effective_role for row in user.memberships.all()}
    products = list(Product.objects.filter(is_listed=True))
    taken = set(
        Entitlement.objects.open()
        .filter(customer__in=customers)
        .values_list("customer_id", "product_id")
    )
    return [
        Offer(
            customer,
            roles[customer.pk],
            [product for product in products if (customer.pk, product.pk) not in taken],
        )
        for customer in customers
    ]
