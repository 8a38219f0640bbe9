"""How allauth lets people sign up and sign in, and what it says."""

from typing import Any
from urllib.parse import urlsplit, urlunsplit

from allauth.account.adapter import DefaultAccountAdapter
from allauth.account.models import EmailAddress
from allauth.core import context
from allauth.core.exceptions import ImmediateHttpResponse
from allauth.core.internal import ratelimit
from allauth.mfa.models import Authenticator
from allauth.mfa.utils import is_mfa_enabled
from allauth.socialaccount.adapter import DefaultSocialAccountAdapter
from allauth.socialaccount.models import SocialLogin
from allauth.socialaccount.providers.base import AuthProcess
from django.conf import settings
from django.contrib import messages
from django.contrib.auth.hashers import make_password
from django.core.exceptions import PermissionDenied, ValidationError
from django.http import HttpRequest
from django.shortcuts import redirect
from django.template.loader import render_to_string
from django.urls import reverse

from accounts import account_events, attempts, sign_in_codes, single_sign_on, verification
from accounts.addresses import is_deceptive
from accounts.invitation_session import invitation_of
from accounts.recent_sign_in import has_recent_sign_in, has_second_factor
from accounts.sessions import lifetime, waiting

# Wrong passwords for one person, from anywhere (settings.ACCOUNT_RATE_LIMITS).
GUESSES = "guesses"
# allauth's names of the ways to confirm who one is.
BY_PASSWORD, BY_CODE = "reauthenticate", "mfa_reauthenticate"
BY_KEY = "mfa_reauthenticate:webauthn"
# Of allauth's links in an email, the one that its button leads to.
LINKS = ("password_reset_url",)
# Anyone can have it sent to an address by signing up with it.
ALREADY_EXISTS = "account/email/account_already_exists"


class AccountAdapter(DefaultAccountAdapter):
    error_messages = DefaultAccountAdapter.error_messages | {
        "account_inactive": "This account is deactivated.",
        "cannot_remove_primary_email": "Make another address primary first.",
        "duplicate_email": "Your account has this address already.",
        "email_password_mismatch": "The email address or the password is wrong.",
        "email_taken": "Another account has this address already.",
        "enter_current_password": "This is not your current password.",
        "incorrect_code": "This code is wrong or no longer valid.",
        "incorrect_password": "The password is wrong.",
        "invalid_or_expired_key": "This link is no longer valid.",
        "invalid_password_reset": "This link is no longer valid.",
        "max_email_addresses": "An account can have %d addresses at most.",
        "rate_limited": "Too many attempts. Try again in a few minutes.",
        "too_many_login_attempts": "Too many attempts. Try again in a few minutes, or have a "
        "sign-in code emailed to you.",
        "unverified_primary_email": "Verify the address before you make it primary.",
    }

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        """Only with the link of an invitation, unless the vendor has opened sign-up to everyone."""
        return settings.SIGNUP == "open" or invitation_of(request) is not None

    def clean_email(self, email: str) -> str:
        if is_deceptive(email):
            raise ValidationError("This address can be mistaken for another. Use another one.")
        return email

    def confirm_email(self, request: HttpRequest, email_address: EmailAddress) -> bool:
        """The person has entered the code that was sent to the address."""
        verification.make_way(email_address.email, but=email_address.user)
        return bool(super().confirm_email(request, email_address))

    def is_email_verified(self, request: HttpRequest, email: str) -> bool:
        """A person with the link of an invitation receives email at its address."""
        invitation = invitation_of(request)
        return invitation is not None and invitation.email.lower() == email.lower()

    def pre_login(self, request: HttpRequest, user: Any, **kwargs: Any) -> Any:
        waiting.begin(request, user)
        return super().pre_login(request, user, **kwargs)

    def set_password(self, user: Any, password: str) -> None:
        """The password alone, and unless it was changed since the request began: by a report of
        misuse, for example."""
        if not user.replace_password(password):
            raise ImmediateHttpResponse(lifetime.end(self.request))

    def _get_login_attempts_cache_key(self, request: HttpRequest, **credentials: Any) -> str:
        """Wrong guesses lock out the network that they come from, not the person."""
        email = credentials.get("email", "").lower()
        return f"{email} from {ratelimit.get_ip(request)}"

    def pre_authenticate(self, request: HttpRequest, **credentials: Any) -> None:
        try:
            super().pre_authenticate(request, **credentials)
            email = credentials.get("email", "").lower()
            if not attempts.count(request, GUESSES, email, attempts.user_of(email)):
                raise self.validation_error("too_many_login_attempts")
        except ValidationError:
            account_events.locked_out(request, credentials.get("email", ""))
            raise

    def get_reauthentication_methods(self, user: Any) -> list[dict[str, Any]]:
        """A person with a second factor confirms with that, not with the password; the app is
        offered first, where there is one."""
        ways = super().get_reauthentication_methods(user)
        if not user.is_authenticated or not has_second_factor(user):
            return list(ways)
        first = BY_CODE if is_mfa_enabled(user, types=[Authenticator.Type.TOTP]) else BY_KEY
        others = [way for way in ways if way["id"] != BY_PASSWORD]
        return sorted(others, key=lambda way: way["id"] != first)

    def is_reauthentication_required(self, *, app: str, **kwargs: Any) -> bool:
        """To allauth a sign-in a moment ago is not enough."""
        return not has_recent_sign_in(context.request)

    def get_signup_redirect_url(self, request: HttpRequest) -> str:
        return reverse("accept_invitation") if invitation_of(request) else "/"

    def generate_login_code(self) -> str:
        return sign_in_codes.code_of(context.request) or str(super().generate_login_code())

    def send_mail(self, template_prefix: str, email: str, context: dict[str, Any]) -> None:
        if sign_in_codes.is_on_its_way(self.request):
            return
        is_by_anyone = template_prefix == ALREADY_EXISTS
        if is_by_anyone:
            # A new account takes the time of a hash: the answer must not be faster without one.
            make_password(email)
        if is_by_anyone and not attempts.count(self.request, "sign_up_mails", email.lower(), None):
            return
        self.compose(template_prefix, email, context).send()

    def compose(self, template_prefix: str, email: str, context: dict[str, Any]) -> Any:
        """The email, with what the base of our emails shows."""
        shown = {
            "email": email,
            "link": next((context[name] for name in LINKS if name in context), ""),
            "is_by_invitation": settings.SIGNUP == "invitation",
            "site_name": settings.SITE_NAME,
            "vendor_name": settings.VENDOR_NAME,
            "support_email": settings.SUPPORT_EMAIL,
        } | context
        # Anyone can have these sent to any address, in the name of a person of their invention.
        shown["user"] = None
        # A link leads to this site, whatever host the request named.
        for name, value in shown.items():
            if isinstance(value, str) and value.startswith(("http://", "https://")):
                place = urlsplit(value)
                shown[name] = settings.ORIGIN + urlunsplit(("", "", *place[2:]))
        subject = render_to_string(f"{template_prefix}_subject.txt", shown).strip()
        return self.render_mail(template_prefix, email, shown | {"subject": subject})


