"""What an identity provider reports, and which identity may be connected to an account."""

import json
from typing import Any

from allauth.account.models import EmailAddress
from allauth.socialaccount.models import SocialAccount, SocialLogin
from django.http import HttpRequest

from accounts.models import Customer
from accounts.recent_sign_in import used_single_sign_on


def has_identity(user: Any) -> bool:
    """Whether the person's account is connected to an identity."""
    return SocialAccount.objects.filter(user=user).exists()


def is_usable(identity: SocialAccount) -> bool:
    """Whether an account can be connected to what was reported: providers pass on what their users
    typed, and PostgreSQL stores no null character."""
    claims = identity.extra_data
    subjects = [part["sub"] for part in claims.values() if isinstance(part, dict) and "sub" in part]
    return all(isinstance(sub, str) for sub in subjects) and "\\u0000" not in json.dumps(claims)


def why_not_connected(request: HttpRequest, login: SocialLogin) -> str:
    """Why the identity of ``login`` may not be connected to the signed-in person's account; empty
    where it may.

    Where an organisation requires single sign-on, the password alone must not lead to an identity:
    it would be as good as single sign-on from then on. A person who has none yet connects the one
    that belongs to their address.
    """
    user: Any = request.user
    others = SocialAccount.objects.filter(user=user, provider=login.account.provider)
    if others.exclude(uid=login.account.uid).exists():
        return "Your account is connected to another identity there. Disconnect that one first."
    strict = Customer.objects.for_user(user).filter(requires_single_sign_on=True).first()
    if strict is None or used_single_sign_on(request):
        return ""
    own = EmailAddress.objects.filter(user=user, verified=True).values_list("email", flat=True)
    reported = {address.email.lower() for address in login.email_addresses if address.verified}
    if reported & {email.lower() for email in own}:
        return ""
    return (
        f"{strict} requires single sign-on, so only the identity with your email address can be "
        "connected, and the identity provider must have verified the address."
    )
