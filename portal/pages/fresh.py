"""Making sure, just now, that it is really her: what stands before a reveal."""

import time
from collections.abc import Callable
from functools import wraps
from typing import Any

from allauth.account.app_settings import REAUTHENTICATION_TIMEOUT
from allauth.account.authentication import get_authentication_records
from allauth.core.exceptions import ReauthenticationRequired
from allauth.mfa.utils import is_mfa_enabled
from django.contrib import messages
from django.contrib.auth import logout
from django.contrib.auth.decorators import login_required
from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect

View = Callable[..., HttpResponse]


def fresh_proof_required(view: View) -> View:
    """Let only those pass who have proven within REAUTHENTICATION_TIMEOUT who they are.

    allauth's own decorator lets people through who have neither password nor second
    factor, and replays the POST that it interrupted: a secret would appear on its page.
    Here such people sign in again, and a POST that is not fresh starts over at the GET.
    """

    @login_required
    @wraps(view)
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if is_fresh(request):
            return view(request, *args, **kwargs)
        if request.method != "GET":
            return redirect(request.get_full_path())
        if _can_confirm(request):
            raise ReauthenticationRequired
        logout(request)
        messages.info(request, "Sign in again to confirm that it is you.")
        return redirect_to_login(request.get_full_path())

    return guarded


def fresh_if_signed_in(view: View) -> View:
    """For what signs strangers in, and gives who is signed in another way to do so."""
    guarded = fresh_proof_required(view)

    @wraps(view)
    def either(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        chosen = guarded if request.user.is_authenticated else view
        return chosen(request, *args, **kwargs)

    return either


def is_fresh(request: HttpRequest) -> bool:
    """Whether the person confirmed her identity, or, where she has nothing to confirm it
    with, signed in, within the last REAUTHENTICATION_TIMEOUT seconds."""
    records = get_authentication_records(request, request.user)
    if _can_confirm(request):
        records = [record for record in records if record.get("reauthenticated")]
    return any(time.time() - record["at"] < REAUTHENTICATION_TIMEOUT for record in records)


def _can_confirm(request: HttpRequest) -> bool:
    user = request.user
    return bool(user.is_authenticated and (user.has_usable_password() or is_mfa_enabled(user)))
