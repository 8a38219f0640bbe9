"""What an identity provider reports, and which identity stands for a person."""

import json
from typing import Any

from allauth.socialaccount.models import SocialAccount, SocialLogin
from allauth.socialaccount.signals import social_account_removed
from django.conf import settings
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone

from accounts.models import DOUBTED, Customer, Membership
from accounts.permissions import NotAllowed, require_unlocked
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


def reports(identity: SocialAccount, email: str) -> bool:
    """Whether the provider has verified that the address is that of the identity."""
    reported = {str(part.get("email", "")).lower() for part in _parts(identity.extra_data)}
    return email.lower() in reported - {""} and is_verified(identity, email)


def has_identity(user: Any) -> bool:
    """Whether the person's account is connected to an identity."""
    return SocialAccount.objects.filter(user=user).exists()


def used_own_identity(request: HttpRequest, customer: Customer) -> bool:
    """Whether the person signed in, in this session, with the identity that stands for them in the
    organisation: it reports the address by which the organisation knows them, did so before, or an
    owner has confirmed it. Anyone with the password could have connected another one, also under
    an address that they added."""
    user: Any = request.user
    membership = Membership.objects.get(user=user, customer=customer)
    return any(
        row.uid == membership.identity or reports(row, membership.joined_as)
        for row in _used(request, user)
    )


def ask_owners(request: HttpRequest, customer: Customer) -> str:
    """Let the owners decide about the identity that was used in this session. Returns the address
    that it reports; empty where none was used."""
    user: Any = request.user
    row = _used(request, user).first()
    if row is None:
        return ""
    emails = [str(part["email"]) for part in _parts(row.extra_data) if part.get("email")]
    email = emails[0][:200] if emails else row.uid[:200]
    words = email if is_verified(row, email) else f"{email} (not verified by the provider)"
    membership = Membership.objects.filter(user=user, customer=customer)
    membership.update(identity_asked=row.uid, identity_email=words)
    return words


def remember(request: HttpRequest, user: Any) -> None:
    """At a sign-in: the identity that reports the address by which an organisation knows the person
    stays theirs, also when the provider reports another address later."""
    for membership in Membership.objects.filter(user=user, identity=""):
        used = (row for row in _used(request, user) if reports(row, membership.joined_as))
        own = next(used, None)
        if own is not None:
            Membership.objects.filter(pk=membership.pk, identity="").update(identity=own.uid)


def remove_lately_connected(user: Any) -> str:
    """Someone who knew the password may have connected their own identity. Returns what goes, in
    words; empty where nothing does."""
    since = timezone.now() - DOUBTED
    rows = SocialAccount.objects.filter(user=user, date_joined__gt=since).order_by("pk")
    removed = ", ".join(f"single sign-on by {row}" for row in rows)
    rows.delete()
    return removed


def forget(user: Any) -> None:
    """Another primary address, or an identity that is disconnected: what stood for the person is
    decided again."""
    Membership.objects.filter(user=user).update(identity="", identity_asked="", identity_email="")


def why_not_connected(request: HttpRequest, login: SocialLogin) -> str:
    """Why the identity of ``login`` may not be connected to the signed-in person's account; empty
    where it may."""
    user: Any = request.user
    try:
        require_unlocked(user, "connect single sign-on")
    except NotAllowed as error:
        return str(error)
    is_own = reports(login.account, user.email)
    if _others(user, login).exists() and not is_own:
        return "Your account is connected to another identity there. Disconnect that one first."
    return ""


def replace_others(request: HttpRequest, login: SocialLogin) -> None:
    """The identity with the person's address, which is connected now, takes the place of one that
    someone else may have connected."""
    if not reports(login.account, login.user.email):
        return
    for other in _others(login.user, login):
        other.delete()
        social_account_removed.send(sender=SocialAccount, request=request, socialaccount=other)


def _used(request: HttpRequest, user: Any) -> QuerySet[SocialAccount]:
    """The identities with which the person signed in in this session."""
    return SocialAccount.objects.filter(user=user, uid__in=identities_used(request, user))


def _others(user: Any, login: SocialLogin) -> QuerySet[SocialAccount]:
    found = SocialAccount.objects.filter(user=user, provider=login.account.provider)
    return found.exclude(uid=login.account.uid)


def _parts(claims: dict[str, Any]) -> list[dict[str, Any]]:
    """Claims come from the provider's user information and from the token."""
    return [part for part in (claims, *claims.values()) if isinstance(part, dict)]
