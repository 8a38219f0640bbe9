"""Claiming a row for one turn, by a conditional UPDATE: it works the same on SQLite and
PostgreSQL, and no database transaction spans an AWS call."""

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import Case, Manager, Q, QuerySet, Value, When

from accounts import clock
from provisioning.models import Priority, Reconciled

# Longer than any single AWS call with its retries, because each step renews the lease; short,
# because it is how long the work of a killed worker waits.
LEASE = timedelta(minutes=2)
# A row is never due again at once by itself: a mistake would keep all workers busy.
SOONEST = timedelta(seconds=1)


class LeaseLost(Exception):
    """Another turn has the row now; this one must not write anything more."""


@dataclass(frozen=True)
class Lease:
    """The right to work on one row. Created by ``claim``."""

    model: type[Reconciled]
    pk: int
    token: uuid.UUID
    due_at: datetime
    # As it was when it was claimed.
    row: Any = field(default=None, repr=False, compare=False)

    @property
    def wakes_with(self) -> Priority:
        """How urgent it is what the turn makes due elsewhere: as the turn itself, but what an
        observation finds is urgent."""
        is_later = self.row.priority == Priority.LATER
        return Priority.LATER if is_later else Priority.URGENT

    @contextmanager
    def writing(self) -> Iterator[None]:
        """A transaction in which the lease is held, and renewed. Raises LeaseLost."""
        now = clock.now()
        with transaction.atomic():
            if not self._held(now).update(lease_until=now + LEASE):
                raise LeaseLost
            yield

    def renew(self) -> None:
        """Hold the lease for another LEASE. Raises LeaseLost."""
        with self.writing():
            pass

    def release(
        self, next_due: datetime | None, *, is_settled: bool = False, **changes: Any
    ) -> bool:
        """Give the row back, due again at ``next_due`` (None: when it is woken), but not before
        SOONEST, and not after its next observation; ``is_settled``: that is all it is due for.

        Returns whether it is due now: because it should be, or because someone changed what is
        desired during the turn, which must not be forgotten.
        """
        now = clock.now()
        if next_due:
            next_due = min(max(next_due, now + SOONEST), now + settings.OBSERVE_EVERY)
        changes |= {"lease_token": None, "lease_until": None}
        of_turn = {"priority": Priority.OBSERVATION} if is_settled else {}
        held = self._held(now)
        if held.filter(due_at=self.due_at).update(due_at=next_due, **of_turn, **changes):
            return False
        if held.update(**changes):
            return True
        raise LeaseLost

    def _held(self, now: datetime) -> QuerySet[Reconciled]:
        return self._rows().filter(pk=self.pk, lease_token=self.token, lease_until__gt=now)

    def _rows(self) -> Manager[Reconciled]:
        return self.model._default_manager


def free(now: datetime) -> Q:
    """Rows that no turn has. A row that becomes due during its turn needs no message: the end
    of the turn notices. No lease ends much later than LEASE from now: one that seems to was
    taken by a wrong clock."""
    never = Q(lease_until__gt=now + 2 * LEASE)
    return Q(lease_until__isnull=True) | Q(lease_until__lte=now) | never


def claim(model: type[Reconciled], pk: int) -> Lease | None:
    """Take the row for a turn; None when it is not due, another turn has it, or it is gone.

    A claim means that the row's message has arrived: another may be sent from now on. The row
    stays due, at the lease's end: if this worker dies, the sweep finds it.
    """
    now = clock.now()
    lease = Lease(model, pk, uuid.uuid4(), due_at=now + LEASE)
    may_be_taken = free(now) & Q(due_at__lte=now)

    def if_taken(value: object, field: Any) -> Case:
        return Case(When(may_be_taken, Value(value)), default=field.name, output_field=field)

    rows, fields = model._default_manager.filter(pk=pk), model._meta.get_field
    # In one statement: a turn that ends at this moment ends before the claim, or sees that no
    # message is waiting any more.
    rows.update(
        queued_at=None,
        lease_token=if_taken(lease.token, fields("lease_token")),
        lease_until=if_taken(lease.due_at, fields("lease_until")),
        due_at=if_taken(lease.due_at, fields("due_at")),
    )
    row = rows.filter(lease_token=lease.token).select_related(*model.read_with).first()
    return replace(lease, row=row) if row else None
