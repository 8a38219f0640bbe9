"""A member's home: what to do, what the organisations have, and what they can request."""

from typing import Any

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_GET

from accounts.actor import current_user
from accounts.models import Customer
from accounts.permissions import MAY_HANDLE_CREDENTIALS, OPERATE
from provisioning import queries
from provisioning.models import Entitlement


@login_required
@require_GET
def home(request: HttpRequest) -> HttpResponse:
    user = current_user(request)
    if user.is_staff:
        return redirect("ops:dashboard" if user.has_perm(OPERATE) else "admin:index")
    entitlements = list(queries.of_user(user))
    offers = queries.on_offer(user)
    handling = {row.customer.pk for row in offers if row.role in MAY_HANDLE_CREDENTIALS}
    todo = [(row, row.entitlement.customer_id in handling) for row in queries.todo(entitlements)]
    organisations = [
        {"offer": offer, "customer": offer.customer, **_products(offer.customer, entitlements)}
        for offer in offers
    ]
    context = {
        "todo": todo,
        "organisations": organisations,
        "left_out": Customer.objects.filter(pk__in=user.kept_out_of),
    }
    return render(request, "customer/home.html", context)


def _products(customer: Customer, entitlements: list[Entitlement]) -> dict[str, Any]:
    """What an organisation has or has requested, and what it had."""
    rows = [(row, queries.progress(row)) for row in entitlements if row.customer_id == customer.pk]
    return {
        "present": [pair for pair in rows if not pair[1].state.is_past],
        "past": [pair for pair in rows if pair[1].state.is_past],
    }
