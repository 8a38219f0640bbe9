"""How often something may be tried for one person (settings.ACCOUNT_RATE_LIMITS).

Tries from devices that the person has signed in with before count by themselves, so that nobody
else's, from however many networks, keep the person from their account.
"""

from allauth.account.models import EmailAddress
from allauth.core.internal import ratelimit
from django.http import HttpRequest

from accounts.models import User
from accounts.sessions import devices

RATES = "allauth.account"


def count(request: HttpRequest, action: str, key: str, user: User | None) -> bool:
    """Count one try. Returns whether it may be made."""
    whole = _whole(request, key, user)
    return bool(ratelimit.consume(request, app=RATES, action=action, key=whole))


def forget(request: HttpRequest, action: str, key: str, user: User | None) -> None:
    ratelimit.clear(request, app=RATES, action=action, key=_whole(request, key, user))


def user_of(email: str) -> User | None:
    """Who has verified the address."""
    known = EmailAddress.objects.filter(email__iexact=email, verified=True).select_related("user")
    found = known.first()
    return found.user if found else None


def _whole(request: HttpRequest, key: str, user: User | None) -> str:
    return f"{key} {devices.name(request, user)}"
