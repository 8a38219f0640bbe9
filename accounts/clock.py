"""The time by the database's clock. It decides what is due, leased, expired or destroyed: a machine
whose own clock is wrong would destroy what nobody has revealed yet."""

import time
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import connection
from django.utils import timezone

# How far a machine's clock may differ from the database's.
TOLERANCE = timedelta(minutes=1)
# How long the database's answer is carried on by this process, in seconds.
ASK_EVERY = 60


class ClockIsWrong(Exception):
    """This machine's clock differs from the database's by more than TOLERANCE."""


@dataclass(frozen=True)
class _Answer:
    """What the database said, and when, on a clock that nobody can set."""

    at: datetime
    asked: float


_answer: _Answer | None = None


def now() -> datetime:
    """The moment by the database's clock. Asks it at most once a minute: raises OperationalError
    where it is unreachable then."""
    global _answer
    if connection.vendor == "sqlite":
        # A file has no other clock than the machine's.
        return timezone.now()
    if _answer is None or time.monotonic() - _answer.asked > ASK_EVERY:
        _answer = _ask()
    return _answer.at + timedelta(seconds=time.monotonic() - _answer.asked)


def require_right() -> None:
    """Raise ClockIsWrong where this machine's clock cannot be trusted."""
    ahead = timezone.now() - now()
    if abs(ahead) > TOLERANCE:
        side = "ahead of" if ahead > timedelta(0) else "behind"
        raise ClockIsWrong(
            f"This machine's clock is {abs(ahead)} {side} the database's. The portal's operator "
            "can set it by NTP and start the process again; until then it does nothing."
        )


def forget() -> None:
    """Ask the database again at the next use."""
    global _answer
    _answer = None


def _ask() -> _Answer:
    asked = time.monotonic()
    with connection.cursor() as cursor:
        # Not the time at which the transaction began.
        cursor.execute("SELECT clock_timestamp()")
        return _Answer(cursor.fetchone()[0], asked)
