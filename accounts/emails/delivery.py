"""Sending the emails of the outbox."""

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

from accounts.emails import preferences, unsubscribing
from accounts.flows import invitations
from accounts.models import Email, EmailKind, Membership
from accounts.permissions import DECIDE, OPERATE

log = logging.getLogger(__name__)

# What one task sends at most, and for how long it starts sending another (the task itself is
# ended after settings.CELERY_TASK_TIME_LIMIT).
LIMIT, PATIENCE = 100, timedelta(minutes=2)
# A claimed email is left to its worker for longer than a task may run.
CLAIMED_FOR = timedelta(minutes=10)
BACKOFF_FIRST, BACKOFF_LAST = timedelta(minutes=1), timedelta(hours=6)
# While the mail server is down no other email is tried.
PAUSE = timedelta(minutes=1)
# Longer than a weekend; news that is older helps nobody.
GIVE_UP_AFTER = timedelta(days=4)

# For which the vendor's people get an email.
DUTIES = {DECIDE: "decide about requests", OPERATE: "run its operations"}
# About this one email; any other failure is the mail server's and concerns every email.
ABOUT_ONE_EMAIL = (
    smtplib.SMTPRecipientsRefused,
    smtplib.SMTPSenderRefused,
    smtplib.SMTPDataError,
)


def send_due() -> None:
    """Send what is due. Any number of workers may do so at once: each email is claimed by one.

    An email is sent once, unless a worker dies after the mail server has accepted it and before
    that is recorded; then it is sent a second time. It is never lost.
    """
    began = time.monotonic()
    pks = list(Email.objects.due().order_by("due_at", "pk").values_list("pk", flat=True)[:LIMIT])
    for pk in pks:
        if time.monotonic() - began > PATIENCE.total_seconds():
            return
        email = _claim(pk)
        if email is None:
            continue
        try:
            _send(email)
        except ABOUT_ONE_EMAIL as error:
            _failed(email, _words(error))
        except OSError as error:
            _failed(email, _words(error))
            Email.objects.due().update(due_at=timezone.now() + PAUSE)
            return
        except Exception as error:
            # One that cannot be rendered must not hold up the others.
            log.exception("Email %s failed unexpectedly", pk)
            _failed(email, f"The portal itself failed ({type(error).__name__}): see its log.")


def send_now(email: Email) -> bool:
    """Send an email that is in no table. Returns whether the mail server accepted it."""
    try:
        compose(email).send()
    except Exception:
        # What is wrong with one reader's row must not keep it from the others.
        log.exception("The email to %s could not be sent", email.to)
        return False
    return True


def compose(email: Email, **shown: Any) -> EmailMultiAlternatives:
    """An email that is in no table, and ``shown`` beside what its facts say."""
    return _message(email, _context(email) | shown)


def _claim(pk: int) -> Email | None:
    """The email, unless another worker has it: the one that moves its ``due_at`` has it."""
    due = Email.objects.due().filter(pk=pk)
    if not due.update(due_at=timezone.now() + CLAIMED_FOR, tries=F("tries") + 1):
        return None
    return Email.objects.select_related("user", "customer").get(pk=pk)


def _send(email: Email) -> None:
    membership = _membership(email)
    if not _is_wanted(email, membership):
        return _drop(email, "The reader has left, or has turned this kind off.")
    context = _context(email)
    if email.kind == EmailKind.INVITATION:
        token = invitations.make_token(email.facts["invitation"])
        if token is None:
            return _drop(email, "The invitation was accepted or withdrawn.")
        context |= _invitation(email.facts["invitation"], token)
    context["membership"] = membership
    message = _message(email, context)
    if not context["is_always_sent"] and (reader := membership or email.user):
        message.extra_headers = unsubscribing.headers(reader, EmailKind(email.kind))
    message.send()
    now = timezone.now()
    Email.objects.filter(pk=email.pk).update(sent_at=now, due_at=None, last_error="")
    if email.kind == EmailKind.INVITATION:
        invitations.mark_sent(email.facts["invitation"], now)
    return None


