"""Entitlements and offers, each with all that its page looks at."""

from dataclasses import dataclass

from django.db.models import Prefetch, QuerySet

from accounts.models import Customer, User
from accounts.permissions import MAY_REQUEST
from provisioning.models import Entitlement, Product, PullUser, Repository


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
