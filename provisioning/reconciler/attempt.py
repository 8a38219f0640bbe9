"""The record of an attempt to change AWS."""

from collections.abc import Iterator
from contextlib import contextmanager

from provisioning.aws import errors
from provisioning.models import StepAttempt
from provisioning.reconciler.lease import Lease
from provisioning.states import Outcome, Step


@contextmanager
def attempt(step: Step, lease: Lease) -> Iterator[StepAttempt]:
    """Record an attempt for the leased row: begun before the block, ended by how the block
    ends. An ``error`` set in the block says what remains to be retried."""
    with lease.writing():
        row = StepAttempt.objects.create(step=step, **{f"{lease.model.kind}_id": lease.pk})
    try:
        yield row
    except errors.PermanentError as error:
        row.end(Outcome.PERMANENT, str(error))
        raise
    except errors.AwsError as error:
        row.end(Outcome.TEMPORARY, str(error))
        raise
    except Exception:
        row.end(Outcome.INTERRUPTED)
        raise
    row.end(Outcome.TEMPORARY if row.error else Outcome.DONE, row.error)
