"""Which letters a member gets from an organisation, and by which clock."""

from itertools import groupby
from typing import Any
from zoneinfo import available_timezones

from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods

from accounts import letters
from accounts.models import Kind, Membership
from portal.request import member, who

# Where people live; the rest are old names of the same places.
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


class LettersForm(forms.Form):
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
        help_text="Pages and letters tell you the time by it, whichever organisation they are of.",
    )

    def __init__(self, data: Any = None, *, membership: Membership) -> None:
        kinds = letters.may_choose(membership)
        wanted = [str(kind) for kind in kinds if kind not in membership.muted]
        initial = {
            "products": wanted,
            "credentials": wanted,
            "time_zone": membership.user.time_zone,
        }
        super().__init__(data, initial=initial)
        for name, of_field in (
            ("products", letters.PRODUCTS),
            ("credentials", letters.CREDENTIALS),
        ):
            choices = [(str(kind), kind.label) for kind in of_field if kind in kinds]
            if choices:
                self.fields[name].choices = choices  # type: ignore[attr-defined]
            else:
                del self.fields[name]

    def wanted(self) -> set[str]:
        fields = ("products", "credentials")
        return {kind for field in fields for kind in self.cleaned_data.get(field, [])}


@login_required
@require_http_methods(["GET", "POST"])
def choose(request: HttpRequest, pk: int) -> HttpResponse:
    """GET shows what is sent; POST changes it."""
    memberships = member(request).memberships.select_related("customer", "user")
    membership = get_object_or_404(memberships, customer_id=pk)
    form = LettersForm(request.POST or None, membership=membership)
    if request.method == "POST" and form.is_valid():
        letters.choose(
            membership,
            form.wanted(),
            time_zone=form.cleaned_data["time_zone"],
            by=who(request),
        )
        messages.success(request, "Your letters and your time zone are saved.")
        return redirect("customer:letters", pk)
    always = [
        Kind(kind).label for kind in letters.ALWAYS if membership.role in letters.READERS[kind]
    ]
    context = {"membership": membership, "form": form, "always": always}
    return render(request, "customer/letters.html", context)
