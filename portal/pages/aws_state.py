"""What AWS was last seen to be, for ops: findings, capacity, and who can pull."""

from django import forms
from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from portal.pages.ops import PAGE_LENGTH, ops_only
from portal.request import who
from provisioning import capacity
from provisioning.flows import NotAllowed, Refused
from provisioning.flows.choose import ADOPTABLE, ONLY_SHOWN, choose
from provisioning.flows.deactivate import activate, deactivate
from provisioning.flows.retry import retry
from provisioning.models import AccessKey, Finding, Grant, Registry, Repository
from provisioning.states import KeyStatus, Wanted


class ChooseForm(forms.Form):
    """What becomes of a finding, and why."""

    choice = forms.ChoiceField(widget=forms.RadioSelect)
    reason = forms.CharField(max_length=500, help_text="It stays in the audit log.")

    def __init__(self, *args: object, finding: Finding, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]
        kind = Finding.Kind(finding.kind)
        choices = []
        if kind not in ONLY_SHOWN:
            choices.append(("repair", "Repair: AWS becomes as the portal has it"))
        if kind in ADOPTABLE:
            choices.append(("adopt", "Leave it: the portal has it as AWS does"))
        self.fields["choice"].choices = choices  # type: ignore[attr-defined]


class SwitchForm(forms.Form):
    reason = forms.CharField(max_length=500, help_text="It stays in the audit log.")


@ops_only
@require_GET
def findings(request: HttpRequest) -> HttpResponse:
    rows = Finding.objects.select_related("pull_user__customer", "repository", "registry")
    is_all = "all" in request.GET
    found = rows if is_all else rows.open()
    page = Paginator(found, PAGE_LENGTH).get_page(request.GET.get("page"))
    return render(request, "ops/findings.html", {"page": page, "is_all": is_all})


@ops_only
@require_http_methods(["GET", "POST"])
def finding(request: HttpRequest, pk: int) -> HttpResponse:
    rows = Finding.objects.select_related("pull_user__customer", "repository", "registry")
    row = get_object_or_404(rows, pk=pk)
    form = ChooseForm(request.POST or None, finding=row)
    if request.method == "POST" and form.is_valid():
        try:
            choose(row, by=who(request), **form.cleaned_data)
        except (NotAllowed, Refused) as error:
            messages.error(request, str(error))
        else:
            messages.success(request, "Recorded; the portal looks at it again now.")
        return redirect("ops:findings")
    return render(request, "ops/finding.html", {"finding": row, "form": form})


@ops_only
@require_GET
def capacity_meters(request: HttpRequest) -> HttpResponse:
    page = Paginator(capacity.meters(), PAGE_LENGTH).get_page(request.GET.get("page"))
    return render(request, "ops/capacity.html", {"page": page})


@ops_only
@require_GET
def pullers(request: HttpRequest, pk: int) -> HttpResponse:
    """Who can pull from a repository, as AWS was last read."""
    repository = get_object_or_404(Repository.objects.select_related("registry"), pk=pk)
    in_users = repository.grants.filter(in_user_policy=True).select_related("pull_user")
    ours = Grant.objects.filter(repository=repository).values_list("pull_user__arn", flat=True)
    known = set(ours)
    by_policy = [
        {"principal": principal, "sid": sid, "is_ours": principal in known}
        for principal, sid in repository.pullers
    ]
    context = {"repository": repository, "by_policy": by_policy, "in_users": in_users}
    return render(request, "ops/pullers.html", context)


@ops_only
@require_http_methods(["GET", "POST"])
def switch_key(request: HttpRequest, pk: int) -> HttpResponse:
    """Deactivate a key at once, or activate it again."""
    keys = AccessKey.objects.exclude(wanted=KeyStatus.DELETED)
    key = get_object_or_404(
        keys.select_related("pull_user__customer").exclude(pull_user__wanted=Wanted.ABSENT), pk=pk
    )
    is_on = key.wanted == KeyStatus.ACTIVE
    form = SwitchForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            (deactivate if is_on else activate)(key, by=who(request), **form.cleaned_data)
        except (NotAllowed, Refused) as error:
            messages.error(request, str(error))
        else:
            done = "deactivated" if is_on else "activated"
            messages.success(request, f"Access key {key} is being {done}.")
        return redirect("ops:dashboard")
    return render(request, "ops/switch_key.html", {"key": key, "is_on": is_on, "form": form})


@ops_only
@require_POST
def retry_registry(request: HttpRequest, pk: int) -> HttpResponse:
    registry = get_object_or_404(Registry, pk=pk)
    retry(registry, by=who(request))
    messages.success(request, f"{registry} goes on now.")
    return redirect("ops:dashboard")
