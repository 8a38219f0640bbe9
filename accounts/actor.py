"""Who acts, and what keeps an action from being carried out."""

from dataclasses import dataclass

from allauth.account.adapter import get_adapter
from django.core.exceptions import ImproperlyConfigured, PermissionDenied
from django.http import HttpRequest

from accounts.models import User


class Refused(Exception):
    """The action is not possible in the current state. The text says why, and what to do."""


@dataclass(frozen=True)
class Actor:
    """The person who acts, and the IP address the request came from, if there is one."""

    user: User
    address: str | None = None


def current_user(request: HttpRequest) -> User:
    """The signed-in person; for views that require a sign-in."""
    assert isinstance(request.user, User)  # noqa: S101 - the view's decorator has checked
    return request.user


def actor(request: HttpRequest) -> Actor:
    """The signed-in person with the address of the request."""
    return Actor(current_user(request), client_address(request))


def client_address(request: HttpRequest | None) -> str | None:
    """The IP address that the request came from, as far as the proxies in front say."""
    try:
        known = request is not None and "REMOTE_ADDR" in request.META
        return get_adapter().get_client_ip(request) if known else None
    except (ImproperlyConfigured, PermissionDenied):
        return None
