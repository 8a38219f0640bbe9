"""Requesting a product."""

from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods

from accounts.actor import actor, current_user
from accounts.models import Customer
from accounts.permissions import MAY_REQUEST, NotAllowed, require_role
from portal.pages.perform import perform
from provisioning.flows.entitlements import request as request_product
from provisioning.models import Entitlement, Product


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
@require_http_methods(["GET", "POST"])
def request_product_page(request: HttpRequest, customer_pk: int, product_pk: int) -> HttpResponse:
    """GET shows the form; POST requests the product."""
    user = current_user(request)
    customer = get_object_or_404(Customer.objects.for_user(user), pk=customer_pk)
    product = get_object_or_404(Product, pk=product_pk, is_listed=True)
    try:
        require_role(user, customer, MAY_REQUEST, "request products")
    except NotAllowed as error:
        messages.error(request, str(error))
        return redirect("customer:home")
    form = RequestForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        requested: list[Entitlement] = []
        is_done = perform(
            request,
            lambda: requested.append(
                request_product(customer, product, by=actor(request), **form.cleaned_data)
            ),
            done=f"Requested: {product}. This page shows when it is approved.",
            form=form,
        )
        if is_done:
            return redirect("customer:product", requested[0].pk)
    context = {"customer": customer, "product": product, "form": form}
    return render(request, "customer/request.html", context)
