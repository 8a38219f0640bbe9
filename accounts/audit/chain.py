"""The chain over the audit log: each line is signed together with the link before it, so that a
line that was changed, removed, moved or written beside the portal is found.

Lines are linked after their commit, so that no action waits for another's, in the order in
which they are found: one that was committed late is linked later.

Until lines were signed, links were plain hashes: those stay at the beginning of an old chain.
"""

import hashlib
import json
import random
from dataclasses import dataclass
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import Exists, OuterRef, QuerySet

from accounts.audit import head
from accounts.audit.log import content_of, is_genuine
from accounts.audit.models import AuditEvent, ChainLink
from accounts.audit.signature import is_signed, sign

# What stands before the first link.
BEGINNING = "0" * 64
# What one run of ``watch`` looks at: the newest links, and as many at a random place.
WINDOW = 2000
# Every id.
ALL = (-(2**63), 2**63 - 1)
# How many ids behind the newest link a line may be that was committed late. One further behind
# stays unlinked until an operator adopts it.
LATE = 10_000


@dataclass(frozen=True)
class Verdict:
    """How far the chain holds. ``broken`` says where and how it does not; it is empty where
    the chain holds."""

    linked: int
    head: str
    waiting: int
    broken: str = ""


def link(limit: int, *, is_adopting: bool = False) -> int:
    """Link up to ``limit`` lines and return how many. Of two processes that try at the same
    time, one succeeds. Lines that the portal did not write are not linked; ``is_adopting``
    unsigned ones, which a version that did not sign has written, is left to ``adopt``."""
    number, newest = 0, ""
    try:
        with transaction.atomic():
            last = ChainLink.objects.last()
            previous = last.hash if last else BEGINNING
            at = last.number if last else 0
            lines = _unlinked(ALL if is_adopting else _lately(last))
            own, _ = _own_and_beside(lines[:limit], is_adopting=is_adopting)
            for number, event in enumerate(own, start=1):
                signature = sign(_content(event, at + number, previous))
                created = ChainLink.objects.create(
                    number=at + number, event=event, previous=previous, hash=signature
                )
                previous, newest = signature, str(created)
    except IntegrityError:
        # The other process has linked these lines, or the next run will.
        return 0
    # The head that was kept is the evidence of a cut: another does not take its place.
    if number and not _check_known(head.known()):
        head.keep(newest)
    return number


def adopt() -> None:
    """An operator accepts the log as it is, after an upgrade or after a backup was restored: link
    the unsigned lines, and keep the head of this chain."""
    while link(WINDOW, is_adopting=True):
        pass
    last = ChainLink.objects.last()
    if last is not None:
        head.keep(str(last))


def verify(known: str = "") -> Verdict:
    """Check the whole chain. ``known`` is an earlier head, as ``number:hash``, that must be
    part of it."""
    last = ChainLink.objects.last()
    until = last.number if last else 0
    at, previous, broken = _check(1, until)
    broken = broken or _check_known(known) or _check_lines(ALL)
    # The walk skips a link whose line is gone.
    if not broken and ChainLink.objects.count() > at:
        broken = f"The line of link {at + 1} is missing."
    return Verdict(at, f"{at}:{previous}", _unlinked(ALL).count(), broken)


def watch(window: int = WINDOW) -> str:
    """Check the newest links and lines and as many others, whatever the length of the log, and
    that the chain still contains the head that was kept. Returns what is wrong, or nothing."""
    last = ChainLink.objects.last()
    if last is None:
        return _check_known(head.known())
    anywhere = random.randint(1, last.number)  # noqa: S311 - a sample
    for first in (max(1, last.number - window + 1), anywhere):
        _, _, broken = _check(first, min(first + window - 1, last.number))
        if broken:
            return broken
    line = ChainLink.objects.get(number=anywhere).event_id
    return (
        _check_known(head.known())
        or _check_lines(_lately(last))
        or _check_lines((line, line + window))
    )


