"""allauth's forms, in our words."""

import logging
from typing import Any

from allauth.account import forms as account_forms
from allauth.mfa import app_settings
from allauth.mfa.adapter import get_adapter
from allauth.mfa.base import forms as factor_forms
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.forms import ActivateTOTPForm
from allauth.mfa.webauthn import forms as key_forms
from django import forms
from django.core.cache import cache
from fido2.webauthn import AuthenticationResponse, RegistrationResponse

from accounts import mfa
from accounts.models import User

log = logging.getLogger(__name__)


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
    the period in which an app shows it, but accepts it for the tolerance before and after."""

    def clean_code(self) -> str:
        for authenticator in Authenticator.objects.filter(user=self.user):
            if mfa.is_anothers(authenticator):
                log.error("Second factor %s was moved from another person", authenticator.pk)
                raise get_adapter().validation_error("incorrect_code")
        return use_once(self.user, super().clean_code())


class AuthenticateForm(OnceForm, factor_forms.AuthenticateForm):
    pass


class ReauthenticateForm(OnceForm, factor_forms.ReauthenticateForm):
    pass
