"""What sign-up asks for, with a password or through an identity provider.

Apart from ``accounts.forms``: allauth's forms import this module, and that one imports theirs.
"""

from typing import Any

from allauth.core import context
from django import forms
from django.http import HttpRequest

from accounts import verification
from accounts.invitation_session import invitation_of
from accounts.models import User
from accounts.names import require_plain_name


class SignupForm(forms.Form):
    """Our part of allauth's forms. An invited person signs up with the invited address: the
    link was sent there, which proves it."""

    name = forms.CharField(
        max_length=120,
        label="Your name",
        validators=[require_plain_name],
        widget=forms.TextInput(attrs={"autocomplete": "name"}),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.invitation = invitation_of(context.request)
        if self.invitation:
            if self.is_bound:
                # The link was sent there, and not to one who signed up with the address before.
                verification.make_way(self.invitation.email)
            self.initial["email"] = self.invitation.email
            self.fields["email"].disabled = True

    def signup(self, request: HttpRequest, user: User) -> None:
        user.name = self.cleaned_data["name"]
        user.save(update_fields=["name"])
