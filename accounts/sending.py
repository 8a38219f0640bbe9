"""Sends the letters of the outbox."""

import logging
import random
import smtplib
import time
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django.conf import settings
from django.core.mail import EmailMultiAlternatives
from django.db.models import F
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone
from django.utils.dateparse import parse_datetime

from accounts import letters, organisations
from accounts.models import Kind, Letter, Membership

log = logging.getLogger(__name__)

# What one task sends at most, and how long it begins another (the task itself ends after
# settings.CELERY_TASK_TIME_LIMIT).
LIMIT, PATIENCE = 100, timedelta(minutes=2)
# A claimed letter is left to its worker for longer than a task may live.
CLAIMED_FOR = timedelta(minutes=10)
BACKOFF_FIRST, BACKOFF_LAST = timedelta(minutes=1), timedelta(hours=6)
# While the mail server is down no other letter is tried.
PAUSE = timedelta(minutes=1)
# Longer than a weekend; what is told later than that helps nobody.
GIVE_UP_AFTER = timedelta(days=4)

# About this letter; any other failure is the mail server's, and so every letter's.
OF_THE_LETTER = (
    smtplib.SMTPRecipientsRefused,
    smtplib.SMTPSenderRefused,
    smtplib.SMTPDataError,
)


def send_due() -> None:
    """Send what is due. Any number of workers may: each letter is claimed by one.

    A letter is sent once, but for a worker that dies after the mail server has taken it and
    before that is written down: then it is sent a second time. It is never lost.
    """
    began = time.monotonic()
    pks = list(Letter.objects.due().order_by("due_at", "pk").values_list("pk", flat=True)[:LIMIT])
    for pk in pks:
        if time.monotonic() - began > PATIENCE.total_seconds():
            return
        letter = _claim(pk)
        if letter is None:
            continue
        try:
            _send(letter)
        except OF_THE_LETTER as error:
            _failed(letter, _words(error))
        except OSError as error:
            _failed(letter, _words(error))
            Letter.objects.due().update(due_at=timezone.now() + PAUSE)
            return
        except Exception as error:
            # One that cannot be written must not hold up the others.
            log.exception("Letter %s failed in a way nobody foresaw", pk)
            _failed(letter, f"The portal itself failed ({type(error).__name__}): see its log.")


def _claim(pk: int) -> Letter | None:
    """The letter, if no other worker has it: whoever moves its ``due_at`` does."""
    due = Letter.objects.due().filter(pk=pk)
    if not due.update(due_at=timezone.now() + CLAIMED_FOR, tries=F("tries") + 1):
        return None
    return Letter.objects.select_related("user", "customer").get(pk=pk)


def _send(letter: Letter) -> None:
    membership = _membership(letter)
    if letter.kind in letters.READERS and not (
        membership and letters.wants(membership, letter.kind)
    ):
        return _drop(letter, "Its reader has left, or does not want it any more.")
    context = _context(letter)
    if letter.kind == Kind.INVITATION:
        token = organisations.make_token(letter.facts["invitation"])
        if token is None:
            return _drop(letter, "The invitation was accepted or taken back.")
        context |= _invitation(letter.facts["invitation"], token)
    context["membership"] = membership
    _message(letter, context).send()
    now = timezone.now()
    Letter.objects.filter(pk=letter.pk).update(sent_at=now, due_at=None, last_error="")
    if letter.kind == Kind.INVITATION:
        organisations.sent(letter.facts["invitation"], now)
    return None


def _membership(letter: Letter) -> Membership | None:
    found = Membership.objects.filter(user=letter.user_id, customer=letter.customer_id)
    return found.select_related("user").first() if letter.user_id else None


def _context(letter: Letter) -> dict[str, Any]:
    facts: dict[str, Any] = {
        name: parse_datetime(value) if name.endswith("_at") and value else value
        for name, value in letter.facts.items()
    }
    context = facts | {
        "user": letter.user,
        "customer": letter.customer,
        "site_name": settings.SITE_NAME,
        "vendor_name": settings.VENDOR_NAME,
        "support_email": settings.SUPPORT_EMAIL,
        "is_always_sent": letter.kind in letters.ALWAYS,
    }
    if "path" in facts:
        context["link"] = settings.ORIGIN + facts["path"]
    if letter.kind == Kind.WELCOME:
        context["link"] = settings.ORIGIN + reverse("account_request_login_code")
    if letter.kind in letters.READERS:
        choices = reverse("customer:letters", args=[letter.customer_id])
        context["choices_link"] = settings.ORIGIN + choices
    return context


def _invitation(pk: int, token: str) -> dict[str, Any]:
    link = settings.ORIGIN + reverse("invitation_link", args=[token])
    return {"invitation": organisations.pending(pk), "link": link}


def _message(letter: Letter, context: dict[str, Any]) -> EmailMultiAlternatives:
    """As text and HTML, with the moments in the reader's time zone."""
    zone = ZoneInfo(letter.user.time_zone) if letter.user else timezone.get_default_timezone()
    with timezone.override(zone):
        subject = " ".join(_render(letter, "subject.txt", context).split())
        context |= {"subject": subject}
        message = EmailMultiAlternatives(
            subject, _render(letter, "body.txt", context), to=[letter.to]
        )
        message.attach_alternative(_render(letter, "body.html", context), "text/html")
    return message


def _render(letter: Letter, part: str, context: dict[str, Any]) -> str:
    return render_to_string(f"emails/{letter.kind}/{part}", context).strip()


def _drop(letter: Letter, why: str) -> None:
    Letter.objects.filter(pk=letter.pk).update(due_at=None, last_error=why)


def _failed(letter: Letter, why: str) -> None:
    now = timezone.now()
    due_at: datetime | None = now + _backoff(letter.tries)
    if now - letter.made_at > GIVE_UP_AFTER:
        due_at = None
    log.warning("Letter %s could not be sent: %s", letter.pk, why)
    Letter.objects.filter(pk=letter.pk).update(due_at=due_at, last_error=why)


def _backoff(tries: int) -> timedelta:
    """Twice as long after each try, up to BACKOFF_LAST; the jitter spreads a crowd."""
    delay = min(BACKOFF_FIRST * 2 ** min(tries, 20), BACKOFF_LAST)
    return delay * random.uniform(0.5, 1)  # noqa: S311 - spreads load, guards nothing


def _words(error: OSError) -> str:
    """What went wrong, but for what a mail server repeats of the letter: it may be a link."""
    if isinstance(error, smtplib.SMTPException):
        code = getattr(error, "smtp_code", "")
        return f"The mail server refused: {type(error).__name__} {code}".strip()
    return f"The mail server cannot be reached: {error}"
