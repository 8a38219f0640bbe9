"""Browsers that a person has signed in with before: each keeps a signed cookie that says so, with
an id of its own. It is forgotten when the person changes how they sign in."""

import hashlib
import secrets
from collections.abc import Callable
from typing import Any

from allauth.mfa.models import Authenticator
from django.conf import settings
from django.http import HttpRequest, HttpResponse

from accounts.models import User

COOKIE = "__Host-device" if settings.IS_HTTPS else "device"
# In seconds: a year. A browser that was away for longer counts as a new one.
LASTS = 365 * 24 * 3600
# People who share a browser.
MOST = 5


def knows(request: HttpRequest, user: User) -> bool:
    return entry(user) in _read(request)[1:]


def name(request: HttpRequest, user: User | None) -> str:
    """What marks this browser where it is known as the person's; else empty."""
    return _read(request)[0] if user and knows(request, user) else ""


def remember(request: HttpRequest, user: User) -> None:
    """Have the response to this request set the cookie."""
    identifier, *people = _read(request)
    others = [each for each in people if each.partition(".")[0] != str(user.pk)]
    known = [identifier or secrets.token_hex(8), entry(user), *others]
    request.device_of = known[: MOST + 1]  # type: ignore[attr-defined]


def set_cookie(get_response: Callable[[HttpRequest], HttpResponse]) -> Any:
    """Middleware that sets the cookie in the response."""

    def middleware(request: HttpRequest) -> HttpResponse:
        response = get_response(request)
        content = getattr(request, "device_of", None)
        if content:
            response.set_signed_cookie(
                COOKIE,
                "-".join(content),
                max_age=LASTS,
                secure=settings.IS_HTTPS,
                httponly=True,
                samesite="Lax",
            )
        return response

    return middleware


def _read(request: HttpRequest) -> list[str]:
    """The browser's id, then the people who signed in."""
    return str(request.get_signed_cookie(COOKIE, "", max_age=LASTS)).split("-")


def entry(user: User) -> str:
    """The person, and the ways in which they signed in then."""
    factors = Authenticator.objects.filter(user=user).order_by("pk").values_list("pk", flat=True)
    ways = f"{user.password} {list(factors)}"
    return f"{user.pk}.{hashlib.sha256(ways.encode()).hexdigest()[:16]}"
