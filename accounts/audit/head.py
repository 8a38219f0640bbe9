"""The head of the chain, kept where the database's role cannot write: it shows when the chain was
cut off at its end or recomputed."""

import json
import logging
from pathlib import Path
from urllib.request import Request, urlopen

import redis
from django.conf import settings

log = logging.getLogger(__name__)

NAME = "audit-head"
TIMEOUT = 5  # seconds


def keep(head: str) -> None:
    """Log ``number:hash``, keep it for ``known``, and send it to AUDIT_WEBHOOK_URL if there is
    one. What fails is logged; the next head is kept then."""
    log.info("Audit log linked up to %s", head)
    try:
        if store := _redis():
            store.set(NAME, head)
        else:
            _file().write_text(head)
        if settings.AUDIT_WEBHOOK_URL:
            _send(head)
    except (OSError, redis.RedisError) as error:
        log.warning("The head of the audit log could not be kept: %s", error)


def known() -> str:
    """The head that was kept last; empty where none is known."""
    try:
        if store := _redis():
            return str(store.get(NAME) or "")
        return _file().read_text() if _file().exists() else ""
    except (OSError, redis.RedisError) as error:
        log.warning("The head of the audit log is not known: %s", error)
        return ""


def _send(head: str) -> None:
    number, _, hash_ = head.partition(":")
    body = json.dumps({"number": int(number), "hash": hash_}).encode()
    request = Request(  # noqa: S310 - a start check allows https only
        settings.AUDIT_WEBHOOK_URL, body, {"Content-Type": "application/json"}
    )
    with urlopen(request, timeout=TIMEOUT):  # noqa: S310
        pass


def _redis() -> "redis.Redis | None":
    address = settings.RATE_LIMIT_URL
    return (
        redis.Redis.from_url(address, decode_responses=True)
        if address.startswith("redis")
        else None
    )


def _file() -> Path:
    return settings.STATE_DIR / NAME
