"""Sign-ins that wait for a second factor or a code: they end when the person changes how they sign
in, as sessions do. The rows of such sessions name nobody yet, so each remembers what it began
with."""

import hashlib

from allauth.account.internal.flows.email_verification_by_code import (
    EMAIL_VERIFICATION_CODE_SESSION_KEY,
)
from allauth.account.internal.stagekit import clear_login, unstash_login
from allauth.account.models import EmailAddress
from django.contrib import messages
from django.http import HttpRequest

from accounts.models import User
from accounts.sessions import devices

BEGAN_WITH = "waiting_began_with"


def begin(request: HttpRequest, user: User) -> None:
    """The sign-in goes on from here. ``user``: as read before the password, or the address to which
    a code is sent, was looked up."""
    request.session[BEGAN_WITH] = ways_of(user)


def ways_of(user: User | None) -> str:
    """The ways in which the person signs in, as a hash; nobody has none."""
    if user is None:
        return ""
    verified = EmailAddress.objects.filter(user=user, verified=True).order_by("pk")
    ways = f"{devices.entry(user)} {list(verified.values_list('email', flat=True))}"
    return hashlib.sha256(ways.encode()).hexdigest()


def end_if_changed(request: HttpRequest, *, lock: bool = False) -> None:
    """End the sign-in that waits, if one does, where its person does not sign in as when it began.
    With ``lock`` nobody else changes how they do until the transaction ends."""
    user = _who_waits(request)
    if user and lock:
        user.lock()
        user.refresh_from_db()
    code = request.session.get(EMAIL_VERIFICATION_CODE_SESSION_KEY)
    if code and code.get("user_id") not in (None, str(user.pk if user else request.user.pk)):
        # Of an address of someone else, who began to sign in in this browser before.
        del request.session[EMAIL_VERIFICATION_CODE_SESSION_KEY]
    if user and request.session.get(BEGAN_WITH) != ways_of(user):
        request.session.pop(EMAIL_VERIFICATION_CODE_SESSION_KEY, None)
        clear_login(request)
        messages.info(request, "Your account has changed. Sign in again.")


def _who_waits(request: HttpRequest) -> User | None:
    login = None if request.user.is_authenticated else unstash_login(request, peek=True)
    return login.user if login else None
