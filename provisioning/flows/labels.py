"""A customer adds a further pull user, for one kind of its machines, or removes it."""

from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction

from accounts import clock
from accounts.audit.log import Action, record
from accounts.models import Customer
from accounts.permissions import (
    MAY_HANDLE_CREDENTIALS,
    require_role,
)
from provisioning.desired.grants import sync_grants
from provisioning.documents import names
from provisioning.flows import Actor, Refused
from provisioning.models import Label
from provisioning.notifications import emails

# More would crowd the repositories' policies.
LABELS_PER_CUSTOMER = 10


@transaction.atomic
def add_label(customer: Customer, name: str, *, by: Actor) -> Label:
    """Add a pull user with this label to each of the customer's accounts; it has keys of its own
    and opens the same repositories. Raises NotAllowed, Refused."""
    require_role(by.user, customer, MAY_HANDLE_CREDENTIALS, "add pull users")
    if name == names.DEFAULT_LABEL:
        raise Refused(f"Every customer has the label {names.DEFAULT_LABEL}. Choose another one.")
    if customer.labels.count() >= LABELS_PER_CUSTOMER:
        raise Refused(
            f"A customer can have {LABELS_PER_CUSTOMER} labels. Remove one before you add another."
        )
    label = Label(customer=customer, name=name)
    try:
        label.full_clean(validate_unique=False, validate_constraints=False)
        with transaction.atomic():
            label.save()
    except ValidationError as error:
        raise Refused(" ".join(error.messages)) from None
    except IntegrityError:
        raise Refused(f"{customer} already has a pull user labelled {name}.") from None
    _record(Action.LABELLED, label, by)
    emails.label_changed(label, by=by.user, at=clock.now(), is_added=True)
    sync_grants(customer)
    return label


@transaction.atomic
def remove_label(label: Label, *, by: Actor) -> None:
    """Remove the label's pull users, with their keys. Raises NotAllowed."""
    customer = label.customer
    require_role(by.user, customer, MAY_HANDLE_CREDENTIALS, "remove pull users")
    label.delete()
    _record(Action.UNLABELLED, label, by)
    emails.label_changed(label, by=by.user, at=clock.now(), is_added=False)
    sync_grants(customer)


def _record(action: Action, label: Label, by: Actor) -> None:
    record(action, f"pull user label {label}", by=by, customer=label.customer)
