"""A customer's further pull users, one for each kind of machine: ``ci``."""

from django import forms
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods

from accounts.actor import actor, current_user
from accounts.models import Customer
from accounts.permissions import MAY_HANDLE_CREDENTIALS, role_of
from portal.pages.guards import recent_login_required
from portal.pages.perform import perform
from provisioning.flows.labels import add_label, remove_label
from provisioning.models import AccessKey, Label


class LabelForm(forms.ModelForm):
    class Meta:
        model = Label
        fields = ("name",)
        labels = {"name": "Label"}
        help_texts = {"name": "Lower-case letters, digits and hyphens, like ci."}


@recent_login_required
@require_http_methods(["GET", "POST"])
def labels(request: HttpRequest, pk: int) -> HttpResponse:
    """GET shows the labels, and asks whether to remove the one that ``remove`` names; POST adds
    one, or removes it."""
    user = current_user(request)
    customer = get_object_or_404(Customer.objects.for_user(user), pk=pk)
    form = LabelForm(request.POST if "name" in request.POST else None)
    if "remove" in request.POST:
        label = get_object_or_404(customer.labels, name=request.POST["remove"])
        perform(
            request,
            lambda: remove_label(label, by=actor(request)),
            done=f"The pull users labelled {label} are being deleted, with their keys.",
        )
        return redirect("customer:labels", customer.pk)
    if request.method == "POST" and form.is_valid():
        name = form.cleaned_data["name"]
        is_done = perform(
            request,
            lambda: add_label(customer, name, by=actor(request)),
            done=f"A pull user labelled {name} is being created. Reveal its key on the product's "
            "page.",
            form=form,
        )
        if is_done:
            return redirect("customer:labels", customer.pk)
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
