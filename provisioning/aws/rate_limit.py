"""How fast AWS is called, by all workers together: as fast as it allows, which is learnt, because
AWS publishes few of its rates.

Of each key Redis keeps its rate and the moment of the next free slot (the generic cell rate
algorithm). While calls wait for their slot, the rate grows by the same amount each second; when AWS
throttles a call, it is halved, and all workers hold back for a moment. Observation has a share of
the rate, so that nobody waits behind it. Without rates in the settings, as in the embedded form,
nothing waits.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from typing import Any

import redis
from django.conf import settings

from provisioning.aws.errors import Throttled

# Seconds' worth of calls that may go out at once after a quiet time.
BURST = 1.0
# A turn that would wait longer gives the row back, and is retried.
PATIENCE = 10.0
# How long all workers hold back when AWS throttles a call; all that it throttles meanwhile is one.
HOLD_BACK = 1.0
# In parts of the rate in the settings, where it starts: how much it grows in a second in which
# calls wait for it, and its limits.
GROWTH, LEAST, MOST = 0.1, 0.1, 20
# The part of the rate that observation takes at most.
SHARE_OF_OBSERVATION = 0.3
# Seconds until a rate that nobody uses is forgotten, and starts anew.
KEPT = 24 * 3_600
PREFIX = "ecr-portal:rate:"

# Takes a slot unless it is too far away, and returns how many seconds away it is. It uses Redis's
# own clock, so that the workers' clocks need not agree.
TAKE = f"""
local start, burst, patience, share = unpack(ARGV)
local time = redis.call('TIME')
local now = time[1] + time[2] / 1e6
local known = redis.call('HMGET', KEYS[1], 'slot', 'rate', 'grown', 'observation')
local slot = math.max(tonumber(known[1]) or 0, now - burst)
local rate = tonumber(known[2]) or tonumber(start)
if slot > now then
  local waited = math.min(now - (tonumber(known[3]) or now), 1)
  rate = math.min(rate + start * {GROWTH} * waited, start * {MOST})
end
local delay = slot - now
local own = math.max(tonumber(known[4]) or 0, now - burst)
if tonumber(share) < 1 then
  delay = math.max(delay, own - now)
end
if delay <= tonumber(patience) then
  redis.call('HSET', KEYS[1], 'slot', string.format('%.6f', slot + 1 / rate),
    'rate', string.format('%.3f', rate), 'grown', string.format('%.6f', now))
  if tonumber(share) < 1 then
    redis.call('HSET', KEYS[1], 'observation', string.format('%.6f', own + 1 / (rate * share)))
  end
  redis.call('EXPIRE', KEYS[1], {KEPT})
end
return string.format('%.6f', delay)
"""
SLOW_DOWN = f"""
local start, hold_back = unpack(ARGV)
local time = redis.call('TIME')
local now = time[1] + time[2] / 1e6
local known = redis.call('HMGET', KEYS[1], 'slot', 'rate', 'throttled')
if now - (tonumber(known[3]) or 0) < tonumber(hold_back) then
  return
end
local rate = math.max((tonumber(known[2]) or tonumber(start)) / 2, start * {LEAST})
local slot = math.max(tonumber(known[1]) or 0, now) + hold_back
redis.call('HSET', KEYS[1], 'slot', string.format('%.6f', slot),
  'rate', string.format('%.3f', rate), 'throttled', string.format('%.6f', now))
redis.call('EXPIRE', KEYS[1], {KEPT})
"""
_share: ContextVar[float] = ContextVar("share", default=1.0)


@contextmanager
def observation() -> Iterator[None]:
    """The calls inside take no more than their share of each rate."""
    token = _share.set(SHARE_OF_OBSERVATION)
    try:
        yield
    finally:
        _share.reset(token)


def wait(key: str, start: float) -> None:
    """Wait for a slot under ``key``, whose rate starts at ``start`` calls a second. Raises
    Throttled where none is free for PATIENCE seconds, and then takes none."""
    delay = float(_redis().eval(TAKE, 1, PREFIX + key, start, BURST, PATIENCE, _share.get()))
    if delay > PATIENCE:
        raise Throttled(f"The portal holds back so as not to call AWS too often ({key}).")
    if delay > 0:
        time.sleep(delay)


def slow_down(key: str, start: float) -> None:
    """AWS has throttled a call under ``key``."""
    _redis().eval(SLOW_DOWN, 1, PREFIX + key, start, HOLD_BACK)


@dataclass(frozen=True)
class Rate:
    """What was learnt of a key, for example ``123456789012:iam``."""

    key: str
    per_second: float
    throttled_at: datetime | None


def learnt() -> list[Rate] | None:
    """The rates in use, by key; None where Redis does not answer."""
    try:
        found = {
            name.decode(): _redis().hmget(name, "rate", "throttled")
            for name in _redis().scan_iter(f"{PREFIX}*")
        }
    except redis.RedisError:
        return None
    return [
        Rate(
            name.removeprefix(PREFIX),
            float(rate),
            datetime.fromtimestamp(float(throttled), UTC) if throttled else None,
        )
        for name, (rate, throttled) in sorted(found.items())
        if rate
    ]


@cache
def _redis() -> Any:
    return redis.Redis.from_url(settings.RATE_LIMIT_URL, socket_timeout=2, socket_connect_timeout=2)


def reset() -> None:
    """Connect again, to the Redis that the settings name now."""
    _redis.cache_clear()
