"""A customer's keys: create a new one, deactivate one, or activate it again."""

from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.http import require_http_methods

from accounts.actor import actor, current_user
from accounts.permissions import MAY_HANDLE_CREDENTIALS, require_role
from portal.pages.forms import OverlapForm
from portal.pages.guards import recent_login_required
from portal.pages.perform import perform
from portal.pages.return_to import address_of, product_of
from provisioning import queries
from provisioning.flows import NotAllowed
from provisioning.flows.credentials import activate, deactivate
from provisioning.flows.credentials import end as end_key
from provisioning.flows.credentials import rotate as rotate_key
from provisioning.models import AccessKey, PullUser
from provisioning.states import Desired, KeyStatus


@recent_login_required
@require_http_methods(["GET", "POST"])
def rotate(request: HttpRequest, pk: int) -> HttpResponse:
    """GET asks how long the old key works on; POST has a new one created."""
    users = PullUser.objects.for_user(current_user(request)).select_related("customer")
    keys = users.prefetch_related("access_keys__secret__revealed_by")
    pull_user = get_object_or_404(keys, pk=pk)
    entitlement = product_of(request, pull_user)
    if not _may_handle(request, pull_user):
        return redirect(address_of(entitlement))
    form = OverlapForm(request.POST if request.method == "POST" else None, pull_user=pull_user)
    current = queries.current_key(pull_user)
    if current is None or current.secret.is_unrevealed:
        # Nobody has the old one: there is nothing to change over.
        del form.fields["overlap"]
    if request.method == "POST" and form.is_valid():
        is_done = perform(
            request,
            lambda: rotate_key(pull_user, by=actor(request), **form.cleaned_data),
            done="A new key is being created and tested. Reveal it here when it is ready.",
            form=form,
        )
        if is_done:
            return redirect(address_of(entitlement))
    context = {
        "pull_user": pull_user,
        "entitlement": entitlement,
        "keys": [shown for shown in queries.key_states(pull_user) if shown.key],
        "current": current,
        "new_expires_at": settings.KEY_LIFETIME and timezone.now() + settings.KEY_LIFETIME,
        "form": form,
    }
    return render(request, "customer/rotate.html", context)


@recent_login_required
@require_http_methods(["GET", "POST"])
def switch(request: HttpRequest, pk: int) -> HttpResponse:
    """GET asks; POST deactivates the key at once, or activates it again."""
    keys = AccessKey.objects.for_user(current_user(request)).exclude(desired=KeyStatus.DELETED)
    key = get_object_or_404(
        keys.select_related("pull_user__customer").exclude(pull_user__desired=Desired.ABSENT), pk=pk
    )
    entitlement = product_of(request, key.pull_user)
    is_on = key.desired == KeyStatus.ACTIVE
    if not _may_handle(request, key.pull_user, is_taking_away=is_on):
        return redirect(address_of(entitlement))
    if request.method == "POST":
        perform(
            request,
            lambda: (deactivate if is_on else activate)(key, by=actor(request)),
            done=f"Access key {key} is being {'deactivated' if is_on else 'activated'}.",
        )
        return redirect(address_of(entitlement))
    context = {"key": key, "is_on": is_on, "entitlement": entitlement}
    return render(request, "customer/switch_key.html", context)


@recent_login_required
@require_http_methods(["GET", "POST"])
def end(request: HttpRequest, pk: int) -> HttpResponse:
    """GET asks; POST deletes a key that another one replaces, now."""
    keys = AccessKey.objects.for_user(current_user(request)).exclude(desired=KeyStatus.DELETED)
    retiring = keys.filter(retires_at__isnull=False).select_related("pull_user__customer")
    key = get_object_or_404(retiring, pk=pk)
    entitlement = product_of(request, key.pull_user)
    if not _may_handle(request, key.pull_user, is_taking_away=True):
        return redirect(address_of(entitlement))
    if request.method == "POST":
        perform(
            request,
            lambda: end_key(key, by=actor(request)),
            done=f"Access key {key} is being deleted. AWS refuses it within seconds.",
        )
        return redirect(address_of(entitlement))
    users = PullUser.objects.prefetch_related("access_keys__secret")
    states = queries.key_states(users.get(pk=key.pull_user_id))
    context = {
        "key": key,
        "shown": next((row for row in states if row.key == key), None),
        "entitlement": entitlement,
    }
    return render(request, "customer/end_key.html", context)


def _may_handle(request: HttpRequest, pull_user: PullUser, *, is_taking_away: bool = False) -> bool:
    """Whether the member may; if not, a message says who may."""
    try:
        require_role(
            current_user(request),
            pull_user.customer,
            MAY_HANDLE_CREDENTIALS,
            "change credentials",
            is_taking_away=is_taking_away,
        )
    except NotAllowed as error:
        messages.error(request, str(error))
        return False
    return True
