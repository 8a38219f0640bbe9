"""The tab “Credentials”: every key that AWS has, and what can be done with it."""

from typing import Any

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from portal.pages.customer.product.frame import entitlement_of, frame
from provisioning import queries
from provisioning.models import PullUser


@login_required
@require_GET
def credentials(request: HttpRequest, pk: int) -> HttpResponse:
    entitlement = entitlement_of(request, pk)
    users = [user for user in queries.pull_users(entitlement) if user.is_ready]
    rows = [_of(user) for user in users]
    context = frame(request, entitlement, "credentials") | {
        "credentials": rows,
        "is_revealed": any(row["is_revealed"] for row in rows),
        "has_several_accounts": len({user.account_id for user in users}) > 1,
    }
    return render(request, "customer/product/credentials.html", context)


def _of(pull_user: PullUser) -> dict[str, Any]:
    current = queries.current_key(pull_user)
    is_revealed = current is not None and not current.secret.is_unrevealed
    return {
        "pull_user": pull_user,
        "keys": queries.key_states(pull_user),
        "current": current,
        "claimed_until": queries.claimed_until(current) if current else None,
        "is_revealed": is_revealed,
        "can_rotate": is_revealed or pull_user.unclaimed_at,
    }
