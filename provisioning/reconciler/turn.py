"""A turn at a row: claimed, worked on, and given back with the moment of the next one."""

import logging
from collections.abc import Callable
from datetime import timedelta
from typing import TypeVar

from django.db import OperationalError
from django.utils import timezone
from structlog.contextvars import bound_contextvars

from provisioning.aws import boto, errors
from provisioning.desired import schedule
from provisioning.documents.policies import MalformedPolicy
from provisioning.models import Reconciled, StepAttempt
from provisioning.reconciler import pause
from provisioning.reconciler.lease import Lease, LeaseLost, claim
from provisioning.reconciler.result import ATTENTION_RETRY, Requeue, Result, backoff
from provisioning.states import Outcome

Row = TypeVar("Row", bound=Reconciled)

log = logging.getLogger(__name__)

# A session that AWS calls expired is renewed; after this many in a row it is no accident.
RENEWALS = 3


def run(model: type[Row], pk: int, reconcile: Callable[[Lease, Row], Result]) -> None:
    """Claim the row and reconcile it. Does nothing for a row that is not due."""
    lease = claim(model, pk)
    if lease is None:
        return
    _close_interrupted(model, pk)
    row = model._default_manager.select_related(*model.read_with).get(pk=pk)
    try:
        with bound_contextvars(row=f"{model.kind} {pk}"):
            is_due = _take(lease, row, reconcile)
        if is_due:
            schedule.notify(model, {pk})
    except LeaseLost:
        # The turn that has the row now has not seen what this one did to AWS since.
        schedule.wake_row(row)


def _take(lease: Lease, row: Row, reconcile: Callable[[Lease, Row], Result]) -> bool:
    """Returns whether the row is due again now."""
    try:
        pause.require_running(row)
        result = reconcile(lease, row)
    except LeaseLost:
        raise
    except Requeue as requeue:
        return lease.release(requeue.until)
    except errors.Unauthorized as error:
        # Perhaps only the session is refused: the next try assumes the role again.
        boto.renew_sessions()
        pause.begin(row, error)
        return _release_failed(lease, row, error, attention=str(error))
    except errors.SessionExpired as error:
        boto.renew_sessions()
        if row.failures >= RENEWALS:
            pause.begin(row, error)
        return _release_failed(lease, row, error)
    except (errors.PermanentError, MalformedPolicy) as error:
        return _release_failed(lease, row, error, ATTENTION_RETRY, attention=str(error))
    except (errors.AwsError, OperationalError) as error:
        return _release_failed(lease, row, error)
    except Exception as error:
        log.exception("The turn of %s %s failed unexpectedly", row.kind, row.pk)
        # The error's own text may hold anything: it stays in the log, where secrets are masked.
        words = (
            f"The portal itself failed ({type(error).__name__}). Its operator can find out more "
            "in the worker's log."
        )
        return _release_failed(lease, row, Exception(words), attention=words)
    pause.end(row)
    return lease.release(result.next_due, failures=0, attention=result.attention, last_error="")


def _release_failed(
    lease: Lease,
    row: Reconciled,
    error: Exception,
    delay: timedelta | None = None,
    attention: str = "",
) -> bool:
    log.warning("The turn of %s %s failed: %s", row.kind, row.pk, error)
    return lease.release(
        timezone.now() + (delay or backoff(row.failures)),
        failures=row.failures + 1,
        attention=attention,
        last_error=str(error),
    )


def _close_interrupted(model: type[Reconciled], pk: int) -> None:
    """Attempts of a worker that died are over: this turn has the lease now."""
    of_row = StepAttempt.objects.filter(**{f"{model.kind}_id": pk})
    of_row.filter(outcome=Outcome.RUNNING).update(
        outcome=Outcome.INTERRUPTED, ended_at=timezone.now()
    )
