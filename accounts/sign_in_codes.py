"""Sign-in codes by email: an address gets one a minute at most, however many ask. Who asks within
that minute enters the code that is on its way already, so that others can neither fill a person's
mailbox nor keep a code from them. A code opens one session, and none once the person has changed
how they sign in, or has reported misuse."""

import base64
from hashlib import sha256

from allauth.account import app_settings
from django.core.cache import cache
from django.http import HttpRequest

from accounts import encryption

# Seconds.
EVERY = 60
BOUND_TO = "sign-in code"


def begin(request: HttpRequest, email: str, new: str, *, ways: str) -> None:
    """The request asks for a code for the address: the one that was sent there in the last minute,
    to a person with the same ``ways`` to sign in, if it has not been used; or else the ``new``
    one."""
    key = f"sign-in-code:{_hash(f'{email.lower()} {ways}')}"
    sealed = base64.b64encode(encryption.encrypt(new, bound_to=BOUND_TO)).decode()
    code = new
    if not cache.add(key, sealed, EVERY):
        code = _open(cache.get(key, sealed))
        if cache.get(_used(code)):
            cache.set(key, sealed, EVERY)
            code = new
    request.sign_in_code = code  # type: ignore[attr-defined]
    request.is_mailed = code == new  # type: ignore[attr-defined]


def code_of(request: HttpRequest) -> str:
    """The code that the request asks for; empty where it asks for none."""
    return getattr(request, "sign_in_code", "")


def is_on_its_way(request: HttpRequest) -> bool:
    """Whether an email that answers such a request has been sent already."""
    return not getattr(request, "is_mailed", True)


def use(code: str) -> bool:
    """Whether this is the first use of the code, in whatever session."""
    return bool(cache.add(_used(code), "used", EVERY + app_settings.LOGIN_BY_CODE_TIMEOUT))


def _used(code: str) -> str:
    return f"used-sign-in-code:{_hash(code)}"


def _open(sealed: str) -> str:
    return encryption.decrypt(base64.b64decode(sealed), bound_to=BOUND_TO)


def _hash(text: str) -> str:
    return sha256(text.encode()).hexdigest()
