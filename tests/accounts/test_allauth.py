"""Where allauth speaks, it does so in our words."""

from pathlib import Path

import allauth
import pytest
from django.core import mail
from django.core.mail import EmailMultiAlternatives
from django.test import Client

from provisioning.demo.seed import Cast
from tests.source import ROOT

THEIRS = Path(allauth.__file__).parent / "templates"
OURS = ROOT / "templates"
PARTS = ["account", "mfa", "socialaccount"]
# What this site never shows, because its settings turn it off.
TURNED_OFF = [
    "*phone*",  # sign-in by phone number
    "*signup_by_passkey*",
    "*webauthn/signup*",
    "*email_change.html",  # one address only
    "*email_confirm.html",  # verification by a link
    "*base_confirm_code*",
    "*password_reset_code*",  # resetting a password by code
    "*trust*",  # browsers that skip the second factor
    "*verified_email_required*",  # everyone's address is verified
    "*warn_no_email*",
    "*already_logged_in*",
    # Emails about each change of an account.
    "*email/base_notification*",
    "*email/*_changed_*",
    "*email/*_set_*",
    "*email/email_confirm_*",
    "*email/email_deleted_*",
    "*email/password_reset_message*",
    "*email/password_reset_subject*",
    "mfa/email/*",
    "socialaccount/email/*",
]
# They say nothing themselves.
SILENT = [
    "*/base_entrance.html",
    "*/base_manage*.html",
    "mfa/*/base.html",
    "*/download.txt",
    "*/login_extra.html",
    "socialaccount/login_redirect.html",
]


def theirs() -> set[Path]:
    found = (file for part in PARTS for file in (THEIRS / part).rglob("*.*"))
    return {file.relative_to(THEIRS) for file in found}


def ours() -> set[Path]:
    found = (file for part in PARTS for file in (OURS / part).rglob("*.*"))
    return {file.relative_to(OURS) for file in found}


def test_all_that_allauth_can_show_is_in_our_words() -> None:
    left = {
        str(file)
        for file in theirs() - ours()
        if not any(file.match(pattern) for pattern in TURNED_OFF + SILENT)
    }
    assert left == set()


@pytest.mark.parametrize("pattern", TURNED_OFF + SILENT)
def test_exception_is_still_needed(pattern: str) -> None:
    assert any(file.match(pattern) for file in theirs())
    assert not any(file.match(pattern) for file in ours())


def test_no_template_of_ours_stands_for_one_that_allauth_has_no_longer() -> None:
    of_our_own = {
        "account/demo_mail.html",
        "account/invitation.html",
        "account/invitation_gone.html",
        "account/notifications.html",
        "account/profile.html",
        "account/security.html",
        "account/snippets/cancel.html",
        "account/unsubscribe.html",
        "account/unsubscribe_gone.html",
        "mfa/webauthn/snippets/ask.html",
        "socialaccount/provider_down.html",
    }
    added = {
        str(file)
        for file in ours() - theirs()
        # The HTML of an email of which allauth has only the text.
        if not (file.match("*/email/*_message.html") and file.with_suffix(".txt") in theirs())
    }
    assert added == of_our_own


EMAILS = [
    ("/account/login/code/", "bob@birch.example", "Your code to sign in to"),
    ("/account/login/code/", "nobody@birch.example", "No account for this address"),
    ("/account/password/reset/", "bob@birch.example", "Choose a new password"),
]


@pytest.mark.django_db
@pytest.mark.parametrize(("address", "to", "subject"), EMAILS)
def test_email_of_allauth_looks_like_ours(
    client: Client, cast: Cast, address: str, to: str, subject: str
) -> None:
    client.post(address, {"email": to})
    (message,) = mail.outbox
    assert message.subject.startswith(subject)
    assert "Questions? " in str(message.body)
    assert isinstance(message, EmailMultiAlternatives)
    ((html, _),) = message.alternatives
    assert f"<h1>{message.subject}</h1>" in str(html)
