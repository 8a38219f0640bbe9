"""The customer's pages: what she has, how far it is, her credentials, and how to pull."""

from typing import Any

from django import forms
from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.text import slugify
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_variables
from django.views.decorators.http import require_GET, require_http_methods
from django_htmx.http import HttpResponseClientRefresh

from accounts.models import Customer
from accounts.permissions import MAY_HANDLE_CREDENTIALS, MAY_REQUEST, OPERATE, require_role, role_of
from portal.pages.fresh import fresh_proof_required
from portal.pages.trouble import SaidForm
from portal.request import member, who
from provisioning import instructions, queries
from provisioning.flows import NotAllowed, Refused
from provisioning.flows.request import request as request_product
from provisioning.flows.reveal import key_to_reveal
from provisioning.flows.reveal import reveal as reveal_credentials
from provisioning.models import Entitlement, Product, PullUser, Repository
from provisioning.pull_check import findings


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
    rows = [(row, queries.progress(row)) for row in queries.of_user(user)]
    offers = queries.on_offer(user)
    return render(request, "customer/home.html", {"rows": rows, "offers": offers})


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
def access(request: HttpRequest, pk: int) -> HttpResponse:
    entitlement = get_object_or_404(queries.of_user(member(request)), pk=pk)
    progress = queries.progress(entitlement)
    if request.htmx:  # type: ignore[attr-defined]
        context = {"entitlement": entitlement, "progress": progress}
        response = render(request, "customer/_progress.html", context)
        # At the end the rest of the page has changed as well.
        return response if progress.is_moving else HttpResponseClientRefresh()
    return render(request, "customer/access.html", _access_context(request, entitlement, progress))


def _access_context(
    request: HttpRequest, entitlement: Entitlement, progress: queries.Progress
) -> dict[str, Any]:
    role = role_of(member(request), entitlement.customer)
    credentials = [
        (pull_user, queries.current_key(pull_user))
        for pull_user in queries.pull_users(entitlement)
        if pull_user.is_ready
    ]
    return {
        "entitlement": entitlement,
        "progress": progress,
        "credentials": credentials,
        "may_reveal": role in MAY_HANDLE_CREDENTIALS,
        "set_up": instructions.set_up(_profile()),
        "findings": findings(entitlement),
        "form": SaidForm(),
        "places": [_place(row, entitlement) for row in queries.open_repositories(entitlement)],
    }


def _place(repository: Repository, entitlement: Entitlement) -> dict[str, Any]:
    key = queries.key_for(entitlement, repository)
    place = instructions.Place(
        profile=_profile(),
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
    }


@fresh_proof_required
@require_http_methods(["GET", "POST"])
@never_cache
@sensitive_variables("credentials")
def reveal(request: HttpRequest, pk: int) -> HttpResponse:
    """GET asks whether to reveal now; POST shows the credentials, once."""
    of_user = PullUser.objects.for_user(member(request))
    pull_user = get_object_or_404(of_user.select_related("customer"), pk=pk)
    try:
        if request.method == "GET":
            key_to_reveal(pull_user, by=who(request))
            return render(request, "customer/reveal.html", {"pull_user": pull_user})
        credentials = reveal_credentials(pull_user, by=who(request))
    except (NotAllowed, Refused) as error:
        messages.error(request, str(error))
        return redirect("customer:home")
    context = {"credentials": credentials, "set_up": instructions.set_up(_profile())}
    return render(request, "customer/secret.html", context)


def _profile() -> str:
    """The name of the profile in the customer's AWS configuration."""
    return slugify(settings.VENDOR_NAME)
