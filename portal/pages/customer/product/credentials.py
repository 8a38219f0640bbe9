"""The tab “Credentials”: every key that AWS has, and what can be done with it."""

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from portal.pages.customer.product.frame import entitlement_of, frame
from provisioning import queries


@login_required
@require_GET
def credentials(request: HttpRequest, pk: int) -> HttpResponse:
    entitlement = entitlement_of(request, pk)
    shared = frame(request, entitlement, "credentials")
    is_live = shared["progress"].state.is_live
    users = [user for user in queries.pull_users(entitlement) if user.is_ready and is_live]
    rows = [(user, queries.key_states(user)) for user in users]
    context = shared | {
        "credentials": rows,
        "is_revealed": any(shown.can_be_replaced for _, keys in rows for shown in keys),
        "has_several_accounts": len({user.account_id for user in users}) > 1,
    }
    return render(request, "customer/product/credentials.html", context)
