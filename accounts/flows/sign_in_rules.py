"""How an organisation wants its members to sign in."""

from django.db import transaction

from accounts.actor import Actor
from accounts.audit.log import Action, record
from accounts.models import Customer
from accounts.permissions import INVITE_OWNERS, MAY_MANAGE_MEMBERS, require_role, require_staff


@transaction.atomic
def change(customer: Customer, *, second_factor: bool, single_sign_on: bool, by: Actor) -> None:
    """Require of members a second factor, single sign-on, both or neither. Raises NotAllowed."""
    customer.lock()
    require_role(by.user, customer, MAY_MANAGE_MEMBERS, "change the sign-in rules")
    customer.requires_second_factor = second_factor
    customer.requires_single_sign_on = single_sign_on
    customer.save(update_fields=["requires_second_factor", "requires_single_sign_on"])
    required = [("a second factor", second_factor), ("single sign-on", single_sign_on)]
    words = " and ".join(name for name, is_required in required if is_required) or "nothing"
    record(
        Action.CHANGED_SIGN_IN_RULES,
        f"{customer}",
        by=by,
        customer=customer,
        changes=f"Requires {words}.",
    )


@transaction.atomic
def lift(customer: Customer, *, by: Actor) -> None:
    """The vendor no longer requires single sign-on of the members, because no owner can sign in any
    more. Raises NotAllowed."""
    customer.lock()
    require_staff(by.user, INVITE_OWNERS, "lift a customer's sign-in rules")
    customer.requires_single_sign_on = False
    customer.save(update_fields=["requires_single_sign_on"])
    changes = "Requires single sign-on no longer."
    record(Action.CHANGED_SIGN_IN_RULES, f"{customer}", by=by, customer=customer, changes=changes)
