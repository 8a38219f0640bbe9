"""Sign-ins that wait for a second factor or a code: they end when the person changes how they sign
in, as sessions do. The rows of such sessions name nobody yet, so each remembers what it began
with."""

import hashlib
from collections.abc import Callable
from typing import Any

from allauth.account.internal.stagekit import clear_login, unstash_login
from allauth.account.models import EmailAddress, Login
from django.contrib import messages
from django.http import HttpRequest, HttpResponse

from accounts.sessions import devices

BEGAN_WITH = "waiting_began_with"


def end_with_changes(get_response: Callable[[HttpRequest], HttpResponse]) -> Any:
    """Middleware that ends a waiting sign-in whose person has changed how they sign in."""

    def middleware(request: HttpRequest) -> HttpResponse:
        before = _waiting(request)
        if before and request.session.get(BEGAN_WITH) != _ways(before.user):
            clear_login(request)
            messages.info(request, "Your account has changed. Sign in again.")
            before = None
        response = get_response(request)
        after = _waiting(request)
        # A step of the sign-in itself may have verified an address.
        if after and (before is None or _step(after) != _step(before)):
            request.session[BEGAN_WITH] = _ways(after.user)
        return response

    return middleware


def _waiting(request: HttpRequest) -> Login | None:
    login = None if request.user.is_authenticated else unstash_login(request, peek=True)
    return login if login and login.user else None


def _step(login: Login) -> tuple[Any, Any]:
    return login.user, login.state.get("stages", {}).get("current")


def _ways(user: Any) -> str:
    """The ways in which the person signs in, as a hash."""
    verified = EmailAddress.objects.filter(user=user, verified=True).order_by("pk")
    ways = f"{devices.entry(user)} {list(verified.values_list('email', flat=True))}"
    return hashlib.sha256(ways.encode()).hexdigest()
