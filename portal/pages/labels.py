"""A customer's further pull users, one for each kind of machine: ``ci``."""

from collections.abc import Callable

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods

from accounts.models import Customer
from accounts.permissions import MAY_HANDLE_CREDENTIALS, role_of
from portal.pages.fresh import fresh_proof_required
from portal.request import member, who
from provisioning.flows import NotAllowed, Refused
from provisioning.flows.label import add_label, remove_label
from provisioning.models import AccessKey, Label


class LabelForm(forms.ModelForm):
    class Meta:
        model = Label
        fields = ("name",)
        labels = {"name": "Label"}
        help_texts = {"name": "Small letters, digits and hyphens, like ci."}


@fresh_proof_required
@require_http_methods(["GET", "POST"])
def labels(request: HttpRequest, pk: int) -> HttpResponse:
    """GET shows the labels, and asks whether to remove the one that ``remove`` names; POST
    adds one, or removes it."""
    user = member(request)
    customer = get_object_or_404(Customer.objects.for_user(user), pk=pk)
    form = LabelForm(request.POST if "name" in request.POST else None)
    if "remove" in request.POST:
        label = get_object_or_404(customer.labels, name=request.POST["remove"])
        return _done(
            request,
            customer,
            lambda: remove_label(label, by=who(request)),
            f"The pull users labelled {label} are being deleted, with their keys.",
        )
    if request.method == "POST" and form.is_valid():
        name = form.cleaned_data["name"]
        return _done(
            request,
            customer,
            lambda: add_label(customer, name, by=who(request)),
            f"A pull user labelled {name} is being made. Reveal its key on the product's page.",
        )
    may_change = role_of(user, customer) in MAY_HANDLE_CREDENTIALS
    removing = customer.labels.filter(name=request.GET.get("remove", "")).first()
    keys = AccessKey.objects.living().filter(pull_user__customer=customer)
    context = {
        "customer": customer,
        "form": form,
        "may_change": may_change,
        "removing": removing,
        "keys": keys.filter(pull_user__label=removing.name) if removing else [],
    }
    return render(request, "customer/labels.html", context)


def _done(
    request: HttpRequest, customer: Customer, deed: Callable[[], object], words: str
) -> HttpResponse:
    try:
        deed()
    except (NotAllowed, Refused) as error:
        messages.error(request, str(error))
    else:
        messages.success(request, words)
    return redirect("customer:labels", customer.pk)
