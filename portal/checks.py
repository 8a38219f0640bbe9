"""Unsafe settings stop the start: each is an error of Django's check framework, which runs before
every command, in the worker, and before the site is served (``wsgi.py``)."""

from collections.abc import Iterator
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
def keys(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    if settings.WITHOUT_KEYS:
        return []
    try:
        key_ring(settings.VAULT_KEYS)
        key_ring(settings.AUDIT_KEYS, of="AUDIT_KEYS")
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
    return [
        Error(words, hint=hint, id=f"portal.{number}")
        for number, is_wrong, words, hint in _rules()
        if is_wrong
    ]


def _rules() -> Iterator[tuple[str, bool, str, str]]:
    """Number, whether the settings break the rule, what is wrong, and what to do."""
    yield (
        "E003",
        settings.DEBUG,
        "DEBUG shows settings and variables to everyone.",
        "Unset DEBUG.",
    )
    yield (
        "E004",
        len(settings.SECRET_KEY) < SECRET_KEY_LENGTH
        or len(set(settings.SECRET_KEY)) < SECRET_KEY_VARIETY
        or "not-a-secret" in settings.SECRET_KEY,
        f"SECRET_KEY has fewer than {SECRET_KEY_LENGTH} characters, or can be guessed.",
        "Create one with: openssl rand -base64 48",
    )
    yield (
        "E005",
        not settings.IS_HTTPS,
        "ORIGIN is not https: credentials would be sent unencrypted.",
        "Serve the portal over https and set ORIGIN to that address.",
    )
    yield (
        "E006",
        "*" in settings.ALLOWED_HOSTS,
        "ALLOWED_HOSTS accepts any host name.",
        "Name the portal's own host.",
    )
    yield (
        "E007",
        any(len(set(key)) == 1 for key in _keys()),
        "VAULT_KEYS or AUDIT_KEYS holds a key that everyone knows, like the demo's.",
        "Create one with: openssl rand -base64 32",
    )
    yield (
        "E008",
        env.is_any_set("AWS_ENDPOINT_URL"),
        "AWS_ENDPOINT_URL sends requests for AWS, including secrets, elsewhere.",
        "Unset it. A registry that has its own address names it in the admin.",
    )
    yield (
        "E013",
        bool(settings.AUDIT_WEBHOOK_URL) and not settings.AUDIT_WEBHOOK_URL.startswith("https://"),
        "AUDIT_WEBHOOK_URL is not https: anyone on the way could change the head.",
        "Set it to an https:// address, or leave it empty.",
    )
    broker = settings.CELERY_BROKER_URL
    yield (
        "E009",
        bool(settings.AWS_RATES) and not broker.startswith("redis"),
        "BROKER_URL is not a Redis: the rates of calls to AWS are kept there.",
        "Set BROKER_URL to a redis:// or rediss:// address.",
    )
    yield (
        "E010",
        broker.startswith("redis") and not urlsplit(broker).password,
        "BROKER_URL has no password: anyone who reaches Redis can give the worker orders.",
        "Set requirepass in Redis, and BROKER_URL to redis://:PASSWORD@redis:6379/0.",
    )
    yield (
        "E011",
        bool(settings.OIDC_ISSUER) and not settings.OIDC_ISSUER.startswith("https://"),
        "OIDC_ISSUER is not https: anyone on the way could sign in as anyone.",
        "Set it to the https:// address of the identity provider.",
    )
    yield (
        "E012",
        not settings.EMAIL_USE_TLS and settings.EMAIL_HOST not in LOOPBACK,
        "EMAIL_TLS is off: links and codes that sign people in would be sent unencrypted.",
        "Set EMAIL_TLS=true, or use a mail server on this machine.",
    )


def _keys() -> list[bytes]:
    try:
        vault, audit = key_ring(settings.VAULT_KEYS), key_ring(settings.AUDIT_KEYS, of="AUDIT_KEYS")
        return [*vault.values(), *audit.values()]
    except ImproperlyConfigured:
        return []  # E001 says so.
