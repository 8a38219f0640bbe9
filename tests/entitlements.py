"""Entitlements as tests need them: requested by a member and approved by Sandra."""

from accounts.models import Customer
from provisioning.demo.seed import Cast
from provisioning.flows import Actor
from provisioning.flows.entitlements import approve, request
from provisioning.models import Entitlement, Product


def approved(
    cast: Cast, product: Product | None = None, *, customer: Customer | None = None
) -> Entitlement:
    """Acme Server for Birch Bank, unless named otherwise."""
    member = cast.charlie if customer == cast.cedar else cast.alice
    entitlement = request(customer or cast.birch, product or cast.server, by=Actor(member))
    approve(entitlement, by=Actor(cast.sandra))
    return entitlement
