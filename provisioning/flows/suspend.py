"""Sales close everything to a customer for a time: a bill is unpaid, a contract in doubt."""

from django.db import transaction
from django.utils import timezone

from accounts.audit import Deed, record
from accounts.models import Customer
from accounts.permissions import DECIDE, require_staff
from provisioning import emails
from provisioning.flows import By, Refused, require_reason
from provisioning.tasks import enqueue_on_commit
from provisioning.wanted import NoRoom, settle


@transaction.atomic
def suspend_customer(customer: Customer, *, by: By, reason: str) -> None:
    """Close all repositories to the customer and switch its keys off, until it is resumed.
    Raises NotAllowed, Refused."""
    require_staff(by.user, DECIDE, "suspend customers")
    require_reason(reason)
    active = Customer.objects.filter(pk=customer.pk, suspended_at__isnull=True)
    if not active.update(suspended_at=timezone.now()):
        raise Refused(f"{customer} is suspended already.")
    _settle(Deed.SUSPENDED, customer, by=by, reason=reason)
    emails.customer_suspended(customer)


@transaction.atomic
def resume_customer(customer: Customer, *, by: By, reason: str) -> None:
    """Open again what the customer's entitlements give it, with the same keys. Raises
    NotAllowed, Refused."""
    require_staff(by.user, DECIDE, "resume customers")
    require_reason(reason)
    suspended = Customer.objects.filter(pk=customer.pk, suspended_at__isnull=False)
    if not suspended.update(suspended_at=None):
        raise Refused(f"{customer} is not suspended.")
    _settle(Deed.RESUMED, customer, by=by, reason=reason)
    emails.customer_resumed(customer)


def _settle(deed: Deed, customer: Customer, *, by: By, reason: str) -> None:
    record(
        deed,
        f"customer {customer}",
        by=by.user,
        address=by.address,
        customer=customer,
        reason=reason,
    )
    try:
        enqueue_on_commit(settle(customer))
    except NoRoom as error:
        raise Refused(str(error)) from None
