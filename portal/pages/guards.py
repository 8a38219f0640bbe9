"""Who may pass: ops, staff with a second factor, and people who signed in recently."""

import time
from collections.abc import Callable
from functools import wraps
from typing import Any

from allauth.account.app_settings import REAUTHENTICATION_TIMEOUT
from allauth.account.authentication import get_authentication_records
from allauth.core.exceptions import ReauthenticationRequired
from allauth.mfa.models import Authenticator
from allauth.mfa.utils import is_mfa_enabled
from django.conf import settings
from django.contrib import messages
from django.contrib.auth import logout
from django.contrib.auth.decorators import login_required, permission_required
from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect

from accounts.permissions import OPERATE

View = Callable[..., HttpResponseBase]

STAFF_ONLY = ("/admin/", "/ops/")
# Recovery codes alone are not a second factor.
FACTORS = [Authenticator.Type.TOTP, Authenticator.Type.WEBAUTHN]


def ops_only(view: View) -> View:
    """Let only ops pass."""

    @login_required
    @permission_required(OPERATE, raise_exception=True)
    @wraps(view)
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        return view(request, *args, **kwargs)

    return guarded


# --- Recent sign-in ------------------------------------------------------------------


def recent_login_required(view: View) -> View:
    """Let only people pass who confirmed their identity within REAUTHENTICATION_TIMEOUT.

    allauth's own decorator lets people through who have neither password nor second factor, and
    replays the POST that it interrupted: a secret would appear on its page. Here such people
    sign in again, and an interrupted POST starts over at the GET.
    """

    @login_required
    @wraps(view)
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if has_recent_login(request):
            return view(request, *args, **kwargs)
        if request.method != "GET":
            return redirect(request.get_full_path())
        if _can_confirm(request):
            raise ReauthenticationRequired
        logout(request)
        messages.info(request, "Sign in again to confirm that it is you.")
        return redirect_to_login(request.get_full_path())

    return guarded


def recent_login_if_signed_in(view: View) -> View:
    """For views that sign people in, and give those signed in another way to sign in."""
    guarded = recent_login_required(view)

    @wraps(view)
    def either(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        chosen = guarded if request.user.is_authenticated else view
        return chosen(request, *args, **kwargs)

    return either


def has_recent_login(request: HttpRequest) -> bool:
    """Whether the person confirmed their identity within the last REAUTHENTICATION_TIMEOUT
    seconds; or signed in, for a person who has nothing to confirm it with."""
    records = get_authentication_records(request, request.user)
    if _can_confirm(request):
        records = [record for record in records if record.get("reauthenticated")]
    return any(time.time() - record["at"] < REAUTHENTICATION_TIMEOUT for record in records)


def _can_confirm(request: HttpRequest) -> bool:
    user = request.user
    return bool(user.is_authenticated and (user.has_usable_password() or is_mfa_enabled(user)))


# --- Second factor -------------------------------------------------------------------


class StaffSecondFactorMiddleware:
    """Sends staff without a second factor from the admin and the dashboard to the page where they
    set one up. It goes by address, so that no page is forgotten."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        is_guarded = settings.STAFF_SECOND_FACTOR and request.path_info.startswith(STAFF_ONLY)
        user = request.user
        works_there = is_guarded and (user.is_staff or user.has_perm(OPERATE))
        if works_there and not is_mfa_enabled(user, types=FACTORS):
            messages.info(
                request, "Set up a second factor first: an authenticator app or a security key."
            )
            return redirect("mfa_index")
        return self.get_response(request)
