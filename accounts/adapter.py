"""How allauth lets people in here."""

from allauth.account.adapter import DefaultAccountAdapter
from allauth.socialaccount.adapter import DefaultSocialAccountAdapter
from allauth.socialaccount.models import SocialLogin
from django.conf import settings
from django.http import HttpRequest
from django.urls import reverse

from accounts.invited import invited


class AccountAdapter(DefaultAccountAdapter):
    def is_open_for_signup(self, request: HttpRequest) -> bool:
        """People come by the link of an invitation, unless the vendor lets anybody in."""
        return settings.SIGNUP == "open" or invited(request) is not None

    def is_email_verified(self, request: HttpRequest, email: str) -> bool:
        """Who holds the link of an invitation reads the mail of its address."""
        invitation = invited(request)
        return invitation is not None and invitation.email.lower() == email.lower()

    def get_signup_redirect_url(self, request: HttpRequest) -> str:
        return reverse("accept_invitation") if invited(request) else "/"


class SocialAccountAdapter(DefaultSocialAccountAdapter):
    def is_auto_signup_allowed(self, request: HttpRequest, sociallogin: SocialLogin) -> bool:
        """Who is invited under another address than the other site tells is shown the form,
        where the address is the invitation's."""
        invitation = invited(request)
        told = {address.email.lower() for address in sociallogin.email_addresses}
        if invitation and told != {invitation.email.lower()}:
            return False
        return bool(super().is_auto_signup_allowed(request, sociallogin))
