"""How a turn ends, when AWS does not stop it; and when the next one is."""

import random
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.conf import settings
from django.utils import timezone

from provisioning.wanted import Due

BACKOFF_FIRST, BACKOFF_LAST = timedelta(seconds=2), timedelta(minutes=15)
# How long ECR may not know a user that IAM has made (up to two minutes were seen).
NEWCOMER_RETRY = timedelta(seconds=3)
# What needs a person is tried again by itself as well: she may have mended it at AWS.
ATTENTION_RETRY = timedelta(hours=1)
# "Not found" is believed after this long: IAM and ECR are eventually consistent.
BELIEVED_AFTER = timedelta(minutes=5)


@dataclass(frozen=True)
class Agreed:
    """Whose turn is next, when the row's own next turn is due (None: when somebody asks),
    and what a person should know."""

    next_turns: Due = field(default_factory=Due)
    next_due: datetime | None = None
    attention: str = ""


class NotNow(Exception):
    """The turn has asked AWS nothing; it is due again at ``until``."""

    def __init__(self, until: datetime) -> None:
        self.until = until
        super().__init__(f"Not before {until}.")


def backoff(failures: int) -> timedelta:
    """Twice as long after each failure, up to BACKOFF_LAST; the jitter spreads a crowd."""
    return jittered(min(BACKOFF_FIRST * 2 ** min(failures, 20), BACKOFF_LAST))


def next_observation() -> datetime:
    """When AWS is read again though nothing changed."""
    return timezone.now() + jittered(settings.OBSERVE_EVERY)


def jittered(delay: timedelta) -> timedelta:
    return delay * random.uniform(0.5, 1)  # noqa: S311 - spreads load, guards nothing
