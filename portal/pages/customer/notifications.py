"""Which emails a member gets from an organisation, and the time zone of all times shown."""

from itertools import groupby
from typing import Any
from zoneinfo import available_timezones

from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods

from accounts.actor import actor, current_user
from accounts.emails import preferences
from accounts.models import EmailKind, Membership

# Where people live; the others are old names of the same places.
REGIONS = (
    "Africa/",
    "America/",
    "Antarctica/",
    "Asia/",
    "Atlantic/",
    "Australia/",
    "Europe/",
    "Indian/",
    "Pacific/",
)


def time_zones() -> list[Any]:
    """The choices of a time zone, by region."""
    names = sorted(name for name in available_timezones() if name.startswith(REGIONS))
    regions = groupby(names, key=lambda name: name.split("/")[0])
    return [
        ("UTC", "UTC"),
        *(
            (region, [(name, name.partition("/")[2].replace("_", " ")) for name in of_region])
            for region, of_region in regions
        ),
    ]


class NotificationsForm(forms.Form):
    """What is ticked is sent."""

    products = forms.MultipleChoiceField(
        label="About products", required=False, widget=forms.CheckboxSelectMultiple
    )
    credentials = forms.MultipleChoiceField(
        label="About credentials", required=False, widget=forms.CheckboxSelectMultiple
    )
    time_zone = forms.ChoiceField(
        choices=time_zones,
        label="Your time zone",
        help_text="Pages and emails show times in it, for all your organisations.",
    )

    def __init__(self, data: Any = None, *, membership: Membership) -> None:
        kinds = preferences.may_choose(membership)
        chosen = [str(kind) for kind in kinds if kind not in membership.muted]
        initial = {
            "products": chosen,
            "credentials": chosen,
            "time_zone": membership.user.time_zone,
        }
        super().__init__(data, initial=initial)
        for name, of_field in (
            ("products", preferences.PRODUCTS),
            ("credentials", preferences.CREDENTIALS),
        ):
            choices = [(str(kind), kind.label) for kind in of_field if kind in kinds]
            if choices:
                self.fields[name].choices = choices  # type: ignore[attr-defined]
            else:
                del self.fields[name]

    def chosen(self) -> set[str]:
        fields = ("products", "credentials")
        return {kind for field in fields for kind in self.cleaned_data.get(field, [])}


@login_required
@require_http_methods(["GET", "POST"])
def notifications(request: HttpRequest, pk: int) -> HttpResponse:
    """GET shows what is sent; POST changes it."""
    user = current_user(request)
    memberships = Membership.objects.for_user(user).select_related("customer", "user")
    membership = get_object_or_404(memberships, user=user, customer_id=pk)
    form = NotificationsForm(request.POST or None, membership=membership)
    if request.method == "POST" and form.is_valid():
        preferences.choose(
            membership,
            form.chosen(),
            time_zone=form.cleaned_data["time_zone"],
            by=actor(request),
        )
        messages.success(request, "Your notifications and your time zone are saved.")
        return redirect("customer:notifications", pk)
    always = [
        EmailKind(kind).label
        for kind in preferences.ALWAYS
        if membership.role in preferences.READERS[kind]
    ]
    context = {"membership": membership, "form": form, "always": always}
    return render(request, "customer/notifications.html", context)
