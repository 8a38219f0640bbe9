"""The customer's pages: what she has, how far it is, her credentials, and how to pull."""

from typing import Any

from django import forms
from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.text import slugify
from django.views.decorators.http import require_GET, require_http_methods
from django_htmx.http import HttpResponseClientRefresh

from accounts.models import Customer
from accounts.permissions import MAY_HANDLE_CREDENTIALS, MAY_REQUEST, OPERATE, require_role, role_of
from portal.pages.trouble import SaidForm
from portal.request import member, who
from provisioning import instructions, queries
from provisioning.flows import NotAllowed, Refused
from provisioning.flows.request import request as request_product
from provisioning.models import Entitlement, Product, PullUser, Repository
from provisioning.pull_check import findings

IMAGES_A_PAGE = 10
PAST = {"ended", "rejected"}


class RequestForm(forms.Form):
    """What a request for a product says."""

    reference = forms.CharField(
        max_length=80, required=False, label="Order or contract number (optional)"
    )
    note = forms.CharField(
        max_length=2000,
        required=False,
        label="Note to the vendor (optional)",
        widget=forms.Textarea(attrs={"rows": 2}),
    )


@login_required
@require_GET
def home(request: HttpRequest) -> HttpResponse:
    user = member(request)
    if user.is_staff:
        return redirect("ops:dashboard" if user.has_perm(OPERATE) else "admin:index")
    entitlements = list(queries.of_user(user))
    offers = queries.on_offer(user)
    handling = {row.customer.pk for row in offers if row.role in MAY_HANDLE_CREDENTIALS}
    todo = [(row, row.entitlement.customer_id in handling) for row in queries.todo(entitlements)]
    organisations = [
        {"offer": offer, "customer": offer.customer, **_owned(offer.customer, entitlements)}
        for offer in offers
    ]
    return render(request, "customer/home.html", {"todo": todo, "organisations": organisations})


def _owned(customer: Customer, entitlements: list[Entitlement]) -> dict[str, Any]:
    """What an organisation has, or has asked for, and what it had."""
    rows = [(row, queries.progress(row)) for row in entitlements if row.customer_id == customer.pk]
    return {
        "owned": [pair for pair in rows if pair[1].state not in PAST],
        "past": [pair for pair in rows if pair[1].state in PAST],
    }


@login_required
@require_http_methods(["GET", "POST"])
def request_access(request: HttpRequest, customer_pk: int, product_pk: int) -> HttpResponse:
    """The form that asks for a product, and its sending."""
    user = member(request)
    customer = get_object_or_404(Customer.objects.for_user(user), pk=customer_pk)
    product = get_object_or_404(Product, pk=product_pk, is_listed=True)
    form = RequestForm(request.POST or None)
    try:
        require_role(user, customer, MAY_REQUEST, "request products")
        if request.method == "POST" and form.is_valid():
            entitlement = request_product(customer, product, by=who(request), **form.cleaned_data)
            messages.success(request, f"Requested: {product}. You see here when it is approved.")
            return redirect("customer:access", entitlement.pk)
    except (NotAllowed, Refused) as error:
        messages.error(request, str(error))
        return redirect("customer:home")
    context = {"customer": customer, "product": product, "form": form}
    return render(request, "customer/request.html", context)


@login_required
@require_GET
def access(request: HttpRequest, pk: int, repository_pk: int | None = None) -> HttpResponse:
    """A product, and how to pull from one of its repositories: the first, if none is named."""
    entitlement = get_object_or_404(queries.of_user(member(request)), pk=pk)
    progress = queries.progress(entitlement)
    if request.htmx:  # type: ignore[attr-defined]
        context = {"entitlement": entitlement, "progress": progress}
        response = render(request, "customer/_progress.html", context)
        # At the end the rest of the page has changed as well.
        return response if progress.asks_again else HttpResponseClientRefresh()
    repositories = queries.open_repositories(entitlement)
    chosen = [row for row in repositories if repository_pk in (None, row.pk)][:1]
    if repository_pk and not chosen:
        raise Http404
    context = _access_context(request, entitlement, progress) | {
        "repositories": repositories,
        "places": [_place(row, entitlement, request.GET.get("page")) for row in chosen],
    }
    return render(request, "customer/access.html", context)


def _access_context(
    request: HttpRequest, entitlement: Entitlement, progress: queries.Progress
) -> dict[str, Any]:
    role = role_of(member(request), entitlement.customer)
    credentials = [
        _credentials(pull_user)
        for pull_user in queries.pull_users(entitlement)
        if pull_user.is_ready
    ]
    return {
        "entitlement": entitlement,
        "progress": progress,
        "credentials": credentials,
        "has_several_accounts": len({row["pull_user"].account_id for row in credentials}) > 1,
        "is_unused": any(row["is_unused"] for row in credentials),
        "may_reveal": role in MAY_HANDLE_CREDENTIALS,
        "set_up": instructions.set_up(profile()),
        "findings": findings(entitlement),
        "form": SaidForm(),
    }


def _credentials(pull_user: PullUser) -> dict[str, Any]:
    current = queries.current_key(pull_user)
    is_collected = current is not None and not current.secret.is_sealed
    return {
        "pull_user": pull_user,
        "keys": queries.keys_in_words(pull_user),
        "current": current,
        "claimed_until": queries.claimed_until(current) if current else None,
        "is_collected": is_collected,
        "can_rotate": is_collected or pull_user.unclaimed_at,
        "is_unused": is_collected and current is not None and current.last_used_at is None,
    }


def _place(repository: Repository, entitlement: Entitlement, page: str | None) -> dict[str, Any]:
    key = queries.key_for(entitlement, repository)
    place = instructions.Place(
        profile=profile(),
        region=repository.registry.region,
        uri=repository.pull_uri,
        tag=repository.newest_tag or "TAG",
        endpoint_url=repository.registry.endpoint_url,
        access_key_id=key.access_key_id if key else "ACCESS_KEY_ID",
    )
    return {
        "slug": f"pull-{repository.pk}",
        "repository": repository,
        "place": place,
        "groups": instructions.in_groups(place),
        "images": Paginator(repository.images.all(), IMAGES_A_PAGE).get_page(page),
    }


def profile() -> str:
    """The name of the profile in the customer's AWS configuration."""
    return slugify(settings.VENDOR_NAME)
