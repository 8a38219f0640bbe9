"""An entitlement of Birch Bank to Acme Server in each state that it can be in, as actions and turns
leave it."""

from datetime import timedelta

from django.utils import timezone

from provisioning.demo.seed import Cast
from provisioning.desired import hold
from provisioning.flows import Actor
from provisioning.flows.customers import suspend_customer
from provisioning.flows.entitlements import approve, reject, request, suspend, withdraw
from provisioning.models import AccessKey, Entitlement, Grant, PullUser, Registry, Repository
from tests.entitlements import approved
from tests.images import pushed
from tests.provisioned import add_key, change, collect, days, end, provision


def requested(cast: Cast) -> Entitlement:
    return request(cast.birch, cast.server, by=Actor(cast.alice))


def rejected(cast: Cast) -> Entitlement:
    entitlement = requested(cast)
    reject(entitlement, by=Actor(cast.sandra), note="Please renew the contract first.")
    return entitlement


def rejected_beside_another(cast: Cast) -> Entitlement:
    """The other product's key waits to be revealed."""
    approved(cast, cast.reports)
    provision(cast.birch)
    return rejected(cast)


def planned(cast: Cast) -> Entitlement:
    entitlement = requested(cast)
    approve(entitlement, by=Actor(cast.sandra), starts_at=timezone.now() + timedelta(days=3))
    return entitlement


def held(cast: Cast) -> Entitlement:
    entitlement = approved(cast)
    hold.begin("A backup was restored.")
    return entitlement


def paused(cast: Cast) -> Entitlement:
    entitlement = approved(cast)
    Registry.objects.update(paused_at=days(-1), paused_because="AWS refuses the role.")
    return entitlement


def without_room(cast: Cast) -> Entitlement:
    """As a turn records it, where AWS has reached a limit."""
    entitlement = approved(cast)
    PullUser.objects.update(attention="The account has no room for another user.", failures=1)
    return entitlement


def repository_stuck(cast: Cast) -> Entitlement:
    entitlement = unrevealed(cast)
    agent = Repository.objects.filter(name="acme/agent")
    agent.update(attention="Create it in ECR.", failures=1)
    Grant.objects.filter(repository__in=agent).update(in_repository_policy=False)
    return entitlement


def unrevealed(cast: Cast) -> Entitlement:
    entitlement = approved(cast)
    pushed("acme/server", 1)
    provision(cast.birch)
    return entitlement


def ready(cast: Cast) -> Entitlement:
    entitlement = unrevealed(cast)
    collect(cast, AccessKey.objects.get(), days(-1))
    return entitlement


def held_while_ready(cast: Cast) -> Entitlement:
    entitlement = ready(cast)
    hold.begin("A backup was restored.")
    return entitlement


def paused_while_ready(cast: Cast) -> Entitlement:
    entitlement = ready(cast)
    Registry.objects.update(paused_at=days(-1), paused_because="AWS refuses the role.")
    return entitlement


def unclaimed(cast: Cast) -> Entitlement:
    entitlement = unrevealed(cast)
    gone = {"desired": "Deleted", "status": "Deleted", "retires_at": days(-1)}
    change(AccessKey.objects.get(), **gone)
    PullUser.objects.update(unclaimed_at=days(-1))
    return entitlement


def deactivated(cast: Cast) -> Entitlement:
    entitlement = ready(cast)
    change(AccessKey.objects.get(), desired="Inactive", status="Inactive", written="Inactive")
    return entitlement


def deactivated_in_aws(cast: Cast) -> Entitlement:
    entitlement = ready(cast)
    change(AccessKey.objects.get(), status="Inactive")
    return entitlement


def activated_again(cast: Cast) -> Entitlement:
    entitlement = deactivated(cast)
    change(AccessKey.objects.get(), desired="Active")
    return entitlement


def activated_without_an_answer(cast: Cast) -> Entitlement:
    """AWS may still have it deactivated: the answer to that call was lost."""
    entitlement = ready(cast)
    change(AccessKey.objects.get(), written="")
    return entitlement


def new_key_on_its_way(cast: Cast) -> Entitlement:
    entitlement = ready(cast)
    change(AccessKey.objects.get(), retires_at=days(5))
    return entitlement


def new_key_unrevealed(cast: Cast) -> Entitlement:
    entitlement = new_key_on_its_way(cast)
    add_key(PullUser.objects.get())
    return entitlement


def old_key_retires(cast: Cast) -> Entitlement:
    entitlement = new_key_unrevealed(cast)
    collect(cast, AccessKey.objects.get(retires_at=None), days(0))
    return entitlement


def suspending(cast: Cast) -> Entitlement:
    entitlement = ready(cast)
    suspend(entitlement, by=Actor(cast.sandra), reason="The invoice is open.")
    return entitlement


def _suspended_in_aws() -> None:
    PullUser.objects.update(status="suspended")
    AccessKey.objects.update(status="Inactive")
    Grant.objects.update(in_repository_policy=False)


def product_suspended(cast: Cast) -> Entitlement:
    entitlement = suspending(cast)
    _suspended_in_aws()
    return entitlement


def customer_suspended(cast: Cast) -> Entitlement:
    entitlement = unrevealed(cast)
    suspend_customer(cast.birch, by=Actor(cast.sandra), reason="The invoice is open.")
    _suspended_in_aws()
    return entitlement


def ending(cast: Cast) -> Entitlement:
    entitlement = unrevealed(cast)
    withdraw(entitlement, by=Actor(cast.sandra), reason="Contract ended")
    return entitlement


def withdrawn(cast: Cast) -> Entitlement:
    entitlement = ending(cast)
    end(cast.birch)
    return entitlement


def over(cast: Cast) -> Entitlement:
    """Its last day has passed, and no worker has noticed yet."""
    entitlement = ready(cast)
    Entitlement.objects.update(starts_at=days(-9), ends_at=days(-1))
    return entitlement


def expired(cast: Cast) -> Entitlement:
    entitlement = over(cast)
    Entitlement.objects.update(state="expired", ended_at=days(-1))
    Grant.objects.update(desired="absent")
    PullUser.objects.update(desired="absent")
    AccessKey.objects.update(desired="Deleted")
    end(cast.birch)
    return entitlement
