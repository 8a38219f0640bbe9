"""What the first proof that an address is a person's makes of the account.

Anyone may sign up with another person's address. Who proves later that they receive email there, by
a code or by a link to choose a password, gets the account as their own: the password and the
identities of the one who created it go.
"""

from typing import Any

from allauth.account.models import EmailAddress
from allauth.socialaccount.models import SocialAccount
from django.contrib import messages
from django.http import HttpRequest

from accounts.audit.models import Action
from accounts.models import AuditEvent, User
from accounts.sessions import lifetime

# The account that the person at this browser created, or whose password they chose with a link
# that was sent to its address.
OWN = "own_account"
ELSEWHERE = (
    "The account was created in another browser, so its password was removed: someone else may "
    "have chosen it. Set one on the page of your account."
)


def created(request: HttpRequest, user: Any) -> None:
    request.session[OWN] = user.pk


def reset(request: HttpRequest, user: Any) -> None:
    """The person has chosen the password by a link in an email, and so receives email there."""
    request.session[OWN] = user.pk
    if user.last_login is None:
        EmailAddress.objects.filter(user=user, email=user.email).update(verified=True)
        SocialAccount.objects.filter(user=user).delete()


def verified(request: HttpRequest, user: Any) -> None:
    if user.last_login is None and request.session.get(OWN) != user.pk:
        user.set_unusable_password()
        user.save(update_fields=["password"])
        SocialAccount.objects.filter(user=user).delete()
        lifetime.end_all(user)
        messages.info(request, ELSEWHERE)


def make_way(email: str, *, but: Any = None) -> None:
    """An address is proven to be a person's, ``but`` if they have an account: an account that
    someone else created with it at sign-up, and never used, gives way, and so does a
    claim of another account that was never verified. Audit lines stay."""
    others = EmailAddress.objects.filter(email__iexact=email, verified=False)
    others.exclude(user__email__iexact=email).delete()
    sign_ups = AuditEvent.objects.filter(action=Action.SIGNED_UP).values("actor")
    claimed = User.objects.filter(email__iexact=email, last_login=None, pk__in=sign_ups)
    claimed = claimed.filter(is_staff=False, is_superuser=False, memberships=None, groups=None)
    for user in claimed.exclude(emailaddress__verified=True).exclude(pk=but.pk if but else None):
        SocialAccount.objects.filter(user=user).delete()
        EmailAddress.objects.filter(user=user).delete()
        user.email, user.is_active = user.no_address, False
        user.save(update_fields=["email", "is_active"])
