"""The dashboard of ops: how far every entitlement is, what is stuck, and what to do."""

from collections.abc import Callable
from datetime import timedelta
from functools import wraps
from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required, permission_required
from django.contrib.humanize.templatetags.humanize import naturaltime
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.formats import date_format
from django.utils.timezone import localtime
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from accounts.permissions import OPERATE
from portal.request import who
from provisioning import queries
from provisioning.flows import NotAllowed, Refused
from provisioning.flows.reissue import OVERLAP, keys_to_choose_from
from provisioning.flows.reissue import reissue as reissue_credentials
from provisioning.flows.retry import retry as retry_row
from provisioning.models import AccessKey, Finding, PullUser, Registry, Repository

PAGE_LENGTH = 25
View = Callable[..., HttpResponseBase]


def ops_only(view: View) -> View:
    @login_required
    @permission_required(OPERATE, raise_exception=True)
    @wraps(view)
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        return view(request, *args, **kwargs)

    return guarded


class OverlapForm(forms.Form):
    """How long the old key works on, and which key goes when AWS has room for none."""

    overlap = forms.TypedChoiceField(
        label="The old key",
        coerce=lambda days: timedelta(days=int(days)),
    )

    def __init__(self, *args: Any, pull_user: PullUser, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["overlap"].choices = [  # type: ignore[attr-defined]
            (OVERLAP.days, f"works on for {OVERLAP.days} days, until {_day(OVERLAP)}"),
            (1, f"works on for one day, until {_day(timedelta(days=1))}"),
            (0, "stops now: it has leaked"),
        ]
        keys = keys_to_choose_from(pull_user)
        if keys:
            self.fields["give_up"] = forms.ChoiceField(
                label="AWS holds two keys of a user. Which one goes now?",
                choices=[(str(key), f"{key}, {_use(key)}") for key in keys],
                widget=forms.RadioSelect,
            )


def _day(after: timedelta) -> str:
    return date_format(localtime() + after, "j F Y")


def _use(key: AccessKey) -> str:
    return f"last used {naturaltime(key.last_used_at)}" if key.last_used_at else "no use is known"


class ReissueForm(OverlapForm):
    reason = forms.CharField(max_length=500)
    field_order = ("reason", "overlap", "give_up")


@ops_only
@require_GET
def dashboard(request: HttpRequest) -> HttpResponse:
    page = Paginator(queries.entitlements(), PAGE_LENGTH).get_page(request.GET.get("page"))
    rows = [
        {
            "entitlement": row,
            "progress": queries.progress(row),
            "pull_users": queries.pull_users(row),
            "stuck_repositories": queries.stuck_repositories(row),
            "repositories": queries.repositories(row),
        }
        for row in page
    ]
    open_findings = Finding.objects.open().filter(choice="").count()
    context = {
        "page": page,
        "rows": rows,
        "paused": Registry.objects.exclude(paused_by=""),
        "findings_label": f"Findings: {open_findings}" if open_findings else "No findings",
    }
    return render(request, "ops/dashboard.html", context)


@ops_only
@require_http_methods(["GET", "POST"])
def reissue(request: HttpRequest, pk: int) -> HttpResponse:
    pull_user = get_object_or_404(PullUser.objects.select_related("customer"), pk=pk)
    form = ReissueForm(request.POST or None, pull_user=pull_user)
    if request.method == "POST" and form.is_valid():
        try:
            reissue_credentials(pull_user, by=who(request), **form.cleaned_data)
        except (NotAllowed, Refused) as error:
            messages.error(request, str(error))
        else:
            messages.success(
                request, f"A new key for {pull_user.customer} is being made; they reveal it."
            )
        return redirect("ops:dashboard")
    return render(request, "ops/reissue.html", {"pull_user": pull_user, "form": form})


@ops_only
@require_POST
def retry_pull_user(request: HttpRequest, pk: int) -> HttpResponse:
    return _retry(request, get_object_or_404(PullUser, pk=pk))


@ops_only
@require_POST
def retry_repository(request: HttpRequest, pk: int) -> HttpResponse:
    return _retry(request, get_object_or_404(Repository, pk=pk))


def _retry(request: HttpRequest, row: PullUser | Repository) -> HttpResponse:
    retry_row(row, by=who(request))
    messages.success(request, f"{row} is tried again now.")
    return redirect("ops:dashboard")
