"""What an identity provider reports, and which identity stands for a person."""

import json
from collections.abc import Iterable
from typing import Any

from allauth.account.models import EmailAddress
from allauth.socialaccount.models import SocialAccount, SocialLogin
from django.conf import settings
from django.http import HttpRequest

from accounts.models import Customer
from accounts.recent_sign_in import identities_used


def has_identity(user: Any) -> bool:
    """Whether the person's account is connected to an identity."""
    return SocialAccount.objects.filter(user=user).exists()


def is_usable(identity: SocialAccount) -> bool:
    """Whether an account can be connected to what was reported: providers pass on what their users
    typed, and PostgreSQL stores neither null characters nor halves of characters."""
    claims = identity.extra_data
    try:
        text = json.dumps(claims, ensure_ascii=False)
        text.encode()
    except UnicodeEncodeError:
        return False
    subjects = [part["sub"] for part in _parts(claims) if "sub" in part]
    return all(isinstance(sub, str) for sub in subjects) and "\\u0000" not in text


def is_verified(claim: object) -> bool:
    """Whether the provider says that it has verified an address. Some say so in words, or not at
    all; the portal's operator knows whether the latter can be trusted."""
    return claim is True or settings.OIDC_ADDRESSES_ARE_VERIFIED


def used_own_identity(request: HttpRequest) -> bool:
    """Whether the person signed in, in this session, with the identity that belongs to a verified
    address of theirs: another one could have been connected by a thief of the password."""
    identities = SocialAccount.objects.filter(user=request.user, uid__in=identities_used(request))
    return any(_is_own(request.user, _addresses(row.extra_data)) for row in identities)


def why_not_connected(request: HttpRequest, login: SocialLogin) -> str:
    """Why the identity of ``login`` may not be connected to the signed-in person's account; empty
    where it may. Where an organisation requires single sign-on, only the person's own may."""
    user: Any = request.user
    others = SocialAccount.objects.filter(user=user, provider=login.account.provider)
    if others.exclude(uid=login.account.uid).exists():
        return "Your account is connected to another identity there. Disconnect that one first."
    strict = Customer.objects.for_user(user).filter(requires_single_sign_on=True).first()
    reported = [address.email for address in login.email_addresses if address.verified]
    if strict is None or _is_own(user, reported):
        return ""
    return (
        f"{strict} requires single sign-on, so only the identity with your email address can be "
        "connected, and the identity provider must have verified the address."
    )


def _is_own(user: Any, reported: Iterable[str]) -> bool:
    own = EmailAddress.objects.filter(user=user, verified=True).values_list("email", flat=True)
    return not {email.lower() for email in own}.isdisjoint(email.lower() for email in reported)


def _addresses(claims: dict[str, Any]) -> list[str]:
    """The verified addresses that were reported at the last sign-in."""
    return [
        str(part["email"])
        for part in _parts(claims)
        if part.get("email") and is_verified(part.get("email_verified"))
    ]


def _parts(claims: dict[str, Any]) -> list[dict[str, Any]]:
    """Claims come from the provider's user information and from the token."""
    return [part for part in (claims, *claims.values()) if isinstance(part, dict)]