def _is_wanted(email: Email, membership: Membership | None) -> bool:
    if email.kind in preferences.STAFF:
        return email.user in preferences.staff_readers(EmailKind(email.kind))
    if email.kind in preferences.READERS:
        return membership is not None and preferences.is_wanted_by(membership, email.kind)
    return True


def _membership(email: Email) -> Membership | None:
    found = Membership.objects.filter(user=email.user_id, customer=email.customer_id)
    return found.select_related("user").first() if email.user_id else None


def _context(email: Email) -> dict[str, Any]:
    facts: dict[str, Any] = {
        name: _moment(value) if name.endswith("_at") and value else value
        for name, value in email.facts.items()
    }
    context = facts | {
        "user": email.user,
        "customer": email.customer,
        "site_name": settings.SITE_NAME,
        "vendor_name": settings.VENDOR_NAME,
        "support_email": settings.SUPPORT_EMAIL,
        "is_always_sent": not preferences.is_chosen(email.kind),
    }
    if "path" in facts:
        context["link"] = settings.ORIGIN + facts["path"]
    if email.kind == EmailKind.WELCOME:
        context["link"] = settings.ORIGIN + reverse("account_request_login_code")
    if email.kind in preferences.READERS:
        choices = reverse("customer:notifications", args=[email.customer_id])
        context["choices_link"] = settings.ORIGIN + choices
    if email.kind in preferences.STAFF:
        context["choices_link"] = settings.ORIGIN + reverse("account_notifications")
        context["duty"] = DUTIES[preferences.STAFF[EmailKind(email.kind)]]
    return context


def _moment(value: Any) -> datetime | None:
    """As the database has it, or as it was before it was stored."""
    return value if isinstance(value, datetime) else parse_datetime(value)


def _invitation(pk: int, token: str) -> dict[str, Any]:
    link = settings.ORIGIN + reverse("invitation_link", args=[token])
    return {"invitation": invitations.find_pending(pk), "link": link}


def _message(email: Email, context: dict[str, Any]) -> EmailMultiAlternatives:
    """As text and HTML, with moments in the reader's time zone."""
    zone = ZoneInfo(email.user.time_zone) if email.user else timezone.get_default_timezone()
    with timezone.override(zone):
        subject = " ".join(_render(email, "subject.txt", context).split())
        context |= {"subject": subject}
        message = EmailMultiAlternatives(
            subject, _render(email, "body.txt", context), to=[email.to]
        )
        message.attach_alternative(_render(email, "body.html", context), "text/html")
    return message


def _render(email: Email, part: str, context: dict[str, Any]) -> str:
    return render_to_string(f"emails/{email.kind}/{part}", context).strip()


def _drop(email: Email, why: str) -> None:
    Email.objects.filter(pk=email.pk).update(due_at=None, last_error=why)


def _failed(email: Email, why: str) -> None:
    now = timezone.now()
    due_at: datetime | None = now + _backoff(email.tries)
    if now - email.created_at > GIVE_UP_AFTER:
        due_at = None
    log.warning("Email %s could not be sent: %s", email.pk, why)
    Email.objects.filter(pk=email.pk).update(due_at=due_at, last_error=why)


def _backoff(tries: int) -> timedelta:
    """Doubles with each try, up to BACKOFF_LAST; jitter spreads a crowd."""
    delay = min(BACKOFF_FIRST * 2 ** min(tries, 20), BACKOFF_LAST)
    return delay * random.uniform(0.5, 1)  # noqa: S311 - spreads load, guards nothing


def _words(error: OSError) -> str:
    """What went wrong, without what a mail server repeats of the email: it may hold a link."""
    if isinstance(error, smtplib.SMTPException):
        code = getattr(error, "smtp_code", "")
        return f"The mail server refused: {type(error).__name__} {code}".strip()
    return f"The mail server cannot be reached: {error}"
