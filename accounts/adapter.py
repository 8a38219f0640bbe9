"""How allauth lets people sign up and sign in."""

from allauth.account.adapter import DefaultAccountAdapter
from allauth.socialaccount.adapter import DefaultSocialAccountAdapter
from allauth.socialaccount.models import SocialLogin
from django.conf import settings
from django.http import HttpRequest
from django.urls import reverse

from accounts.invitation_session import invitation_of


class AccountAdapter(DefaultAccountAdapter):
    def is_open_for_signup(self, request: HttpRequest) -> bool:
        """Only with the link of an invitation, unless the vendor has opened sign-up to everyone."""
        return settings.SIGNUP == "open" or invitation_of(request) is not None

    def is_email_verified(self, request: HttpRequest, email: str) -> bool:
        """A person with the link of an invitation receives email at its address."""
        invitation = invitation_of(request)
        return invitation is not None and invitation.email.lower() == email.lower()

    def get_signup_redirect_url(self, request: HttpRequest) -> str:
        return reverse("accept_invitation") if invitation_of(request) else "/"


class SocialAccountAdapter(DefaultSocialAccountAdapter):
    def is_auto_signup_allowed(self, request: HttpRequest, sociallogin: SocialLogin) -> bool:
        """A person who was invited under another address than the identity provider reports is
        shown the form, with the address of the invitation."""
        invitation = invitation_of(request)
        reported = {address.email.lower() for address in sociallogin.email_addresses}
        if invitation and reported != {invitation.email.lower()}:
            return False
        return bool(super().is_auto_signup_allowed(request, sociallogin))
