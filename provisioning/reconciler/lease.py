"""Claiming a row for one turn, by a conditional UPDATE: it works the same on SQLite and
PostgreSQL, and no database transaction spans an AWS call."""

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import Case, DateTimeField, Manager, Q, QuerySet, Value, When
from django.utils import timezone

from provisioning.models import Reconciled

# Longer than any single AWS call with its retries, because each step renews the lease; short,
# because it is how long the work of a killed worker waits.
LEASE = timedelta(minutes=2)


class LeaseLost(Exception):
    """Another turn has the row now; this one must not write anything more."""


@dataclass(frozen=True)
class Lease:
    """The right to work on one row. Created by ``claim``."""

    model: type[Reconciled]
    pk: int
    token: uuid.UUID
    due_at: datetime

    @contextmanager
    def writing(self) -> Iterator[None]:
        """A transaction in which the lease is held, and renewed. Raises LeaseLost."""
        now = timezone.now()
        with transaction.atomic():
            if not self._held(now).update(lease_until=now + LEASE):
                raise LeaseLost
            yield

    def renew(self) -> None:
        """Hold the lease for another LEASE. Raises LeaseLost."""
        with self.writing():
            pass

    def release(self, next_due: datetime | None, **changes: Any) -> bool:
        """Give the row back, due again at ``next_due`` (None: when it is woken).

        Returns whether it is due now: because it should be, or because someone changed what is
        desired during the turn, which must not be forgotten.
        """
        until = Value(next_due, output_field=DateTimeField())
        is_released = self._held(timezone.now()).update(
            lease_token=None,
            lease_until=None,
            due_at=Case(When(due_at=self.due_at, then=until), default="due_at"),
            **changes,
        )
        if not is_released:
            raise LeaseLost
        return self._rows().filter(pk=self.pk, due_at__lte=timezone.now()).exists()

    def _held(self, now: datetime) -> QuerySet[Reconciled]:
        return self._rows().filter(pk=self.pk, lease_token=self.token, lease_until__gt=now)

    def _rows(self) -> Manager[Reconciled]:
        return self.model._default_manager


def free(now: datetime) -> Q:
    """Rows that no turn has. A row that becomes due during its turn needs no message: the end
    of the turn notices."""
    return Q(lease_until__isnull=True) | Q(lease_until__lte=now)


def claim(model: type[Reconciled], pk: int) -> Lease | None:
    """Take the row for a turn; None when it is not due, another turn has it, or it is gone.

    A claim means that the row's message has arrived: another may be sent from now on. The row
    stays due, at the lease's end: if this worker dies, the sweep finds it.
    """
    now = timezone.now()
    lease = Lease(model, pk, uuid.uuid4(), due_at=now + LEASE)
    row = model._default_manager.filter(pk=pk)
    claimed = row.filter(free(now), due_at__lte=now).update(
        lease_token=lease.token, lease_until=lease.due_at, due_at=lease.due_at, queued_at=None
    )
    if claimed:
        return lease
    row.update(queued_at=None)
    return None
