"""allauth's forms, in our words."""

import logging
from collections.abc import Callable
from typing import Any

from allauth.account import forms as account_forms
from allauth.account.adapter import get_adapter as account_adapter
from allauth.core import context
from allauth.core.internal import ratelimit
from allauth.mfa import app_settings
from allauth.mfa.adapter import get_adapter
from allauth.mfa.base import forms as factor_forms
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.forms import ActivateTOTPForm
from allauth.mfa.webauthn import forms as key_forms
from django import forms
from django.core.cache import cache
from django.http import HttpRequest
from fido2.webauthn import AuthenticationResponse, RegistrationResponse

from accounts import account_events, attempts, mfa, sign_in_codes
from accounts.models import User
from accounts.sessions import waiting

log = logging.getLogger(__name__)


# Codes of a second factor: from one source, and from all of them (settings.ACCOUNT_RATE_LIMITS).
CODES, GUESSES = "codes", "code_guesses"
CREDENTIAL_LENGTH = 20_000  # Characters; a real one has about two thousand.


class LoginForm(account_forms.LoginForm):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["remember"].label = "Keep me signed in"


class ChangePasswordForm(account_forms.ChangePasswordForm):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["oldpassword"].label = "Current password"
        _name_new_password(self)


class RequestLoginCodeForm(account_forms.RequestLoginCodeForm):
    def clean_email(self) -> str:
        # Mail servers may deliver to one mailbox what counts as several addresses here.
        email = str(account_adapter().clean_email(super().clean_email()))
        if self._user:
            waiting.begin(context.request, self._user)
        new = account_adapter().generate_login_code()
        sign_in_codes.begin(context.request, email, new, ways=waiting.ways_of(self._user))
        return email


class ConfirmLoginCodeForm(account_forms.ConfirmLoginCodeForm):
    def clean_code(self) -> str:
        code = str(super().clean_code())
        if not sign_in_codes.use(self.expected_code):
            raise account_adapter().validation_error("incorrect_code")
        return code


class ResetPasswordForm(account_forms.ResetPasswordForm):
    def clean_email(self) -> str:
        """Raises ValidationError where too many links were sent to the address."""
        email = str(super().clean_email())
        if not attempts.count(context.request, "resets", email.lower(), attempts.user_of(email)):
            raise account_adapter().validation_error("rate_limited")
        return email

    def save(self, request: HttpRequest, **kwargs: Any) -> str:
        """An address gets one email a minute, however many ask, and another where the person has
        changed how they sign in, because the link in the one before is no longer valid."""
        email = str(self.cleaned_data["email"])
        user = attempts.user_of(email)
        key = f"{email.lower()} {waiting.ways_of(user)}"
        if attempts.count(request, "reset_mails", key, user):
            super().save(request, **kwargs)
        return email


class ResetPasswordKeyForm(account_forms.ResetPasswordKeyForm):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        _name_new_password(self)


def _name_new_password(form: forms.Form) -> None:
    form.fields["password1"].label = "New password"
    form.fields["password2"].label = "New password (again)"


class CredentialField(forms.JSONField):
    """What a browser says about a key, from anyone: JSON that is too long or too deep, or not of
    the shape of an answer of this ``kind``, is as wrong as any other."""

    def __init__(self, kind: type[RegistrationResponse] | type[AuthenticationResponse]) -> None:
        super().__init__(widget=forms.HiddenInput)
        self.kind = kind

    def to_python(self, value: Any) -> Any:
        text = str(value or "")
        if len(text) > CREDENTIAL_LENGTH or "\\u0000" in text:
            raise forms.ValidationError(self.error_messages["invalid"])
        try:
            answer = super().to_python(value)
            self.kind.from_dict(answer)
        except (AttributeError, KeyError, RecursionError, TypeError, ValueError):
            raise forms.ValidationError(self.error_messages["invalid"]) from None
        return answer

    def bound_data(self, data: Any, initial: Any) -> None:
        """The form that is shown again asks the key again."""


class AuthenticateKeyForm(key_forms.AuthenticateWebAuthnForm):
    credential = CredentialField(AuthenticationResponse)


class LoginKeyForm(key_forms.LoginWebAuthnForm):
    credential = CredentialField(AuthenticationResponse)


class ReauthenticateKeyForm(key_forms.ReauthenticateWebAuthnForm):
    credential = CredentialField(AuthenticationResponse)


class AddKeyForm(key_forms.AddWebAuthnForm):
    credential = CredentialField(RegistrationResponse)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        passkey = self.fields["passwordless"]
        passkey.label = "A passkey: sign in with this key alone"
        passkey.help_text = "It then asks for your fingerprint, face or PIN instead of a password."


def use_once(user: User, code: str) -> str:
    """The code, for as long as it is valid at its first use only. Raises ValidationError."""
    valid_for = app_settings.TOTP_PERIOD * (2 * app_settings.TOTP_TOLERANCE + 1)
    if not cache.add(f"used-code:{user.pk}:{code}", "", timeout=valid_for):
        raise get_adapter().validation_error("incorrect_code")
    return code


class ActivateForm(ActivateTOTPForm):
    def clean_code(self) -> str:
        return use_once(self.user, super().clean_code())


class OnceForm(factor_forms.BaseAuthenticateForm):
    """A code works once, and for the person whose app shows it. allauth forgets a used one after
    the period in which an app shows it, but accepts it for the tolerance before and after.

    Wrong codes count for where they are entered, and not for the person: who knows a person's
    password could lock them out otherwise.
    """

    def source(self, request: HttpRequest) -> str:
        """Where the code is entered."""
        raise NotImplementedError

    def clean_code(self) -> str:
        request = context.request
        forget = self._count(request)
        code = self.cleaned_data["code"]
        factors = list(
            Authenticator.objects.filter(user=self.user)
            .exclude(type=Authenticator.Type.WEBAUTHN)
            .order_by("-type")  # Of the two, the failure is the app's.
        )
        for factor in factors:
            if mfa.is_anothers(factor):
                log.error("Second factor %s was moved from another person", factor.pk)
                raise get_adapter().validation_error("incorrect_code")
        for factor in factors:
            if factor.wrap().validate_code(code):
                factor.user = self.user
                self.authenticator = factor
                forget()
                return use_once(self.user, code)
        if factors:
            self._emit_authentication_failed(factors[0])
        raise get_adapter().validation_error("incorrect_code")

    def _count(self, request: HttpRequest) -> Callable[[], None]:
        """Count an attempt, until what is returned forgets the attempts of its source. Raises
        ValidationError where there were too many."""
        user = self.user
        limits = {
            CODES: f"{user.pk} {self.source(request)}",
            GUESSES: f"{user.pk} {type(self).__name__}",
        }
        for action, key in limits.items():
            if not attempts.count(request, action, key, user):
                account_events.locked_out(request, user.email)
                raise account_adapter().validation_error("rate_limited")
        return lambda: attempts.forget(request, CODES, limits[CODES], user)


class AuthenticateForm(OnceForm, factor_forms.AuthenticateForm):
    def source(self, request: HttpRequest) -> str:
        return f"from {ratelimit.get_ip(request)}"


class ReauthenticateForm(OnceForm, factor_forms.ReauthenticateForm):
    def source(self, request: HttpRequest) -> str:
        return f"in {request.session.session_key}"
