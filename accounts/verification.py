"""Whose click verifies an address, and what it makes of the account.

Anyone may sign up with another person's address, or add it to their account, and wait for its owner
to click. So the account that was created with it keeps its password and its identities only in the
browser that created it; and an address that was added is verified only by its account.
"""

from typing import Any

from allauth.account.models import EmailAddress
from allauth.socialaccount.models import SocialAccount
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest

from accounts.sessions import lifetime

# The account that the person at this browser created, or whose password they chose with a link
# that was sent to its address.
OWN = "own_account"
ELSEWHERE = (
    "The account was created in another browser, so its password was removed: someone else may "
    "have chosen it. Sign in with a code by email, and set a password on the page of your account."
)
OF_ANOTHER = (
    "This address was added to an account that is not signed in here. If it is yours, sign in to "
    "it and open the link again. If not, do nothing: the address stays unverified."
)


def created(request: HttpRequest, user: Any) -> None:
    request.session[OWN] = user.pk


def reset(request: HttpRequest, user: Any) -> None:
    """The person has chosen the password by a link in an email, and so receives email there."""
    request.session[OWN] = user.pk
    if user.last_login is None:
        SocialAccount.objects.filter(user=user).delete()


def is_allowed(request: HttpRequest, address: EmailAddress) -> bool:
    """Whether this click may verify the address."""
    return address.user.last_login is None or request.user == address.user


def verified(request: HttpRequest, address: EmailAddress) -> None:
    """Raises PermissionDenied where the click may not verify it, and nothing is written then."""
    user = address.user
    if not is_allowed(request, address):
        raise PermissionDenied
    if user.last_login is None and request.session.get(OWN) != user.pk:
        user.set_unusable_password()
        user.save(update_fields=["password"])
        SocialAccount.objects.filter(user=user).delete()
        lifetime.end_all(user)
        messages.info(request, ELSEWHERE)
