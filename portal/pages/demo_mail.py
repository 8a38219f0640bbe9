"""The emails of the demo (settings.DEMO), which are files here, in place of a mailbox."""

from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

# As django.core.mail.backends.filebased separates them.
BETWEEN = b"\n" + b"-" * 79 + b"\n"
MOST = 50


@require_GET
def demo_mail(request: HttpRequest) -> HttpResponse:
    """The newest first, as text."""
    files = sorted(Path(settings.EMAIL_FILE_PATH).glob("*.log"), key=lambda file: file.name)
    found = [part for file in files for part in file.read_bytes().split(BETWEEN) if part.strip()]
    emails = [_as_shown(part) for part in reversed(found[-MOST:])]
    return render(request, "account/demo_mail.html", {"emails": emails})


def _as_shown(raw: bytes) -> dict[str, str]:
    message = message_from_bytes(raw, _class=EmailMessage, policy=policy.default)
    body = message.get_body(("plain",))
    return {
        "subject": str(message["Subject"]),
        "to": str(message["To"]),
        "date": str(message["Date"]),
        "text": body.get_content() if body else "",
    }
