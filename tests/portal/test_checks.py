"""Unsafe settings stop the start, each with its own message."""

import base64
import os
import subprocess
import sys

import pytest
from django.core.checks import run_checks
from pytest_django import Settings

SAFE = {
    "EMBEDDED": False,
    "DEBUG": False,
    "SECRET_KEY": "Zm9vYmFyYmF6cXV4" * 4,
    "VAULT_KEYS": ["2026:" + base64.b64encode(bytes(range(32))).decode()],
    "IS_HTTPS": True,
    "ORIGIN": "https://portal.example.com",
    "ALLOWED_HOSTS": ["portal.example.com"],
    "AUDIT_KEYS": ["2026:" + base64.b64encode(bytes(range(32))).decode()],
    "AUDIT_WEBHOOK_URL": "",
    "CELERY_BROKER_URL": "redis://:password@redis:6379/0",
    "EMAIL_HOST": "mail.example.com",
    "EMAIL_USE_TLS": True,
    "OIDC_ISSUER": "",
}


def errors(settings: Settings, **changes: object) -> set[str | None]:
    for name, value in (SAFE | changes).items():
        setattr(settings, name, value)
    return {message.id for message in run_checks() if str(message.id).startswith("portal.")}


def test_safe_production_settings_pass(settings: Settings) -> None:
    assert errors(settings) == set()


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"VAULT_KEYS": []}, "portal.E001"),
        ({"VAULT_KEYS": ["one:c2hvcnQ="]}, "portal.E001"),
        ({"VAULT_KEYS": ["not a key"]}, "portal.E001"),
        ({"EMBEDDED": True}, "portal.E002"),
        ({"AUDIT_KEYS": []}, "portal.E001"),
        ({"AUDIT_KEYS": ["embedded:" + "A" * 43 + "="]}, "portal.E007"),
        ({"AUDIT_WEBHOOK_URL": "http://log.example.com"}, "portal.E013"),
        ({"DEBUG": True}, "portal.E003"),
        ({"SECRET_KEY": "short"}, "portal.E004"),
        ({"SECRET_KEY": "s" * 64}, "portal.E004"),
        ({"SECRET_KEY": "embedded-" + "not-a-secret-" * 4 + "abcdefgh"}, "portal.E004"),
        ({"VAULT_KEYS": ["embedded:" + "A" * 43 + "="]}, "portal.E007"),
        ({"IS_HTTPS": False}, "portal.E005"),
        ({"ALLOWED_HOSTS": ["*"]}, "portal.E006"),
        ({"CELERY_BROKER_URL": "filesystem://", "AWS_RATES": {"iam": 1}}, "portal.E009"),
        ({"CELERY_BROKER_URL": "redis://redis:6379/0"}, "portal.E010"),
        ({"OIDC_ISSUER": "http://id.example.com"}, "portal.E011"),
        ({"EMAIL_USE_TLS": False, "EMAIL_HOST": "mail.example.com"}, "portal.E012"),
    ],
)
def test_unsafe_setting_is_refused(
    settings: Settings, change: dict[str, object], error: str
) -> None:
    assert errors(settings, **change) == {error}


def test_endpoint_of_the_demos_aws_is_refused(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:4566")
    assert errors(settings) == {"portal.E008"}


@pytest.mark.parametrize(
    ("environment", "words"),
    [
        ({}, "Set ORIGIN"),
        ({"EMBEDDED": "perhaps"}, "EMBEDDED must be true or false"),
        ({"EMBEDDED": "true", "SIGNUP": "closed"}, "SIGNUP must be invitation or open"),
        ({"EMBEDDED": "true", "OIDC_ISSUER": "https://id.example.com"}, "Set OIDC_CLIENT_ID"),
        ({"EMBEDDED": "true", "SWEEP_SECONDS": "0"}, "SWEEP_SECONDS must be at least 1"),
    ],
)
def test_wrong_setting_gives_a_message_without_a_traceback(
    environment: dict[str, str], words: str
) -> None:
    ended = subprocess.run(
        [sys.executable, "manage.py", "migrate"],
        env={"PATH": os.environ["PATH"], **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 1
    assert words in ended.stderr
    assert "Traceback" not in ended.stderr


def test_cookies_on_https_are_bound_to_the_host() -> None:
    """A browser sends a cookie of such a name to this host alone, and takes it from no other."""
    script = """
import django
django.setup()
from django.conf import settings
from accounts.sessions import devices
print(settings.SESSION_COOKIE_NAME, settings.CSRF_COOKIE_NAME, devices.COOKIE)
"""
    ended = subprocess.run(
        [sys.executable, "-c", script],
        env={
            "PATH": os.environ["PATH"],
            "DJANGO_SETTINGS_MODULE": "portal.settings",
            "EMBEDDED": "true",
            "ORIGIN": "https://portal.example.com",
        },
        capture_output=True,
        text=True,
        check=True,
    )
    assert [name.startswith("__Host-") for name in ended.stdout.split()] == [True] * 3
