"""Ops ask for another try of what is stuck."""

from django.db import transaction
from django.utils import timezone

from accounts.audit import Deed, record
from accounts.permissions import OPERATE, require_staff
from provisioning.flows import By
from provisioning.models import PullUser, Repository
from provisioning.tasks import enqueue_on_commit
from provisioning.wanted import Due


@transaction.atomic
def retry(row: PullUser | Repository, *, by: By) -> None:
    """Make the row due now, whatever its backoff. Raises NotAllowed."""
    require_staff(by.user, OPERATE, "retry provisioning")
    type(row).objects.filter(pk=row.pk).update(due_at=timezone.now(), failures=0)
    if isinstance(row, PullUser):
        subject, customer, due = f"pull user {row}", row.customer, Due(pull_users={row.pk})
    else:
        subject, customer, due = f"repository {row}", None, Due(repositories={row.pk})
    record(Deed.RETRIED, subject, by=by.user, address=by.address, customer=customer)
    enqueue_on_commit(due)
