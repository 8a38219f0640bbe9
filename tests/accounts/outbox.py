"""What the outbox holds, and what was sent."""

import re

from django.core import mail

from accounts.models import Email


def recipients(kind: str) -> list[str]:
    """The addresses to which an email of this kind is written, in the order of writing."""
    return list(Email.objects.filter(kind=kind).order_by("pk").values_list("to", flat=True))


def code_by_email() -> str:
    """The code in the newest email."""
    found = re.search(r"^[A-Z0-9]{4}-[A-Z0-9]{4}$", str(mail.outbox[-1].body), re.MULTILINE)
    assert found is not None
    return found[0]
