"""How a person signed in, in the session of a request, and how recently.

allauth keeps a record of each time the person proved who they are. What counts is the strongest
factor that the person has: a second factor; else the password, which a browser may have filled in
at the sign-in, and which is therefore asked for again; else any way of signing in.
"""

import time
from typing import Any

from allauth.account.app_settings import REAUTHENTICATION_TIMEOUT
from allauth.account.authentication import get_authentication_records
from allauth.account.internal.flows.login import record_authentication
from allauth.mfa.models import Authenticator
from allauth.mfa.utils import is_mfa_enabled
from django.http import HttpRequest

# Recovery codes replace a second factor that was lost; alone they are none.
FACTORS = [Authenticator.Type.TOTP, Authenticator.Type.WEBAUTHN]


def has_second_factor(user: Any) -> bool:
    """Whether the person has an authenticator app, a security key or a passkey."""
    return bool(is_mfa_enabled(user, types=FACTORS))


def used_second_factor(request: HttpRequest) -> bool:
    """Whether the person used their second factor, or a recovery code, in this session."""
    return any(record["method"] == "mfa" for record in _records(request))


def identities_used(request: HttpRequest, user: Any) -> list[str]:
    """The identities, by the provider's names for them, with which the person signed in in this
    session."""
    records = get_authentication_records(request, user)
    return [str(each.get("uid", "")) for each in records if each["method"] == "socialaccount"]


def has_recent_sign_in(request: HttpRequest, *, within: int = REAUTHENTICATION_TIMEOUT) -> bool:
    """Whether the person proved who they are in the last ``within`` seconds, with the strongest
    factor that they have."""
    now = time.time()
    return any(now - record["at"] < within for record in _strongest(request))


def can_confirm(user: Any) -> bool:
    """Whether the person has a password or a second factor. Who has neither signs in again."""
    return bool(user.is_authenticated and (user.has_usable_password() or is_mfa_enabled(user)))


def count_set_up(request: HttpRequest, authenticator: Authenticator) -> None:
    """Who has just set up a second factor has used it."""
    if authenticator.type in FACTORS:
        record_authentication(request, request.user, "mfa", type=authenticator.type)


def _strongest(request: HttpRequest) -> list[dict[str, Any]]:
    user: Any = request.user
    if has_second_factor(user):
        return [record for record in _records(request) if record["method"] == "mfa"]
    if user.has_usable_password():
        return [
            record
            for record in _records(request)
            if record["method"] == "password" and record.get("reauthenticated")
        ]
    return _records(request)


def _records(request: HttpRequest) -> list[dict[str, Any]]:
    return list(get_authentication_records(request, request.user))
