"""A customer gets a further pull user, for its machines of one kind, or loses it."""

from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction

from accounts.audit import Deed, record
from accounts.models import Customer
from accounts.permissions import MAY_HANDLE_CREDENTIALS, require_role
from provisioning import names
from provisioning.flows import By, Refused
from provisioning.models import Label
from provisioning.tasks import enqueue_on_commit
from provisioning.wanted import NoRoom, settle

# More would crowd the repositories' policies.
LABELS_PER_CUSTOMER = 10


@transaction.atomic
def add_label(customer: Customer, name: str, *, by: By) -> Label:
    """A pull user of that label in each of the customer's accounts, with keys of its own,
    that opens the same repositories. Raises NotAllowed, Refused."""
    require_role(by.user, customer, MAY_HANDLE_CREDENTIALS, "add pull users")
    if name == names.DEFAULT_LABEL or customer.labels.count() >= LABELS_PER_CUSTOMER:
        raise Refused(
            f"Choose another label than {names.DEFAULT_LABEL}; {LABELS_PER_CUSTOMER} at most."
        )
    label = Label(customer=customer, name=name)
    try:
        label.full_clean(validate_unique=False, validate_constraints=False)
        with transaction.atomic():
            label.save()
    except ValidationError as error:
        raise Refused(" ".join(error.messages)) from None
    except IntegrityError:
        raise Refused(f"{customer} has a pull user labelled {name}.") from None
    _settle(Deed.LABELLED, customer, label, by)
    return label


@transaction.atomic
def remove_label(label: Label, *, by: By) -> None:
    """The label's pull users go, with their keys. Raises NotAllowed."""
    customer = label.customer
    require_role(by.user, customer, MAY_HANDLE_CREDENTIALS, "remove pull users")
    label.delete()
    _settle(Deed.UNLABELLED, customer, label, by)


def _settle(deed: Deed, customer: Customer, label: Label, by: By) -> None:
    record(deed, f"pull user label {label}", by=by.user, address=by.address, customer=customer)
    try:
        enqueue_on_commit(settle(customer))
    except NoRoom as error:
        raise Refused(str(error)) from None
