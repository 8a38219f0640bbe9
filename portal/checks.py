"""Unsafe settings stop the start: each is an error of Django's check framework, which runs before
every command, in the worker, and before the site is served (``wsgi.py``)."""

from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.checks import CheckMessage, Error, register
from django.core.exceptions import ImproperlyConfigured

from accounts.encryption import key_ring
from portal import env

LOOPBACK = {"127.0.0.1", "localhost", "[::1]", "testserver"}
SECRET_KEY_LENGTH, SECRET_KEY_VARIETY = 50, 10


@register
def vault_keys(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    try:
        key_ring(settings.VAULT_KEYS)
    except ImproperlyConfigured as error:
        return [Error(str(error), id="portal.E001")]
    return []


@register
def embedded_stays_at_home(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """The embedded form's keys are not secret: it serves only this machine."""
    served = {*settings.ALLOWED_HOSTS, urlsplit(settings.ORIGIN).hostname}
    if settings.EMBEDDED and not served <= LOOPBACK:
        return [
            Error(
                "EMBEDDED is for this machine only, but ALLOWED_HOSTS or ORIGIN name another.",
                hint="Unset EMBEDDED and set the settings for production (.env.example).",
                id="portal.E002",
            )
        ]
    return []


@register
def production_is_safe(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    if settings.EMBEDDED:
        return []
    errors: list[CheckMessage] = []
    if settings.DEBUG:
        errors.append(
            Error(
                "DEBUG shows settings and variables to everyone.",
                hint="Unset DEBUG.",
                id="portal.E003",
            )
        )
    if (
        len(settings.SECRET_KEY) < SECRET_KEY_LENGTH
        or len(set(settings.SECRET_KEY)) < SECRET_KEY_VARIETY
        or "not-a-secret" in settings.SECRET_KEY
    ):
        errors.append(
            Error(
                f"SECRET_KEY has fewer than {SECRET_KEY_LENGTH} characters, or can be guessed.",
                hint="Create one with: openssl rand -base64 48",
                id="portal.E004",
            )
        )
    if not settings.IS_HTTPS:
        errors.append(
            Error(
                "ORIGIN is not https: credentials would be sent unencrypted.",
                hint="Serve the portal over https and set ORIGIN to that address.",
                id="portal.E005",
            )
        )
    if "*" in settings.ALLOWED_HOSTS:
        errors.append(
            Error(
                "ALLOWED_HOSTS accepts any host name.",
                hint="Name the portal's own host.",
                id="portal.E006",
            )
        )
    if any(len(set(key)) == 1 for key in _vault_keys()):
        errors.append(
            Error(
                "VAULT_KEYS holds a key that everyone knows, like the demo's.",
                hint="Create one with: openssl rand -base64 32",
                id="portal.E007",
            )
        )
    if env.is_any_set("AWS_ENDPOINT_URL"):
        errors.append(
            Error(
                "AWS_ENDPOINT_URL sends requests for AWS, including secrets, elsewhere.",
                hint="Unset it. A registry that has its own address names it in the admin.",
                id="portal.E008",
            )
        )
    if settings.AWS_RATES and not settings.RATE_LIMIT_URL.startswith("redis"):
        errors.append(
            Error(
                "BROKER_URL is not a Redis: the rates of calls to AWS are kept there.",
                hint="Set BROKER_URL to a redis:// or rediss:// address.",
                id="portal.E009",
            )
        )
    return errors


def _vault_keys() -> list[bytes]:
    try:
        return list(key_ring(settings.VAULT_KEYS).values())
    except ImproperlyConfigured:
        return []  # E001 says so.
