"""Browsers that a person has signed in with before: each keeps a signed cookie that says so."""

import hashlib
from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse

from accounts.models import User

COOKIE = "__Host-device" if settings.IS_HTTPS else "device"
# In seconds: a year. A browser that was away for longer counts as a new one.
LASTS = 365 * 24 * 3600
# People who share a browser.
MOST = 5


def knows(request: HttpRequest, user: User) -> bool:
    return str(user.pk) in _people(request)


def name(request: HttpRequest) -> str:
    """What tells this browser's cookie from others."""
    return hashlib.sha256(request.COOKIES.get(COOKIE, "").encode()).hexdigest()


def remember(request: HttpRequest, user: User) -> None:
    """Have the response to this request set the cookie."""
    others = [pk for pk in _people(request) if pk != str(user.pk)]
    request.device_of = [str(user.pk), *others][:MOST]  # type: ignore[attr-defined]


def set_cookie(get_response: Callable[[HttpRequest], HttpResponse]) -> Any:
    """Middleware that sets the cookie in the response."""

    def middleware(request: HttpRequest) -> HttpResponse:
        response = get_response(request)
        people = getattr(request, "device_of", None)
        if people:
            response.set_signed_cookie(
                COOKIE,
                "-".join(people),
                max_age=LASTS,
                secure=settings.IS_HTTPS,
                httponly=True,
                samesite="Lax",
            )
        return response

    return middleware


def _people(request: HttpRequest) -> list[str]:
    return str(request.get_signed_cookie(COOKIE, "", max_age=LASTS)).split("-")
