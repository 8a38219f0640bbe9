"""The head of the chain, kept where the database's role cannot write: it shows when the chain was
cut off at its end or recomputed."""

import json
import logging
import time
from datetime import timedelta
from pathlib import Path
from urllib.request import Request, urlopen

import redis
from django.conf import settings

log = logging.getLogger(__name__)

NAME, ALARM = "audit-head", "audit-alarm"
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


def begin_alarm(every: timedelta) -> bool:
    """Whether nobody was alarmed for as long as ``every``; from now on someone was. Kept here
    because who changed the log may have changed every table. True where that is not known."""
    try:
        if store := _redis():
            return bool(store.set(ALARM, "", nx=True, ex=every))
        alarm = _file().with_name(ALARM)
        if alarm.exists() and time.time() - alarm.stat().st_mtime < every.total_seconds():
            return False
        alarm.touch()
    except (OSError, redis.RedisError) as error:
        log.warning("It is not known when the last alarm was: %s", error)
    return True


def end_alarm() -> None:
    """Nobody was reached: the next alarm need not wait."""
    try:
        if store := _redis():
            store.delete(ALARM)
        else:
            _file().with_name(ALARM).unlink(missing_ok=True)
    except (OSError, redis.RedisError) as error:
        log.warning("An alarm could not be taken back: %s", error)


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