def _check(first: int, until: int) -> tuple[int, str, str]:
    """Walk from link ``first`` to ``until``. Returns the number and the signature of the last
    link that holds, and what is wrong with the next."""
    before = ChainLink.objects.filter(number=first - 1).first()
    at, previous = first - 1, before.hash if before else BEGINNING
    rows = ChainLink.objects.filter(number__range=(first, until)).select_related("event")
    for row in rows.iterator():
        if row.number != at + 1:
            return at, previous, f"The line of link {at + 1} is missing."
        broken = _what_is_wrong(row, previous)
        if broken:
            return at, previous, broken
        at, previous = row.number, row.hash
    missing = "" if at == until else f"The line of link {at + 1} is missing."
    return at, previous, missing


def _what_is_wrong(row: ChainLink, previous: str) -> str:
    if row.is_signed:
        is_right = is_signed(_content(row.event, row.number, previous), row.hash)
    else:
        is_right = row.hash == _plain_hash(row.event, row.number, previous)
        # Plain links are of unsigned lines, and none follows a signed one.
        if row.event.signature or ":" in previous:
            is_right = False
    if row.previous != previous or not is_right:
        return f"The line of link {row.number} has been changed since: {row.event}"
    if row.event.signature and not is_genuine(row.event):
        return f"The line of link {row.number} has been changed since: {row.event}"
    return ""


def _check_known(known: str) -> str:
    if not known:
        return ""
    number, _, hash_ = known.partition(":")
    row = ChainLink.objects.filter(number=number).first()
    if row is None:
        return f"The line of link {number} is missing, though it was there before."
    return "" if row.hash == hash_ else f"Link {number} differs from the head that was noted."


def _check_lines(ids: tuple[int, int]) -> str:
    _, beside = _own_and_beside(_unlinked(ids)[:WINDOW])
    return f"Line {beside[0].pk} was written beside the portal: {beside[0]}" if beside else ""


def _lately(last: ChainLink | None) -> tuple[int, int]:
    return (last.event_id - LATE, ALL[1]) if last else ALL


def _unlinked(ids: tuple[int, int]) -> QuerySet[AuditEvent]:
    """The lines of these ids. Both tables get the range, so that both are read by index."""
    links = ChainLink.objects.filter(event=OuterRef("pk"), event__pk__range=ids)
    return AuditEvent.objects.filter(~Exists(links), pk__range=ids).order_by("pk")


def _own_and_beside(
    unlinked: QuerySet[AuditEvent], *, is_adopting: bool = False
) -> tuple[list[AuditEvent], list[AuditEvent]]:
    """The lines that the portal wrote, and those that it did not: unsigned ones, changed ones, and
    copies of others."""
    lines = list(unlinked)
    signatures = {line.signature for line in lines} - {""}
    linked = AuditEvent.objects.filter(link__isnull=False, signature__in=signatures)
    seen = set(linked.values_list("signature", flat=True))
    own: list[AuditEvent] = []
    beside: list[AuditEvent] = []
    for line in lines:
        is_own = line.signature not in seen and is_genuine(line) if line.signature else is_adopting
        seen.add(line.signature)
        (own if is_own else beside).append(line)
    return own, beside


def _content(event: AuditEvent, number: int, previous: str) -> dict[str, Any]:
    content = content_of(event) | {"id": event.pk, "signature": event.signature}
    return content | {"form": 2, "number": number, "previous": previous}


def _plain_hash(event: AuditEvent, number: int, previous: str) -> str:
    """SHA-256 over the canonical form of a line in its place, as links were until lines were
    signed. The names of form 1 never change, whatever the fields are called today."""
    content = content_of(event)
    content["deed"] = content.pop("action")
    form = content | {"form": 1, "number": number, "previous": previous, "id": event.pk}
    return hashlib.sha256(json.dumps(form, sort_keys=True).encode()).hexdigest()
