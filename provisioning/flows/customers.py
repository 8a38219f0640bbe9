"""Sales close everything to a customer for a time: a bill is unpaid, or a contract in doubt."""

from django.db import transaction

from accounts import clock
from accounts.audit.log import Action, record
from accounts.models import Customer
from accounts.permissions import DECIDE, require_staff
from provisioning.desired.grants import sync_grants
from provisioning.flows import Actor, Refused, require_reason
from provisioning.notifications import emails


@transaction.atomic
def suspend_customer(customer: Customer, *, by: Actor, reason: str) -> None:
    """Close all repositories to the customer and deactivate its keys, until it is resumed.
    Raises NotAllowed, Refused."""
    require_staff(by.user, DECIDE, "suspend customers")
    require_reason(reason)
    active = Customer.objects.filter(pk=customer.pk, suspended_at__isnull=True)
    if not active.update(suspended_at=clock.now()):
        raise Refused(f"{customer} is already suspended.")
    _record(Action.SUSPENDED, customer, by=by, reason=reason)
    emails.customer_suspended(customer)
    sync_grants(customer)


@transaction.atomic
def resume_customer(customer: Customer, *, by: Actor, reason: str) -> None:
    """Open again what the customer's entitlements give it, with the same keys. Raises
    NotAllowed, Refused."""
    require_staff(by.user, DECIDE, "resume customers")
    require_reason(reason)
    suspended = Customer.objects.filter(pk=customer.pk, suspended_at__isnull=False)
    if not suspended.update(suspended_at=None):
        raise Refused(f"{customer} is not suspended.")
    _record(Action.RESUMED, customer, by=by, reason=reason)
    emails.customer_resumed(customer)
    sync_grants(customer)


def _record(action: Action, customer: Customer, *, by: Actor, reason: str) -> None:
    record(action, f"customer {customer}", by=by, customer=customer, reason=reason)