class SocialAccountAdapter(DefaultSocialAccountAdapter):
    error_messages = DefaultSocialAccountAdapter.error_messages | {
        "connected_other": "This single sign-on is connected to another account.",
        "disconnect_last": "You would have no way left to sign in. Set a password first.",
        "email_taken": "This address has an account already. Sign in to it, then connect %s there.",
        "no_password": "You would have no way left to sign in. Set a password first.",
        "no_verified_email": "Verify your email address first.",
    }

    def new_user(self, request: HttpRequest, sociallogin: SocialLogin) -> Any:
        """Raises PermissionDenied, of which allauth makes its page, for an unusable identity."""
        if not single_sign_on.is_usable(sociallogin.account):
            raise PermissionDenied
        for address in sociallogin.email_addresses:
            address.verified = single_sign_on.is_verified(sociallogin.account, address.email)
        return super().new_user(request, sociallogin)

    def save_user(self, request: HttpRequest, sociallogin: SocialLogin, form: Any = None) -> Any:
        """A provider's word for an address that it has not verified claims nothing."""
        reported = sociallogin.email_addresses
        sociallogin.email_addresses = [address for address in reported if address.verified]
        return super().save_user(request, sociallogin, form)

    def pre_social_login(self, request: HttpRequest, sociallogin: SocialLogin) -> None:
        invitation = invitation_of(request)
        proven = {address.email for address in sociallogin.email_addresses if address.verified}
        for email in proven | ({invitation.email} if invitation else set()):
            verification.make_way(email, but=sociallogin.user)
        if sociallogin.state.get("process") != AuthProcess.CONNECT:
            return
        if not request.user.is_authenticated:
            raise ImmediateHttpResponse(redirect("account_login"))
        why = single_sign_on.why_not_connected(request, sociallogin)
        if why:
            messages.error(request, why)
            raise ImmediateHttpResponse(redirect("socialaccount_connections"))

    def is_auto_signup_allowed(self, request: HttpRequest, sociallogin: SocialLogin) -> bool:
        """A person who was invited under another address than the identity provider reports is
        shown the form, with the address of the invitation."""
        invitation = invitation_of(request)
        reported = {address.email.lower() for address in sociallogin.email_addresses}
        if invitation and reported != {invitation.email.lower()}:
            return False
        return bool(super().is_auto_signup_allowed(request, sociallogin))
