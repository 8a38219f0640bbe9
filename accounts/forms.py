"""What signing up asks for, whether with a password or through another site."""

from typing import Any

from allauth.core import context
from django import forms
from django.http import HttpRequest

from accounts.invited import invited
from accounts.models import User


class SignupForm(forms.Form):
    """The part of ours in allauth's forms. Who comes by an invitation signs up with its
    address: the link was mailed there, which proves it."""

    name = forms.CharField(
        max_length=120,
        label="Your name",
        widget=forms.TextInput(attrs={"autocomplete": "name"}),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.invitation = invited(context.request)
        if self.invitation:
            self.initial["email"] = self.invitation.email
            self.fields["email"].disabled = True

    def signup(self, request: HttpRequest, user: User) -> None:
        user.name = self.cleaned_data["name"]
        user.save(update_fields=["name"])
