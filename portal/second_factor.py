"""The vendor's people get no further than their own account without a second factor."""

from collections.abc import Callable

from allauth.mfa.models import Authenticator
from allauth.mfa.utils import is_mfa_enabled
from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect

from accounts.permissions import OPERATE

GUARDED = ("/admin/", "/ops/")
# Recovery codes alone are no factor of their own.
FACTORS = [Authenticator.Type.TOTP, Authenticator.Type.WEBAUTHN]


class StaffSecondFactorMiddleware:
    """Sends staff without a second factor from the admin and the dashboard to where they
    set one up. By address, so that no page of theirs is forgotten."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        is_guarded = settings.STAFF_SECOND_FACTOR and request.path_info.startswith(GUARDED)
        user = request.user
        works_there = is_guarded and (user.is_staff or user.has_perm(OPERATE))
        if works_there and not is_mfa_enabled(user, types=FACTORS):
            messages.info(request, "Set up a second factor first: an authenticator app or a key.")
            return redirect("mfa_index")
        return self.get_response(request)
