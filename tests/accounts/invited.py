"""Who is invited to an organisation, and what came of it."""

import re

from allauth.account.models import EmailAddress
from django.core import mail

from accounts.models import AuditEvent, Membership, User

DANA = "dana@birch.example"


def person(email: str, *, verified: bool = True) -> User:
    user = User.objects.create_user(email, name=email.partition("@")[0].title())
    EmailAddress.objects.create(user=user, email=email, verified=verified, primary=True)
    return user


def membership(user: User) -> Membership:
    return Membership.objects.select_related("customer").get(user=user)


def token_of(email: mail.EmailMessage) -> str:
    found = re.search(r"/account/invitation/([\w-]+)/", str(email.body))
    assert found
    return found[1]


def last_line() -> tuple[str, str, str]:
    event = AuditEvent.objects.all()[0]
    return (event.action, event.subject, str(event.customer))
