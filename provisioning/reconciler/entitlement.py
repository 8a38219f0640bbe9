"""What time does to entitlements: they start and end on their dates, and follow changes of their
product."""

import logging

from django.db import transaction

from accounts import clock
from accounts.models import Customer
from provisioning.desired import schedule
from provisioning.desired.grants import sync_grants
from provisioning.models import Entitlement, Priority
from provisioning.reconciler.readiness import record_ready
from provisioning.states import EntitlementState, move

log = logging.getLogger(__name__)

# Entitlements that one sweep looks at.
LIMIT = 500


def apply_due() -> None:
    """Carry out what is due on entitlements: starts, ends, and changes of their product."""
    due = Entitlement.objects.filter(due_at__lte=clock.now())
    for pk in due.values_list("pk", flat=True)[:LIMIT]:
        try:
            _apply(pk)
        except Exception:
            # One that fails must not hold up the others.
            log.exception("The dates of entitlement %s could not be applied", pk)


@transaction.atomic
def _apply(pk: int) -> None:
    entitlement = (
        Entitlement.objects.select_related("customer").select_for_update(of=["self"]).get(pk=pk)
    )
    now = clock.now()
    if entitlement.due_at is None or entitlement.due_at > now:
        return
    if entitlement.ends_at and entitlement.ends_at <= now:
        move(entitlement, EntitlementState.EXPIRED, field="state", ended_at=now, due_at=None)
    else:
        entitlement.due_at = schedule.next_date(entitlement)
        entitlement.save(update_fields=["due_at"])
    # Many may start at once, or get another repository: those whom people wait for come first.
    sync_grants(entitlement.customer, ignore_capacity=True, priority=Priority.LATER)
    # Where another product has opened all of it already, no turn will follow.
    record_ready(Customer.objects.filter(pk=entitlement.customer_id))
