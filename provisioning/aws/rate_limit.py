"""How fast AWS is called, by all workers together, so that it does not throttle them.

The generic cell rate algorithm: for each key one number in Redis, the moment of the next free
slot. Without rates in the settings, as in the embedded form, nothing waits.
"""

import time
from functools import cache
from typing import Any

import redis
from django.conf import settings

from provisioning.aws.errors import Throttled

# Seconds' worth of calls that may go out at once after a quiet time.
BURST = 1.0
# A turn that would wait longer gives the row back, and is retried.
PATIENCE = 10.0
# How long all workers hold back when AWS throttles a call.
HOLD_BACK = 1.0

# Takes a slot unless it is too far away, and returns how many seconds away it is. It uses Redis's
# own clock, so that the workers' clocks need not agree.
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
    """Wait for a slot under ``key``. Raises Throttled where none is free for PATIENCE seconds,
    and then takes none."""
    delay = float(_redis().eval(TAKE, 1, _name(key), 1 / per_second, BURST, PATIENCE))
    if delay > PATIENCE:
        raise Throttled(f"The portal holds back so as not to call AWS too often ({key}).")
    if delay > 0:
        time.sleep(delay)


def hold_back(key: str) -> None:
    """Let no worker call for another HOLD_BACK seconds."""
    _redis().eval(HOLD, 1, _name(key), HOLD_BACK)


@cache
def _redis() -> Any:
    return redis.Redis.from_url(settings.RATE_LIMIT_URL)


def reset() -> None:
    """Connect again, to the Redis that the settings name now."""
    _redis.cache_clear()


def _name(key: str) -> str:
    return f"ecr-portal:rate:{key}"
