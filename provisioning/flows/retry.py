"""Ops ask for another try of what is stuck."""

from django.db import transaction

from accounts import clock
from accounts.audit.log import Action, record
from accounts.permissions import OPERATE, require_staff
from provisioning.desired import schedule
from provisioning.flows import Actor
from provisioning.models import Reconciled, Registry, Repository


@transaction.atomic
def retry(row: Reconciled, *, by: Actor) -> None:
    """Make the row due now, whatever its backoff; the pause of a registry ends. Raises
    NotAllowed."""
    require_staff(by.user, OPERATE, "retry provisioning")
    type(row)._default_manager.filter(pk=row.pk).update(failures=0)
    if isinstance(row, Repository):
        # Its images are read again, too.
        Repository.objects.filter(pk=row.pk).update(images_due_at=clock.now())
    if isinstance(row, Registry):
        row.end_pause()
    record(Action.RETRIED, f"{row._meta.verbose_name} {row}", by=by, customer=row.customer)
    schedule.wake_row(row)
