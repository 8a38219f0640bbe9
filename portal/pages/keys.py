"""A customer's keys: have a new one made, switch one off or on again."""

from collections.abc import Callable

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods

from accounts.permissions import MAY_HANDLE_CREDENTIALS, require_role
from portal.pages.fresh import fresh_proof_required
from portal.pages.ops import OverlapForm
from portal.request import member, who
from provisioning.flows import NotAllowed, Refused
from provisioning.flows.deactivate import activate, deactivate
from provisioning.flows.reissue import rotate as rotate_key
from provisioning.models import AccessKey, PullUser
from provisioning.states import KeyStatus, Wanted


@fresh_proof_required
@require_http_methods(["GET", "POST"])
def rotate(request: HttpRequest, pk: int) -> HttpResponse:
    """GET asks how long the old key works on; POST has the new one made."""
    users = PullUser.objects.for_user(member(request)).select_related("customer")
    pull_user = get_object_or_404(users, pk=pk)
    if not _may_handle(request, pull_user):
        return redirect("customer:home")
    form = OverlapForm(request.POST or None, pull_user=pull_user)
    if request.method == "POST" and form.is_valid():
        return _done(
            request,
            lambda: rotate_key(pull_user, by=who(request), **form.cleaned_data),
            "A new key is being made. Reveal it on the product's page when it was tested.",
        )
    keys = pull_user.access_keys.living()
    return render(
        request, "customer/rotate.html", {"pull_user": pull_user, "keys": keys, "form": form}
    )


@fresh_proof_required
@require_http_methods(["GET", "POST"])
def switch(request: HttpRequest, pk: int) -> HttpResponse:
    """GET asks; POST deactivates the key at once, or activates it again."""
    keys = AccessKey.objects.for_user(member(request)).exclude(wanted=KeyStatus.DELETED)
    key = get_object_or_404(
        keys.select_related("pull_user__customer").exclude(pull_user__wanted=Wanted.ABSENT), pk=pk
    )
    if not _may_handle(request, key.pull_user):
        return redirect("customer:home")
    is_on = key.wanted == KeyStatus.ACTIVE
    if request.method == "POST":
        return _done(
            request,
            lambda: (deactivate if is_on else activate)(key, by=who(request)),
            f"Access key {key} is being {'deactivated' if is_on else 'activated'}.",
        )
    return render(request, "customer/switch_key.html", {"key": key, "is_on": is_on})


def _may_handle(request: HttpRequest, pull_user: PullUser) -> bool:
    """Whether she may; if not, a message says who may."""
    try:
        require_role(
            member(request), pull_user.customer, MAY_HANDLE_CREDENTIALS, "change credentials"
        )
    except NotAllowed as error:
        messages.error(request, str(error))
        return False
    return True


def _done(request: HttpRequest, deed: Callable[[], None], words: str) -> HttpResponse:
    try:
        deed()
    except (NotAllowed, Refused) as error:
        messages.error(request, str(error))
    else:
        messages.success(request, words)
    return redirect("customer:home")
