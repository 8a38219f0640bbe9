"""allauth's pages: what they change is written as a whole, and only while the session is valid."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.db import transaction
from django.http import HttpRequest, HttpResponseBase
from django.urls import URLResolver

from accounts.sessions import lifetime, waiting

READING = {"GET", "HEAD", "OPTIONS"}


def in_transactions(patterns: list[Any]) -> list[Any]:
    """Put each change, and each return from single sign-on by whatever method, in one transaction:
    the change and its audit line are written together, or neither is, and no report of misuse comes
    in between."""
    for pattern in patterns:
        if isinstance(pattern, URLResolver):
            in_transactions(pattern.url_patterns)
        else:
            is_return = (pattern.name or "").endswith("_callback")
            pattern.callback = _in_transaction(pattern.callback, is_return=is_return)
    return patterns


def _in_transaction(
    view: Callable[..., HttpResponseBase], *, is_return: bool
) -> Callable[..., HttpResponseBase]:
    @wraps(view)
    def wrapped(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if request.method in READING and not is_return:
            waiting.end_if_changed(request)
            return view(request, *args, **kwargs)
        with transaction.atomic():
            if lifetime.is_current(request):
                waiting.end_if_changed(request, lock=True)
                return view(request, *args, **kwargs)
        return lifetime.end(request)

    return wrapped
