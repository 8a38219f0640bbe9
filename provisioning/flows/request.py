"""A member asks for a product."""

from django.db import IntegrityError, transaction

from accounts.audit import Deed, record
from accounts.models import Customer
from accounts.permissions import MAY_REQUEST, require_role
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
    try:
        with transaction.atomic():
            entitlement = Entitlement.objects.create(
                customer=customer,
                product=product,
                requested_by=by.user,
                reference=reference,
                note=note,
            )
            record(
                Deed.REQUESTED,
                str(entitlement),
                by=by.user,
                address=by.address,
                customer=customer,
                entitlement_id=entitlement.pk,
            )
    except IntegrityError:
        raise Refused(f"{customer} has already requested {product}, or has it.") from None
    return entitlement
