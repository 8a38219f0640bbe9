"""The states of things and the legal moves between them.

People move ``wanted`` and an entitlement's state; the reconciler moves ``status``.
"""

from typing import Any

from django.db import models


class EntitlementState(models.TextChoices):
    REQUESTED = "requested", "Requested"
    APPROVED = "approved", "Approved"
    SUSPENDED = "suspended", "Suspended"
    REJECTED = "rejected", "Rejected"
    WITHDRAWN = "withdrawn", "Withdrawn"
    EXPIRED = "expired", "Expired"


class Wanted(models.TextChoices):
    """What should be true of a pull user or a grant in AWS. A suspended pull user stays,
    with its keys inactive; a grant is never suspended, but absent."""

    PRESENT = "present", "Present"
    SUSPENDED = "suspended", "Suspended"
    ABSENT = "absent", "Absent"


class Status(models.TextChoices):
    """What AWS was last seen to have of a pull user or a grant."""

    WAITING = "waiting", "Waiting"
    READY = "ready", "Ready"
    SUSPENDED = "suspended", "Suspended"
    GONE = "gone", "Gone"


class KeyStatus(models.TextChoices):
    """An access key in AWS. The values are IAM's own words, but for ``Deleted``."""

    ACTIVE = "Active", "Active"
    INACTIVE = "Inactive", "Inactive"
    DELETED = "Deleted", "Deleted"


class Outcome(models.TextChoices):
    """How a try of a step ended."""

    RUNNING = "running", "Running"
    DONE = "done", "Done"
    TEMPORARY = "temporary", "Failed, tried again by itself"
    PERMANENT = "permanent", "Failed, needs attention"
    INTERRUPTED = "interrupted", "Interrupted"


E, W, S, K = EntitlementState, Wanted, Status, KeyStatus

MOVES: dict[type[models.TextChoices], dict[str, set[str]]] = {
    EntitlementState: {
        E.REQUESTED: {E.APPROVED, E.REJECTED},
        E.APPROVED: {E.SUSPENDED, E.WITHDRAWN, E.EXPIRED},
        E.SUSPENDED: {E.APPROVED, E.WITHDRAWN, E.EXPIRED},
    },
    Wanted: {
        W.PRESENT: {W.SUSPENDED, W.ABSENT},
        W.SUSPENDED: {W.PRESENT, W.ABSENT},
        W.ABSENT: {W.PRESENT},
    },
    Status: {
        S.WAITING: {S.READY, S.SUSPENDED, S.GONE},
        S.READY: {S.WAITING, S.SUSPENDED, S.GONE},
        S.SUSPENDED: {S.WAITING, S.READY, S.GONE},
        S.GONE: {S.WAITING, S.READY},
    },
    KeyStatus: {
        K.ACTIVE: {K.INACTIVE, K.DELETED},
        K.INACTIVE: {K.ACTIVE, K.DELETED},
    },
}


class IllegalMove(Exception):
    """The row is not in a state from which the move is legal, or no longer is."""


def move(row: models.Model, to: models.TextChoices, *, field: str, **changes: Any) -> None:
    """Move ``row.field`` from the state that ``row`` was read in to ``to``.

    A compare-and-set: of two who move the same row, one gets IllegalMove. ``changes``
    are written by the same UPDATE. Where the row is there already, nothing is done, and
    ``changes`` are refused: they belong to a move.
    """
    current = getattr(row, field)
    if current == to and not changes:
        return
    if to not in MOVES[type(to)].get(current, set()):
        raise IllegalMove(f"{row} is {current} and cannot become {to}.")
    manager = type(row)._default_manager
    if manager.filter(pk=row.pk, **{field: current}).update(**{field: to}, **changes) != 1:
        raise IllegalMove(f"{row} is no longer {current}: somebody else was quicker.")
    for name, value in {field: to, **changes}.items():
        setattr(row, name, value)
