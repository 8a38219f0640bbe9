"""Ops ask for another try of what is stuck."""

from django.db import transaction
from django.utils import timezone

from accounts.audit import Deed, record
from accounts.permissions import OPERATE, require_staff
from provisioning.flows import By
from provisioning.models import PullUser, Registry, Repository
from provisioning.reconcile import pause
from provisioning.tasks import enqueue_on_commit
from provisioning.wanted import Due


@transaction.atomic
def retry(row: PullUser | Repository | Registry, *, by: By) -> None:
    """Make the row due now, whatever its backoff; a paused registry goes on. Raises
    NotAllowed."""
    require_staff(by.user, OPERATE, "retry provisioning")
    type(row)._default_manager.filter(pk=row.pk).update(due_at=timezone.now(), failures=0)
    customer = None
    match row:
        case PullUser():
            customer, due = row.customer, Due(pull_users={row.pk})
        case Repository():
            due = Due(repositories={row.pk})
        case Registry():
            pause.resume(row)
            due = Due(registries={row.pk})
    subject = f"{row._meta.verbose_name} {row}"
    record(Deed.RETRIED, subject, by=by.user, address=by.address, customer=customer)
    enqueue_on_commit(due)
