"""The hold: ops begin and end it, and decide what is right where AWS and the database differ."""

from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods

from accounts.actor import Actor, actor
from portal.pages.forms import ReasonForm
from portal.pages.guards import ops_only
from portal.pages.perform import perform
from provisioning.desired.hold import unseen
from provisioning.flows import Refused
from provisioning.flows.drift import resolve_drift
from provisioning.flows.hold import hold, release
from provisioning.models import Drift, Installation
from provisioning.queries.restore import held_back, restore_plan

# Differences of one kind that a page shows; when they are decided, it shows the next.
MOST = 100


class DecisionForm(ReasonForm):
    """What to do about differences that are alike, and why."""

    drift = forms.ModelMultipleChoiceField(
        Drift.objects.none(), error_messages={"required": "Select at least one."}
    )
    choice = forms.ChoiceField(choices=[("adopt", ""), ("repair", "")])

    def __init__(self, data: Any = None, *, kind: str) -> None:
        super().__init__(data, auto_id=_ids(kind))
        rows = Drift.objects.open().filter(kind=kind)
        rows = rows.select_related("pull_user__customer", "repository", "registry")
        self.fields["drift"].queryset = rows  # type: ignore[attr-defined]


@ops_only
@require_http_methods(["GET", "POST"])
def hold_page(request: HttpRequest) -> HttpResponse:
    action, kind = request.POST.get("action", ""), request.POST.get("kind", "")
    data = request.POST or None
    if action == "decide":
        posted: ReasonForm = DecisionForm(data, kind=kind)
    else:
        posted = ReasonForm(data, auto_id=_ids(action))
    if request.method == "POST" and posted.is_valid() and _carry_out(request, action, posted):
        return redirect("ops:hold")
    installation = Installation.get()
    last = "release" if installation.held_at else "hold"
    sections = [
        (section, posted if section.kind == kind else DecisionForm(kind=section.kind))
        for section in restore_plan(MOST)
    ]
    context = {
        "installation": installation,
        "unseen": unseen(),
        "sections": sections,
        "held_back": held_back(),
        "form": posted if action == last else ReasonForm(auto_id=_ids(last)),
        "selected": set(request.POST.getlist("drift")),
        "kind": kind,
    }
    return render(request, "ops/hold.html", context)


def _ids(name: str) -> str:
    """The page has several forms with the same fields."""
    return f"{name}_%s"


def _carry_out(request: HttpRequest, action: str, form: ReasonForm) -> bool:
    by, reason = actor(request), form.cleaned_data["reason"]
    match action:
        case "decide":
            _decide(request, form.cleaned_data["drift"], form.cleaned_data["choice"], by, reason)
            return True
        case "release":
            done = "The portal goes on: it makes AWS agree with the database."
            return perform(request, lambda: release(by=by, reason=reason), done=done, form=form)
        case "hold":
            done = "The portal is held. It looks at everything in AWS now."
            return perform(request, lambda: hold(by=by, reason=reason), done=done, form=form)
    return False


def _decide(
    request: HttpRequest, drifts: "list[Drift]", choice: str, by: Actor, reason: str
) -> None:
    """Each by itself: one about which this cannot be decided keeps no other from it."""
    done = 0
    for drift in drifts:
        try:
            resolve_drift(drift, choice, by=by, reason=reason)
        except Refused as error:
            messages.error(request, f"{drift}: {error}")
        else:
            done += 1
    if done:
        messages.success(request, f"Recorded for {done}. The portal looks at them again now.")
