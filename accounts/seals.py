"""The chain of seals: each audit line is sealed with a hash over itself and the seal before it,
so that a line that was changed, removed or moved behind the application's back is found.

Lines are sealed after their commit, so that no deed waits for another's seal, in the order in
which they are found: one that was committed late is sealed later, and none is passed over.
"""

import hashlib
import json
import logging
from dataclasses import dataclass
from datetime import UTC

from django.db import IntegrityError, models, transaction

from accounts.audit import AppendOnly, AuditEvent

log = logging.getLogger(__name__)

# What stands before the first seal.
BEGINNING = "0" * 64


class AuditSeal(AppendOnly):
    """The seal of one line. ``number`` counts from 1 without a gap."""

    number = models.BigIntegerField(primary_key=True)
    event = models.OneToOneField(AuditEvent, models.PROTECT, related_name="seal")
    previous = models.CharField(max_length=64, unique=True)
    hash = models.CharField(max_length=64)

    class Meta(AppendOnly.Meta):
        ordering = ["number"]

    def __str__(self) -> str:
        return f"{self.number}:{self.hash}"


@dataclass(frozen=True)
class Verdict:
    """How far the chain holds; ``broken`` says where and how it does not, and is empty
    where it does."""

    sealed: int
    head: str
    waiting: int
    broken: str = ""


def seal(limit: int) -> int:
    """Seal up to ``limit`` lines, and return how many. Of two who try at once, one does."""
    waiting = AuditEvent.objects.filter(seal__isnull=True).order_by("pk")[:limit]
    number = 0
    try:
        with transaction.atomic():
            last = AuditSeal.objects.last()
            previous = last.hash if last else BEGINNING
            at = last.number if last else 0
            for number, event in enumerate(waiting, start=1):
                digest = hash_of(event, at + number, previous)
                AuditSeal.objects.create(
                    number=at + number, event=event, previous=previous, hash=digest
                )
                previous = digest
    except IntegrityError:
        # Somebody else was at it: the lines are sealed, or will be at the next run.
        return 0
    if number:
        # Kept outside of the database, the head shows whether the whole chain was made anew.
        log.info("Audit log sealed up to %d:%s", at + number, previous)
    return number


def hash_of(event: AuditEvent, number: int, previous: str) -> str:
    """SHA-256 over the canonical form of a line in its place: JSON with sorted names."""
    form = {
        "form": 1,
        "number": number,
        "previous": previous,
        "id": event.pk,
        "at": event.at.astimezone(UTC).isoformat(timespec="microseconds"),
        **{
            name: getattr(event, name)
            for name in (
                "deed",
                "actor_id",
                "actor_label",
                "customer_id",
                "subject",
                "entitlement_id",
                "changes",
                "reason",
                "address",
            )
        },
    }
    return hashlib.sha256(json.dumps(form, sort_keys=True).encode()).hexdigest()


def verify(known: str = "") -> Verdict:
    """Go through the whole chain. ``known`` is a head of former times, as
    ``number:hash``, that must be part of it."""
    at, previous, known_at = 0, BEGINNING, int(known.partition(":")[0] or 0)
    broken = ""
    for row in AuditSeal.objects.select_related("event").iterator():
        if row.number != at + 1:
            broken = f"The line of seal {at + 1} is missing."
        elif row.previous != previous or row.hash != hash_of(row.event, row.number, previous):
            broken = f"The line of seal {row.number} is not as it was sealed: {row.event}"
        elif row.number == known_at and str(row) != known:
            broken = f"Seal {row.number} is another than the one that was noted."
        if broken:
            break
        at, previous = row.number, row.hash
    # A seal whose line is gone is passed over by the join above.
    if not broken and (AuditSeal.objects.count() > at or known_at > at):
        broken = f"The line of seal {at + 1} is missing."
    waiting = AuditEvent.objects.filter(seal__isnull=True).count()
    return Verdict(at, f"{at}:{previous}", waiting, broken)
