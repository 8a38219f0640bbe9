"""allauth's forms, in our words."""

from typing import Any

from allauth.account import forms as account_forms
from allauth.mfa import app_settings
from allauth.mfa.adapter import get_adapter
from allauth.mfa.base import forms as factor_forms
from allauth.mfa.webauthn.forms import AddWebAuthnForm
from django import forms
from django.core.cache import cache


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


class AddKeyForm(AddWebAuthnForm):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        passkey = self.fields["passwordless"]
        passkey.label = "A passkey: sign in with this key alone"
        passkey.help_text = "It then asks for your fingerprint, face or PIN instead of a password."


class OnceForm(factor_forms.BaseAuthenticateForm):
    """A code works once. allauth forgets a used one after the period in which an app shows it,
    but goes on to accept it for the tolerance before and after."""

    def clean_code(self) -> str:
        code = super().clean_code()
        valid_for = app_settings.TOTP_PERIOD * (2 * app_settings.TOTP_TOLERANCE + 1)
        if not cache.add(f"used-code:{self.user.pk}:{code}", "", timeout=valid_for):
            raise get_adapter().validation_error("incorrect_code")
        return str(code)


class AuthenticateForm(OnceForm, factor_forms.AuthenticateForm):
    pass


class ReauthenticateForm(OnceForm, factor_forms.ReauthenticateForm):
    pass
