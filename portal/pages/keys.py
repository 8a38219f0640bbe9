"""A customer's keys: have a new one made, switch one off or on again."""

from collections.abc import Callable

from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.http import require_http_methods

from accounts.permissions import MAY_HANDLE_CREDENTIALS, require_role
from portal.pages.came_from import address_of, product_of
from portal.pages.fresh import fresh_proof_required
from portal.pages.ops import OverlapForm
from portal.request import member, who
from provisioning import queries
from provisioning.flows import NotAllowed, Refused
from provisioning.flows.deactivate import activate, deactivate
from provisioning.flows.reissue import rotate as rotate_key
from provisioning.models import AccessKey, Entitlement, PullUser
from provisioning.states import KeyStatus, Wanted


@fresh_proof_required
@require_http_methods(["GET", "POST"])
def rotate(request: HttpRequest, pk: int) -> HttpResponse:
    """GET asks how long the old key works on; POST has the new one made."""
    users = PullUser.objects.for_user(member(request)).select_related("customer")
    keys = users.prefetch_related("access_keys__secret__revealed_by")
    pull_user = get_object_or_404(keys, pk=pk)
    entitlement = product_of(request, pull_user)
    if not _may_handle(request, pull_user):
        return redirect(address_of(entitlement))
    form = OverlapForm(request.POST if request.method == "POST" else None, pull_user=pull_user)
    current = queries.current_key(pull_user)
    if current is None or current.secret.is_sealed:
        # Nobody has the old one: there is nothing to change over.
        del form.fields["overlap"]
    if request.method == "POST" and form.is_valid():
        return _done(
            request,
            entitlement,
            lambda: rotate_key(pull_user, by=who(request), **form.cleaned_data),
            "A new key is being made and tested. Reveal it here when that is done.",
        )
    context = {
        "pull_user": pull_user,
        "entitlement": entitlement,
        "keys": queries.keys_in_words(pull_user),
        "current": current,
        "new_expires_at": settings.KEY_LIFETIME and timezone.now() + settings.KEY_LIFETIME,
        "form": form,
    }
    return render(request, "customer/rotate.html", context)


@fresh_proof_required
@require_http_methods(["GET", "POST"])
def switch(request: HttpRequest, pk: int) -> HttpResponse:
    """GET asks; POST deactivates the key at once, or activates it again."""
    keys = AccessKey.objects.for_user(member(request)).exclude(wanted=KeyStatus.DELETED)
    key = get_object_or_404(
        keys.select_related("pull_user__customer").exclude(pull_user__wanted=Wanted.ABSENT), pk=pk
    )
    entitlement = product_of(request, key.pull_user)
    if not _may_handle(request, key.pull_user):
        return redirect(address_of(entitlement))
    is_on = key.wanted == KeyStatus.ACTIVE
    if request.method == "POST":
        return _done(
            request,
            entitlement,
            lambda: (deactivate if is_on else activate)(key, by=who(request)),
            f"Access key {key} is being {'deactivated' if is_on else 'activated'}.",
        )
    context = {"key": key, "is_on": is_on, "entitlement": entitlement}
    return render(request, "customer/switch_key.html", context)


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


def _done(
    request: HttpRequest, entitlement: Entitlement | None, deed: Callable[[], None], words: str
) -> HttpResponse:
    try:
        deed()
    except (NotAllowed, Refused) as error:
        messages.error(request, str(error))
    else:
        messages.success(request, words)
    return redirect(address_of(entitlement))
