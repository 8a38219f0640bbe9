"""The record of a try."""

from collections.abc import Iterator
from contextlib import contextmanager

from provisioning.aws import errors
from provisioning.lease import Lease
from provisioning.models import StepAttempt
from provisioning.states import Outcome


@contextmanager
def attempt(name: str, lease: Lease, **of: object) -> Iterator[StepAttempt]:
    """Record a try: begun before the block, ended by how the block ends. An ``error`` set
    in the block says what is left to be tried again.

    ``of`` is the row tried for: ``pull_user=`` or ``repository=``.
    """
    with lease.writing():
        row = StepAttempt.objects.create(step=StepAttempt.Step(name), **of)
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
