"""The states of things and the legal moves between them.

People move ``desired`` and an entitlement's state; the reconciler moves ``status``.
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


class Desired(models.TextChoices):
    """What should be true of a pull user or a grant in AWS. A suspended pull user stays, with
    its keys inactive; a grant is never suspended, only absent."""

    PRESENT = "present", "Present"
    SUSPENDED = "suspended", "Suspended"
    ABSENT = "absent", "Absent"


class Status(models.TextChoices):
    """What AWS was last seen to have of a pull user or a grant."""

    WAITING = "waiting", "Waiting"
    READY = "ready", "Ready"
    SUSPENDED = "suspended", "Suspended"
    GONE = "gone", "Gone"


# What AWS should have of a pull user, once it has what is desired.
STATUS_OF = {
    Desired.PRESENT: Status.READY,
    Desired.SUSPENDED: Status.SUSPENDED,
    Desired.ABSENT: Status.GONE,
}


class KeyStatus(models.TextChoices):
    """An access key in AWS. The values are IAM's own, except ``Deleted``."""

    ACTIVE = "Active", "Active"
    INACTIVE = "Inactive", "Inactive"
    DELETED = "Deleted", "Deleted"


class Step(models.TextChoices):
    """What the reconciler does in AWS, one change at a time."""

    ENSURE_LOGIN_POLICY = "ensure_login_policy", "Create the sign-in policy"
    REPLACE_LOGIN_POLICY = "replace_login_policy", "Restore the sign-in policy"
    ENSURE_PULL_USER = "ensure_pull_user", "Create the pull user"
    ENSURE_ACCESS_KEY = "ensure_access_key", "Create an access key"
    SET_KEY_STATUS = "set_key_status", "Activate or deactivate an access key"
    VERIFY_ACCESS_KEY = "verify_access_key", "Test the access key"
    REMOVE_ACCESS_KEY = "remove_access_key", "Delete an access key"
    ENSURE_USER_POLICY = "ensure_user_policy", "Set the pull user's own policy"
    REMOVE_PULL_USER = "remove_pull_user", "Delete the pull user"
    REMOVE_UNKNOWN_USER = "remove_unknown_user", "Delete a pull user that the database lacks"
    ENSURE_REPOSITORY_STATEMENT = "ensure_repository_statement", "Set the repository's policy"

    @property
    def is_revocation(self) -> bool:
        """Whether it takes access away: such steps are never put off. Deactivating a key does
        so too; ``PlannedStep.is_revocation`` knows."""
        return self in {Step.REMOVE_ACCESS_KEY, Step.REMOVE_PULL_USER, Step.REMOVE_UNKNOWN_USER}


class Outcome(models.TextChoices):
    """How an attempt at a step ended."""

    RUNNING = "running", "Running"
    DONE = "done", "Done"
    TEMPORARY = "temporary", "Failed, will be retried"
    PERMANENT = "permanent", "Failed, needs attention"
    INTERRUPTED = "interrupted", "Interrupted"


E, D, S, K = EntitlementState, Desired, Status, KeyStatus

MOVES: dict[type[models.TextChoices], dict[str, set[str]]] = {
    EntitlementState: {
        E.REQUESTED: {E.APPROVED, E.REJECTED},
        E.APPROVED: {E.SUSPENDED, E.WITHDRAWN, E.EXPIRED},
        E.SUSPENDED: {E.APPROVED, E.WITHDRAWN, E.EXPIRED},
    },
    Desired: {
        D.PRESENT: {D.SUSPENDED, D.ABSENT},
        D.SUSPENDED: {D.PRESENT, D.ABSENT},
        D.ABSENT: {D.PRESENT},
    },
    Status: {
        S.WAITING: {S.READY, S.SUSPENDED, S.GONE},
        S.READY: {S.WAITING, S.SUSPENDED, S.GONE},
        S.SUSPENDED: {S.WAITING, S.READY, S.GONE},
        S.GONE: {S.WAITING, S.READY, S.SUSPENDED},
    },
    KeyStatus: {
        K.ACTIVE: {K.INACTIVE, K.DELETED},
        K.INACTIVE: {K.ACTIVE, K.DELETED},
    },
}


class IllegalMove(Exception):
    """The row is not, or no longer, in a state from which the move is legal."""


def move(row: models.Model, to: models.TextChoices, *, field: str, **changes: Any) -> None:
    """Move ``row.field`` from the state in which ``row`` was read to ``to``.

    A compare-and-set: of two that move the same row, one gets IllegalMove. ``changes`` are
    written by the same UPDATE. Where the row is there already, nothing is done; ``changes`` are
    then refused, because they belong to a move.
    """
    current = getattr(row, field)
    if current == to and not changes:
        return
    if to not in MOVES[type(to)].get(current, set()):
        raise IllegalMove(f"{row} is {current} and cannot become {to}.")
    manager = type(row)._default_manager
    if manager.filter(pk=row.pk, **{field: current}).update(**{field: to}, **changes) != 1:
        raise IllegalMove(f"{row} is no longer {current}: another change came first.")
    for name, value in {field: to, **changes}.items():
        setattr(row, name, value)
