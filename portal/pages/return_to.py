"""The way back from the pages of a pull user's keys to a product's credentials."""

from django.http import HttpRequest
from django.urls import reverse

from provisioning.models import Entitlement, PullUser
from provisioning.models.entitlement import OPEN


def product_of(request: HttpRequest, pull_user: PullUser) -> Entitlement | None:
    """The entitlement that the address names as ``from``; otherwise the newest one that the
    pull user works for. Never another customer's."""
    rows = Entitlement.objects.filter(
        customer=pull_user.customer_id,
        product__repositories__registry__account_id=pull_user.account_id,
    )
    found = sorted(rows.select_related("product").distinct(), key=lambda row: row.state not in OPEN)
    named = (row for row in found if str(row.pk) == request.GET.get("from"))
    return next(named, found[0] if found else None)


def address_of(entitlement: Entitlement | None) -> str:
    """The product's credentials; home, where there is none."""
    if entitlement is None:
        return reverse("customer:home")
    return reverse("customer:credentials", args=[entitlement.pk])
