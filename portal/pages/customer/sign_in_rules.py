"""What an organisation requires of its members' sign-ins."""

from typing import Any

from django import forms
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods

from accounts.actor import actor, current_user
from accounts.flows import sign_in_rules
from accounts.models import Customer
from accounts.recent_sign_in import used_second_factor
from accounts.single_sign_on import used_own_identity
from portal.pages.guards import recent_login_required
from portal.pages.perform import perform


class SignInRulesForm(forms.Form):
    """An owner can require only what they use themselves, and so locks nobody out by mistake."""

    second_factor = forms.BooleanField(
        required=False,
        label="Require a second factor",
        help_text="An authenticator app, a security key or a passkey. Members who have none set "
        "one up at their next visit.",
    )
    single_sign_on = forms.BooleanField(
        required=False,
        label="Require single sign-on",
        help_text="Members who signed in in another way sign in again.",
    )

    def __init__(self, *args: Any, request: HttpRequest, customer: Customer, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.request, self.customer = request, customer
        if not settings.OIDC_ISSUER:
            del self.fields["single_sign_on"]

    def clean_second_factor(self) -> bool:
        if self.cleaned_data["second_factor"] and not used_second_factor(self.request):
            raise forms.ValidationError("Set up a second factor yourself first.")
        return bool(self.cleaned_data["second_factor"])

    def clean_single_sign_on(self) -> bool:
        is_required = self.cleaned_data["single_sign_on"]
        if is_required and not used_own_identity(self.request, self.customer):
            raise forms.ValidationError(
                "Sign in by single sign-on yourself first, with the address of your account."
            )
        return bool(self.cleaned_data["single_sign_on"])


@recent_login_required
@require_http_methods(["GET", "POST"])
def rules(request: HttpRequest, pk: int) -> HttpResponse:
    customer = get_object_or_404(Customer.objects.for_user(current_user(request)), pk=pk)
    initial = {
        "second_factor": customer.requires_second_factor,
        "single_sign_on": customer.requires_single_sign_on,
    }
    posted = request.POST if request.method == "POST" else None
    form = SignInRulesForm(posted, initial=initial, request=request, customer=customer)
    if form.is_valid():
        chosen = {"single_sign_on": False} | form.cleaned_data
        is_done = perform(
            request,
            lambda: sign_in_rules.change(customer, **chosen, by=actor(request)),
            done=f"The sign-in rules of {customer} are changed.",
            form=form,
        )
        if is_done:
            return redirect("customer:organisation", customer.pk)
    return render(request, "customer/sign_in_rules.html", {"customer": customer, "form": form})
