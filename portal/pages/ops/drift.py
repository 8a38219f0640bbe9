"""Differences between AWS and the portal, and what ops decide about them."""

from django import forms
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_GET, require_http_methods

from accounts.actor import actor
from portal.pages.forms import ReasonForm
from portal.pages.guards import ops_only
from portal.pages.perform import perform
from provisioning.flows.drift import resolve_drift
from provisioning.models import Drift, Installation
from provisioning.models.drift import Repair

PAGE_LENGTH = 25


class ResolveForm(ReasonForm):
    """What to do about drift, and why."""

    choice = forms.ChoiceField(widget=forms.RadioSelect)
    # What was chosen when the page was shown.
    seen = forms.CharField(widget=forms.HiddenInput, required=False)
    field_order = ("choice", "reason")

    def __init__(self, *args: object, drift: Drift, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]
        policy = Drift.Kind(drift.kind).policy
        choices = []
        if policy.repair is not Repair.NOBODY:
            choices.append(("repair", "Repair: make AWS agree with the portal"))
        is_held = Installation.get().held_at is not None
        if policy.may_be_adopted(is_held=is_held):
            choices.append(("adopt", "Leave it: make the portal agree with AWS"))
        self.fields["choice"].choices = choices  # type: ignore[attr-defined]
        self.fields["seen"].initial = drift.choice


@ops_only
@require_GET
def drift_list(request: HttpRequest) -> HttpResponse:
    rows = Drift.objects.select_related("pull_user__customer", "repository", "registry")
    is_all = "all" in request.GET
    found = rows if is_all else rows.open()
    page = Paginator(found, PAGE_LENGTH).get_page(request.GET.get("page"))
    return render(request, "ops/drift_list.html", {"page": page, "is_all": is_all})


@ops_only
@require_http_methods(["GET", "POST"])
def drift_detail(request: HttpRequest, pk: int) -> HttpResponse:
    rows = Drift.objects.select_related("pull_user__customer", "repository", "registry")
    row = get_object_or_404(rows, pk=pk)
    form = ResolveForm(request.POST or None, drift=row)
    if request.method == "POST" and form.is_valid():
        is_done = perform(
            request,
            lambda: resolve_drift(row, by=actor(request), **form.cleaned_data),
            done="Recorded. The portal looks at it again now.",
            form=form,
        )
        if is_done:
            return redirect("ops:drift_list")
    return render(request, "ops/drift_detail.html", {"drift": row, "form": form})
