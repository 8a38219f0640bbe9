"""The letters to people about their accounts, one function each."""

from typing import Any

from django.conf import settings
from django.core.mail import EmailMultiAlternatives
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone

from accounts.models import Invitation, User


def invitation(invitation: Invitation, token: str) -> None:
    """The link that lets its reader join, to the invited address."""
    link = settings.ORIGIN + reverse("invitation_link", args=[token])
    send("invitation", invitation.email, invitation=invitation, link=link)
    invitation.sent_at = timezone.now()
    invitation.save(update_fields=["sent_at"])


def welcome(user: User) -> None:
    """To somebody whose account an administrator has made: how to sign in."""
    link = settings.ORIGIN + reverse("account_request_login_code")
    send("welcome", user.email, user=user, link=link)


def send(letter: str, to: str, **context: Any) -> None:
    """Render a letter of ``templates/emails`` and send it, as text and HTML."""
    context |= {"site_name": settings.SITE_NAME, "vendor_name": settings.VENDOR_NAME}
    context |= {"support_email": settings.SUPPORT_EMAIL}
    subject, text, html = (
        render_to_string(f"emails/{letter}/{part}", context).strip()
        for part in ("subject.txt", "body.txt", "body.html")
    )
    message = EmailMultiAlternatives(" ".join(subject.split()), text, to=[to])
    message.attach_alternative(html, "text/html")
    message.send()
