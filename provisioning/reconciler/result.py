"""How a turn ends when AWS does not stop it, and when the next one is due."""

import random
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings

from accounts import clock

BACKOFF_FIRST, BACKOFF_LAST = timedelta(seconds=2), timedelta(minutes=15)
# How long ECR may not know a user that IAM has created (up to two minutes were seen).
PENDING_RETRY = timedelta(seconds=3)
# What needs a person is also retried: someone may have solved it in AWS.
ATTENTION_RETRY = timedelta(hours=1)
# "Not found" is believed after this long: IAM and ECR are eventually consistent.
BELIEVED_AFTER = timedelta(minutes=5)


@dataclass(frozen=True)
class Result:
    """When the row's next turn is due (None: when it is woken), and what a person should
    know. ``is_settled``: AWS has what is desired, as far as this turn can bring it about."""

    next_due: datetime | None = None
    attention: str = ""
    is_settled: bool = True


class Requeue(Exception):
    """The turn has not called AWS; it is due again at ``until``."""

    def __init__(self, until: datetime) -> None:
        self.until = until
        super().__init__(f"Not before {until}.")


def backoff(failures: int) -> timedelta:
    """Doubles with each failure, up to BACKOFF_LAST; jitter spreads a crowd."""
    return jittered(min(BACKOFF_FIRST * 2 ** min(failures, 20), BACKOFF_LAST))


def next_observation() -> datetime:
    """When AWS is read again although nothing changed."""
    return clock.now() + jittered(settings.OBSERVE_EVERY)


def jittered(delay: timedelta) -> timedelta:
    return delay * random.uniform(0.5, 1)  # noqa: S311 - spreads load, guards nothing
