"""Ops reissue credentials, and deactivate and activate keys."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods

from accounts.actor import actor
from portal.pages.forms import OverlapForm, ReasonForm
from portal.pages.guards import ops_only
from portal.pages.perform import perform
from provisioning.flows.credentials import activate, deactivate
from provisioning.flows.credentials import reissue as reissue_credentials
from provisioning.models import AccessKey, PullUser
from provisioning.states import Desired, KeyStatus


class ReissueForm(ReasonForm, OverlapForm):
    field_order = ("reason", "overlap", "key_to_delete")


@ops_only
@require_http_methods(["GET", "POST"])
def reissue(request: HttpRequest, pk: int) -> HttpResponse:
    pull_user = get_object_or_404(PullUser.objects.select_related("customer"), pk=pk)
    form = ReissueForm(request.POST or None, pull_user=pull_user)
    if request.method == "POST" and form.is_valid():
        is_done = perform(
            request,
            lambda: reissue_credentials(pull_user, by=actor(request), **form.cleaned_data),
            done=f"A new key for {pull_user.customer} is being created. The customer reveals it.",
            form=form,
        )
        if is_done:
            return redirect("ops:dashboard")
    return render(request, "ops/reissue.html", {"pull_user": pull_user, "form": form})


@ops_only
@require_http_methods(["GET", "POST"])
def switch_key(request: HttpRequest, pk: int) -> HttpResponse:
    """Deactivate a key at once, or activate it again."""
    keys = AccessKey.objects.exclude(desired=KeyStatus.DELETED)
    key = get_object_or_404(
        keys.select_related("pull_user__customer").exclude(pull_user__desired=Desired.ABSENT), pk=pk
    )
    is_on = key.desired == KeyStatus.ACTIVE
    form = ReasonForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        is_done = perform(
            request,
            lambda: (deactivate if is_on else activate)(
                key, by=actor(request), **form.cleaned_data
            ),
            done=f"Access key {key} is being {'deactivated' if is_on else 'activated'}.",
            form=form,
        )
        if is_done:
            return redirect("ops:dashboard")
    return render(request, "ops/switch_key.html", {"key": key, "is_on": is_on, "form": form})
