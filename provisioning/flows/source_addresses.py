"""An owner limits the customer's pull users to networks."""

from collections.abc import Iterable
from ipaddress import IPv4Network, IPv6Network

from django.db import transaction

from accounts.audit.log import Action, record
from accounts.models import Customer
from accounts.permissions import MAY_MANAGE_MEMBERS, require_role
from provisioning.desired import schedule
from provisioning.documents import limits
from provisioning.documents.policies import UserPolicy
from provisioning.flows import Actor, Refused
from provisioning.models import Grant
from provisioning.states import Desired

# More would leave little room for repositories in the user's own policy.
MOST = 20


@transaction.atomic
def limit_sources(
    customer: Customer, networks: Iterable[IPv4Network | IPv6Network], *, by: Actor
) -> None:
    """Let AWS refuse the customer's pull users everything from elsewhere than these networks;
    none means from anywhere. Raises NotAllowed, and Refused where there are too many."""
    customer.lock()
    require_role(by.user, customer, MAY_MANAGE_MEMBERS, "limit the source addresses")
    after = sorted({str(network) for network in networks})
    before = customer.source_addresses.split()
    if len(after) > MOST or not _fits(customer, after):
        raise Refused(f"AWS has no room for so many. Use {MOST} networks at most.")
    customer.source_addresses = " ".join(after)
    customer.save(update_fields=["source_addresses"])
    record(
        Action.LIMITED_SOURCES,
        f"{customer}",
        by=by,
        customer=customer,
        changes=f"{_in_words(before)} → {_in_words(after)}",
    )
    schedule.wake(pull_users=list(customer.pull_users.values_list("pk", flat=True)))


def _fits(customer: Customer, networks: list[str]) -> bool:
    for pull_user in customer.pull_users.all():
        placed = pull_user.grants.filter(
            placement=Grant.Placement.USER_POLICY, desired=Desired.PRESENT
        )
        arns = {grant.repository.arn for grant in placed.select_related("repository__registry")}
        if not limits.fits_user_policy(UserPolicy(frozenset(arns), frozenset(networks))):
            return False
    return True


def _in_words(networks: list[str]) -> str:
    return ", ".join(networks) or "anywhere"
