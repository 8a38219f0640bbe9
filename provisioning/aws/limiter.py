"""How fast AWS is asked, by all workers together: its throttles are approached, not hit.

The generic cell rate algorithm: one number for each key, the moment of the next free slot.
Redis keeps it where there is one, the database otherwise.
"""

import time
from functools import cache
from typing import Any

import redis
from django.conf import settings

from provisioning.aws.errors import Throttled
from provisioning.models import Pace

# Seconds' worth of calls that may go out at once after a quiet time.
BURST = 1.0
# Who would wait longer gives the row back, and comes again.
PATIENCE = 10.0
# How long everybody holds back when AWS says that it is too fast.
HOLD_BACK = 1.0

# Takes a slot, unless it is too far: answers how many seconds away it is. Redis's own
# clock, so that the workers' clocks need not agree.
TAKE = """
local now = redis.call('TIME')
now = now[1] + now[2] / 1e6
local slot = math.max(tonumber(redis.call('GET', KEYS[1]) or '0'), now - ARGV[2])
if slot - now <= tonumber(ARGV[3]) then
  redis.call('SET', KEYS[1], string.format('%.6f', slot + ARGV[1]), 'EX', 60)
end
return string.format('%.6f', slot - now)
"""
HOLD = """
local now = redis.call('TIME')
local slot = math.max(tonumber(redis.call('GET', KEYS[1]) or '0'), now[1] + now[2] / 1e6)
redis.call('SET', KEYS[1], string.format('%.6f', slot + ARGV[1]), 'EX', 60)
"""


def wait(key: str, per_second: float) -> None:
    """Wait for a slot under ``key``. Raises Throttled where none is free for PATIENCE
    seconds, and then takes none."""
    interval = 1 / per_second
    delay = _take_in_redis(key, interval) if _redis() else _take_in_database(key, interval)
    if delay > PATIENCE:
        raise Throttled(f"The portal holds back so as not to ask AWS too often ({key}).")
    if delay > 0:
        time.sleep(delay)


def hold_back(key: str) -> None:
    """Let nobody ask for another HOLD_BACK seconds."""
    if _redis():
        _redis().eval(HOLD, 1, _named(key), HOLD_BACK)
        return
    row, _ = Pace.objects.get_or_create(key=key)
    later = max(row.next_at, time.time()) + HOLD_BACK
    Pace.objects.filter(key=key, next_at=row.next_at).update(next_at=later)


def _take_in_redis(key: str, interval: float) -> float:
    return float(_redis().eval(TAKE, 1, _named(key), interval, BURST, PATIENCE))


def _take_in_database(key: str, interval: float) -> float:
    while True:
        row, _ = Pace.objects.get_or_create(key=key)
        now = time.time()
        slot = max(row.next_at, now - BURST)
        if slot - now > PATIENCE:
            return slot - now
        is_mine = Pace.objects.filter(key=key, next_at=row.next_at).update(next_at=slot + interval)
        if is_mine:
            return slot - now


@cache
def _redis() -> Any:
    is_there = settings.LIMITER_URL.startswith("redis")
    return redis.Redis.from_url(settings.LIMITER_URL) if is_there else None


def _named(key: str) -> str:
    return f"ecr-portal:pace:{key}"
