"""A member asks for a product, or sales do it for her."""

from django.db import IntegrityError, transaction

from accounts.audit import Deed, record
from accounts.models import Customer
from accounts.permissions import DECIDE, MAY_REQUEST, require_role, require_staff
from provisioning import emails
from provisioning.flows import By, Refused
from provisioning.models import Entitlement, Product


def request(
    customer: Customer, product: Product, *, by: By, reference: str = "", note: str = ""
) -> Entitlement:
    """Ask for ``product``. Raises NotAllowed for viewers, Refused for what is not offered
    or was asked for already."""
    require_role(by.user, customer, MAY_REQUEST, "request products")
    if not product.is_listed:
        raise Refused(f"{product} is not offered. Ask your vendor's sales team for it.")
    entitlement = Entitlement(customer=customer, product=product, reference=reference, note=note)
    _write(entitlement, by)
    return entitlement


def prepare(entitlement: Entitlement, *, by: By) -> None:
    """Write the request that sales make in a customer's name; somebody then approves it.
    Raises NotAllowed, or Refused where there is one."""
    require_staff(by.user, DECIDE, "prepare access")
    _write(entitlement, by)


def _write(entitlement: Entitlement, by: By) -> None:
    customer, product = entitlement.customer, entitlement.product
    entitlement.requested_by = by.user
    try:
        with transaction.atomic():
            entitlement.save(force_insert=True)
            record(
                Deed.REQUESTED,
                str(entitlement),
                by=by.user,
                address=by.address,
                customer=customer,
                entitlement_id=entitlement.pk,
            )
            emails.request_received(entitlement)
    except IntegrityError:
        raise Refused(f"{customer} has already requested {product}, or has it.") from None
