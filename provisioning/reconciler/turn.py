"""A turn at a row: claimed, worked on, and given back with the moment of the next one."""

import logging
import time
from collections.abc import Callable
from contextlib import nullcontext
from datetime import datetime, timedelta
from typing import Any, TypeVar

from django.db import OperationalError, connection
from structlog.contextvars import bound_contextvars

from accounts import clock
from provisioning.aws import boto, errors, rate_limit
from provisioning.desired import schedule
from provisioning.documents.grammar import MalformedPolicy
from provisioning.models import Installation, Priority, Reconciled, StepAttempt
from provisioning.notifications import trouble
from provisioning.reconciler import hold, pause
from provisioning.reconciler.lease import Lease, LeaseLost, claim
from provisioning.reconciler.result import ATTENTION_RETRY, Requeue, Result, backoff
from provisioning.states import Outcome

Row = TypeVar("Row", bound=Reconciled)

log = logging.getLogger(__name__)

# A session that AWS calls expired is renewed; after this many in a row it is no accident.
RENEWALS = 3
# A failure that passes by itself has had the time to; then a person is told.
PATIENCE = timedelta(minutes=15)
# How long the end of a turn waits for a database that does not answer, in seconds.
RELEASE_WAITS = (0.5, 1, 2, 4, 8)


class UnexpectedError(Exception):
    """A mistake of the portal's own. The text of the error itself may hold anything: it stays in
    the log, where secrets are masked."""

    def __init__(self, error: Exception) -> None:
        super().__init__(
            f"The portal itself failed ({type(error).__name__}). Its operator can find out more "
            "in the worker's log."
        )


def run(model: type[Row], pk: int, reconcile: Callable[[Lease, Row, Installation], Result]) -> None:
    """Claim the row and reconcile it. Does nothing for a row that is not due."""
    lease = claim(model, pk)
    if lease is None:
        return
    try:
        is_observation = lease.row.priority == Priority.OBSERVATION
        in_its_share = rate_limit.observation() if is_observation else nullcontext()
        with bound_contextvars(row=f"{model.kind} {pk}"), in_its_share:
            is_due = _take(lease, reconcile)
        if is_due:
            schedule.notify(model, {pk})
    except LeaseLost:
        # The turn that has the row now has not seen what this one did to AWS since; the next one
        # must not take it for the work of others.
        lease.row.forget_what_was_written()
        schedule.wake_pk(model, pk)


def _take(lease: Lease, reconcile: Callable[[Lease, Any, Installation], Result]) -> bool:
    """Returns whether the row is due again now."""
    row = lease.row
    try:
        _close_interrupted(lease)
        pause.require_running(row)
        installation = hold.look(row.registry_in_charge)
        result = reconcile(lease, row, installation)
    except LeaseLost:
        raise
    except Requeue as requeue:
        return _release(lease, requeue.until)
    except (errors.AwsError, MalformedPolicy, OperationalError) as error:
        return _fail(lease, row, error)
    except Exception as error:
        log.exception("The turn of %s %s failed unexpectedly", row.kind, row.pk)
        return _fail(lease, row, UnexpectedError(error))
    pause.end(row)
    trouble.needs_attention(row, result.attention)
    return _release(
        lease,
        result.next_due,
        is_settled=result.is_settled,
        failures=0,
        failing_since=None,
        denied="",
        attention=result.attention,
        last_error="",
    )


def _fail(lease: Lease, row: Reconciled, error: Exception) -> bool:
    """Record how the turn failed, and when the next try is due. Returns whether that is now."""
    log.warning("The turn of %s %s failed: %s", row.kind, row.pk, error)
    now = clock.now()
    since = row.failing_since or now
    if isinstance(error, errors.SessionExpired):
        # Perhaps only the session is refused: the next try assumes the role again.
        boto.renew_sessions()
        if row.failures >= RENEWALS:
            error = errors.Unauthorized(str(error))
    next_due, attention, denied = now + backoff(row.failures), str(error), ""
    match error:
        case errors.Unauthorized():
            boto.renew_sessions()
            denied = pause.ROLE
        case errors.Denied():
            denied = error.operation
        case errors.PermanentError() | MalformedPolicy():
            next_due = now + ATTENTION_RETRY
        case errors.AwsError() | OperationalError() if now - since <= PATIENCE:
            attention = ""
        case errors.AwsError() | OperationalError():
            attention = f"It has failed for {_minutes(now - since)}, again and again. {error}"
    trouble.needs_attention(row, attention)
    is_due = _release(
        lease,
        next_due,
        failures=row.failures + 1,
        failing_since=since,
        denied=denied,
        attention=attention,
        last_error=str(error),
    )
    if isinstance(error, errors.Unauthorized | errors.Denied):
        pause.after_refusal(row, error)
    return is_due


def _minutes(duration: timedelta) -> str:
    return f"{duration // timedelta(minutes=1)} minutes"


def _release(lease: Lease, next_due: datetime | None, **changes: Any) -> bool:
    """Give the row back, also where the database has just been away: the lease would keep it from
    every worker until it ends."""
    for wait in RELEASE_WAITS:
        try:
            return lease.release(next_due, **changes)
        except OperationalError as error:
            log.warning("%s %s is not released yet: %s", lease.model.kind, lease.pk, error)
            if not connection.in_atomic_block:
                connection.close_if_unusable_or_obsolete()
            time.sleep(wait)
    return lease.release(next_due, **changes)


def _close_interrupted(lease: Lease) -> None:
    """Attempts of a worker that died are over: this turn has the lease now."""
    of_row = StepAttempt.objects.filter(**{f"{lease.model.kind}_id": lease.pk})
    of_row.filter(outcome=Outcome.RUNNING).update(outcome=Outcome.INTERRUPTED, ended_at=clock.now())
