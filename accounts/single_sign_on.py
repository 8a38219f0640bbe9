"""What an identity provider reports, and which identity stands for a person."""

import json
from typing import Any

from allauth.socialaccount.models import SocialAccount, SocialLogin
from allauth.socialaccount.signals import social_account_removed
from django.conf import settings
from django.db.models import QuerySet
from django.http import HttpRequest

from accounts.models import Customer, User
from accounts.recent_sign_in import identities_used


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


def is_verified(identity: SocialAccount, email: str) -> bool:
    """Whether the provider says that it has verified the address. Where it says nothing, the
    portal's operator knows whether the address can be trusted."""
    claims = [
        part.get("email_verified")
        for part in _parts(identity.extra_data)
        if str(part.get("email", "")).lower() == email.lower()
    ]
    if all(claim is None for claim in claims):
        return settings.OIDC_ADDRESSES_ARE_VERIFIED
    return all(claim in (True, "true", None) for claim in claims)


def is_own(user: Any, identity: SocialAccount) -> bool:
    """Whether the identity is the person's: it reports their primary address, or did so when it
    was used before. Anyone with the password could have connected another one."""
    if identity.uid == user.own_identity:
        return True
    reported = {str(part.get("email", "")).lower() for part in _parts(identity.extra_data)}
    return user.email.lower() in reported and is_verified(identity, user.email)


def has_own_identity(user: Any) -> bool:
    return any(is_own(user, row) for row in SocialAccount.objects.filter(user=user))


def used_own_identity(request: HttpRequest) -> bool:
    """Whether the person signed in with their own identity in this session. From then on it stays
    theirs, also when the provider reports another address."""
    user: Any = request.user
    used = SocialAccount.objects.filter(user=user, uid__in=identities_used(request))
    own = next((row for row in used if is_own(user, row)), None)
    if own is not None and own.uid != user.own_identity:
        user.own_identity = own.uid
        user.save(update_fields=["own_identity"])
    return own is not None


def forget(identity: SocialAccount) -> None:
    """The identity is disconnected."""
    User.objects.filter(pk=identity.user_id, own_identity=identity.uid).update(own_identity="")


def why_not_connected(request: HttpRequest, login: SocialLogin) -> str:
    """Why the identity of ``login`` may not be connected to the signed-in person's account; empty
    where it may. Where an organisation requires single sign-on, only the person's own may."""
    user: Any = request.user
    if is_own(user, login.account):
        return ""
    if _others(user, login).exists():
        return "Your account is connected to another identity there. Disconnect that one first."
    strict = Customer.objects.for_user(user).filter(requires_single_sign_on=True).first()
    if strict is None:
        return ""
    return (
        f"{strict} requires single sign-on, so only the identity with your email address can be "
        "connected, and the identity provider must have verified the address."
    )


def replace_others(request: HttpRequest, login: SocialLogin) -> None:
    """The person's own identity takes the place of one that someone else may have connected."""
    for other in _others(request.user, login):
        other.delete()
        social_account_removed.send(sender=SocialAccount, request=request, socialaccount=other)


def _others(user: Any, login: SocialLogin) -> QuerySet[SocialAccount]:
    found = SocialAccount.objects.filter(user=user, provider=login.account.provider)
    return found.exclude(uid=login.account.uid)


def _parts(claims: dict[str, Any]) -> list[dict[str, Any]]:
    """Claims come from the provider's user information and from the token."""
    return [part for part in (claims, *claims.values()) if isinstance(part, dict)]
