"""A turn at a row: claimed, worked on, and given back with the moment of the next one."""

import logging
from collections.abc import Callable
from datetime import timedelta

from django.db import OperationalError
from django.utils import timezone

from provisioning.aws import boto, errors
from provisioning.lease import Lease, LeaseLost, claim
from provisioning.models import PullUser, Reconciled, Registry, StepAttempt
from provisioning.policies import MalformedPolicy
from provisioning.reconcile import pause
from provisioning.reconcile.ending import ATTENTION_RETRY, Agreed, NotNow, backoff
from provisioning.states import Outcome
from provisioning.wanted import Due

log = logging.getLogger(__name__)

# Sessions that AWS calls expired are renewed; after so many in a row it is no accident.
RENEWALS = 3


def run(model: type[Reconciled], pk: int, reconcile: Callable[[Lease], Agreed]) -> Due:
    """Claim the row and reconcile it. Returns whose turn it is next."""
    lease = claim(model, pk)
    if lease is None:
        return Due()
    _close_interrupted(model, pk)
    next_turns = Due()
    try:
        next_turns, is_due = _take(lease, reconcile)
    except LeaseLost:
        # What this turn did to AWS after losing the row, its successor has not seen.
        model._default_manager.filter(pk=pk).update(due_at=timezone.now())
        is_due = True
    return next_turns | _due(model, {pk} if is_due else set())


def _take(lease: Lease, reconcile: Callable[[Lease], Agreed]) -> tuple[Due, bool]:
    """Whose turn is next, and whether it is this row's."""
    row = lease.model._default_manager.get(pk=lease.pk)
    try:
        pause.require_open(row)
        agreed = reconcile(lease)
    except LeaseLost:
        raise
    except NotNow as later:
        return Due(), lease.release(later.until)
    except errors.Unauthorized as error:
        # Perhaps only the session is: the next try assumes the role afresh.
        boto.renew_sessions()
        pause.begin(row, error)
        return Due(), _release_failed(lease, row, error, attention=str(error))
    except errors.SessionExpired as error:
        boto.renew_sessions()
        if row.failures >= RENEWALS:
            pause.begin(row, error)
        return Due(), _release_failed(lease, row, error)
    except (errors.PermanentError, MalformedPolicy) as error:
        return Due(), _release_failed(lease, row, error, ATTENTION_RETRY, attention=str(error))
    except (errors.AwsError, OperationalError) as error:
        return Due(), _release_failed(lease, row, error)
    except Exception as error:
        log.exception("The turn of %s failed in a way nobody foresaw", row.row_name)
        words = (
            f"The portal itself failed ({type(error).__name__}). Its operator finds more in the "
            "worker's log."
        )
        # Its own text may hold anything, and stays in the log, where secrets are masked.
        return Due(), _release_failed(lease, row, Exception(words), attention=words)
    resumed = pause.end(row)
    is_due = lease.release(agreed.next_due, failures=0, attention=agreed.attention, last_error="")
    return agreed.next_turns | resumed, is_due


def _release_failed(
    lease: Lease,
    row: Reconciled,
    error: Exception,
    delay: timedelta | None = None,
    attention: str = "",
) -> bool:
    log.warning("The turn of %s failed: %s", row.row_name, error)
    return lease.release(
        timezone.now() + (delay or backoff(row.failures)),
        failures=row.failures + 1,
        attention=attention,
        last_error=str(error),
    )


def _close_interrupted(model: type[Reconciled], pk: int) -> None:
    """The tries of a worker that died are over: this turn holds the lease now."""
    if model is Registry:
        return
    of = {"pull_user": pk} if model is PullUser else {"repository": pk}
    StepAttempt.objects.filter(**of, outcome=Outcome.RUNNING).update(
        outcome=Outcome.INTERRUPTED, ended_at=timezone.now()
    )


def _due(model: type[Reconciled], pks: set[int]) -> Due:
    if model is PullUser:
        return Due(pull_users=pks)
    return Due(registries=pks) if model is Registry else Due(repositories=pks)
