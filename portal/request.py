"""Reading who is at the other end of a request."""

from allauth.account.adapter import get_adapter
from django.http import HttpRequest

from accounts.models import User
from provisioning.flows import By


def member(request: HttpRequest) -> User:
    """The signed-in person; for views behind ``login_required``."""
    assert isinstance(request.user, User)  # noqa: S101 - login_required said so
    return request.user


def who(request: HttpRequest) -> By:
    """The signed-in person and her address, for a deed."""
    return By(member(request), get_adapter().get_client_ip(request))
