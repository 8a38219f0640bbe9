"""One's own name and time zone, and the emails to the vendor's people."""

from itertools import groupby
from typing import Any
from zoneinfo import available_timezones

from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods

from accounts.actor import actor, current_user
from accounts.emails import preferences
from accounts.flows import profile as flow
from portal.pages.forms import NotificationsForm

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


class ProfileForm(forms.Form):
    name = forms.CharField(label="Your name", max_length=120, required=False)
    time_zone = forms.ChoiceField(
        choices=time_zones,
        label="Your time zone",
        help_text="Pages and emails show times in it.",
    )


@login_required
@require_http_methods(["GET", "POST"])
def profile(request: HttpRequest) -> HttpResponse:
    """GET shows how the person is called; POST changes it."""
    user = current_user(request)
    present = {"name": user.name, "time_zone": user.time_zone}
    form = ProfileForm(request.POST or None, initial=present)
    if request.method == "POST" and form.is_valid():
        flow.change(user, by=actor(request), **form.cleaned_data)
        messages.success(request, "Your name and your time zone are saved.")
        return redirect("profile")
    return render(request, "account/profile.html", {"form": form})


@login_required
@require_http_methods(["GET", "POST"])
def notifications(request: HttpRequest) -> HttpResponse:
    """Members choose their emails for each organisation; the vendor's people choose here."""
    user = current_user(request)
    kinds = preferences.choices_of(user)
    if not kinds:
        return render(request, "account/notifications.html", {"organisations": user.organisations})
    on = preferences.turned_on(user)
    form = NotificationsForm(request.POST or None, fields={"kinds": ("Emails", kinds)}, on=on)
    if request.method == "POST" and form.is_valid():
        preferences.choose(user, form.chosen, by=actor(request))
        messages.success(request, "Your notifications are saved.")
        return redirect("account_notifications")
    return render(request, "account/notifications.html", {"form": form})
