"""The hash chain over the audit log: each line is hashed together with the hash before it, so
that a line that was changed, removed or moved in the database itself is found.

Lines are linked after their commit, so that no action waits for another's, in the order in
which they are found: one that was committed late is linked later, and none is missed.
"""

import hashlib
import json
import logging
from dataclasses import dataclass
from datetime import UTC

from django.db import IntegrityError, transaction

from accounts.audit.models import AuditEvent, ChainLink

log = logging.getLogger(__name__)

# What stands before the first link.
BEGINNING = "0" * 64


@dataclass(frozen=True)
class Verdict:
    """How far the chain holds. ``broken`` says where and how it does not; it is empty where
    the chain holds."""

    linked: int
    head: str
    waiting: int
    broken: str = ""


def link(limit: int) -> int:
    """Link up to ``limit`` lines and return how many. Of two processes that try at the same
    time, one succeeds."""
    waiting = AuditEvent.objects.filter(link__isnull=True).order_by("pk")[:limit]
    number = 0
    try:
        with transaction.atomic():
            last = ChainLink.objects.last()
            previous = last.hash if last else BEGINNING
            at = last.number if last else 0
            for number, event in enumerate(waiting, start=1):
                digest = hash_of(event, at + number, previous)
                ChainLink.objects.create(
                    number=at + number, event=event, previous=previous, hash=digest
                )
                previous = digest
    except IntegrityError:
        # The other process has linked these lines, or the next run will.
        return 0
    if number:
        # Kept outside the database, the head shows whether the whole chain was recomputed.
        log.info("Audit log linked up to %d:%s", at + number, previous)
    return number


def hash_of(event: AuditEvent, number: int, previous: str) -> str:
    """SHA-256 over the canonical form of a line in its place: JSON with sorted names. The
    names of form 1 never change, whatever the fields are called today."""
    form = {
        "form": 1,
        "number": number,
        "previous": previous,
        "id": event.pk,
        "at": event.at.astimezone(UTC).isoformat(timespec="microseconds"),
        "deed": event.action,
        "actor_id": event.actor_id,
        "actor_label": event.actor_label,
        "customer_id": event.customer_id,
        "subject": event.subject,
        "entitlement_id": event.entitlement_id,
        "changes": event.changes,
        "reason": event.reason,
        "address": event.address,
    }
    return hashlib.sha256(json.dumps(form, sort_keys=True).encode()).hexdigest()


def verify(known: str = "") -> Verdict:
    """Check the whole chain. ``known`` is an earlier head, as ``number:hash``, that must be
    part of it."""
    at, previous, known_at = 0, BEGINNING, int(known.partition(":")[0] or 0)
    broken = ""
    for row in ChainLink.objects.select_related("event").iterator():
        if row.number != at + 1:
            broken = f"The line of link {at + 1} is missing."
        elif row.previous != previous or row.hash != hash_of(row.event, row.number, previous):
            broken = f"The line of link {row.number} has been changed since: {row.event}"
        elif row.number == known_at and str(row) != known:
            broken = f"Link {row.number} differs from the head that was noted."
        if broken:
            break
        at, previous = row.number, row.hash
    # The join above skips a link whose line is gone.
    if not broken and (ChainLink.objects.count() > at or known_at > at):
        broken = f"The line of link {at + 1} is missing."
    waiting = AuditEvent.objects.filter(link__isnull=True).count()
    return Verdict(at, f"{at}:{previous}", waiting, broken)
