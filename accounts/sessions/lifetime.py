"""How long a session lasts, and how people end theirs."""

import time
from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.contrib.auth import logout
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect

from accounts.models import User
from accounts.sessions.models import Session, hash_of
from accounts.sessions.store import ADDRESS, SEEN_AT, SIGNED_IN_AT, USER_AGENT

# A session notes that it is used at most this often (seconds).
NOTE_EVERY = 60


def begin(request: HttpRequest, *, address: str | None) -> None:
    """Note when, from where and in which browser the person signed in."""
    request.session[SIGNED_IN_AT] = request.session[SEEN_AT] = time.time()
    request.session[ADDRESS] = address
    longest = Session._meta.get_field("user_agent").max_length
    request.session[USER_AGENT] = request.headers.get("User-Agent", "")[:longest]


def limits(get_response: Callable[[HttpRequest], HttpResponse]) -> Any:
    """Middleware that ends sessions of staff which are old or idle, and notes use."""

    def middleware(request: HttpRequest) -> HttpResponse:
        if request.user.is_authenticated:
            if request.user.is_staff and _is_over(request):
                end(request)
            elif time.time() - request.session.get(SEEN_AT, 0) >= NOTE_EVERY:
                request.session[SEEN_AT] = time.time()
        return get_response(request)

    return middleware


def _is_over(request: HttpRequest) -> bool:
    now, session = time.time(), request.session
    age = now - session.get(SIGNED_IN_AT, now)
    idle = now - session.get(SEEN_AT, now)
    too_old = age >= settings.STAFF_SESSION_AGE.total_seconds()
    return too_old or idle >= settings.STAFF_SESSION_IDLE.total_seconds()


def is_current(request: HttpRequest) -> bool:
    """Whether the person's session has not ended since the request began. Call it in a transaction:
    until its end nobody else changes the person's row, which is read again."""
    if not request.user.is_authenticated:
        return True
    request.user.lock()
    request.user.refresh_from_db()
    is_there = request.session.exists(request.session.session_key or "")
    return bool(request.user.is_active and is_there)


def end(request: HttpRequest) -> HttpResponse:
    """Returns the way to sign in again."""
    logout(request)
    messages.info(request, "Your session has ended. Sign in again.")
    return redirect("account_login")


def end_all(user: User, *, but: Any = None) -> int:
    """End the person's sessions, except ``but`` the one with this key. Returns how many."""
    ended = Session.objects.filter(user=user)
    if but is not None:
        ended = ended.exclude(pk=hash_of(but))
    return ended.delete()[0]
