"""Members request products, and sales prepare requests for them."""

import pytest

from accounts.audit.log import Action
from accounts.models import AuditEvent
from provisioning.demo.seed import Cast
from provisioning.flows import Actor, NotAllowed, Refused
from provisioning.flows.entitlements import prepare, request
from provisioning.models import Entitlement, PullUser


def test_request_waits_for_sales_and_opens_nothing(cast: Cast) -> None:
    entitlement = request(
        cast.birch, cast.server, by=Actor(cast.alice, "192.0.2.1"), reference="PO-7", note="Soon?"
    )
    assert entitlement.state == "requested"
    assert (entitlement.reference, entitlement.note) == ("PO-7", "Soon?")
    assert not PullUser.objects.exists()
    event = AuditEvent.objects.get()
    assert (event.action, event.actor, event.customer) == (Action.REQUESTED, cast.alice, cast.birch)
    assert (event.entitlement_id, event.address) == (entitlement.pk, "192.0.2.1")


def test_second_request_for_the_same_product_is_refused(cast: Cast) -> None:
    request(cast.birch, cast.server, by=Actor(cast.alice))
    with pytest.raises(Refused, match="already requested Acme Server"):
        request(cast.birch, cast.server, by=Actor(cast.alice))
    assert Entitlement.objects.count() == AuditEvent.objects.count() == 1


def test_two_customers_may_request_the_same_product(cast: Cast) -> None:
    request(cast.birch, cast.server, by=Actor(cast.alice))
    request(cast.cedar, cast.server, by=Actor(cast.charlie))
    assert Entitlement.objects.count() == 2


@pytest.mark.parametrize("who", ["bob", "charlie", "sandra"])
def test_only_owners_and_engineers_of_the_customer_may_request(cast: Cast, who: str) -> None:
    with pytest.raises(NotAllowed):
        request(cast.birch, cast.server, by=Actor(getattr(cast, who)))
    assert not Entitlement.objects.exists()
    assert not AuditEvent.objects.exists()


def test_unlisted_product_cannot_be_requested(cast: Cast) -> None:
    cast.server.is_listed = False
    cast.server.save()
    with pytest.raises(Refused, match="not offered"):
        request(cast.birch, cast.server, by=Actor(cast.alice))


def test_only_sales_prepare_a_request_for_a_customer(cast: Cast) -> None:
    entitlement = Entitlement(customer=cast.birch, product=cast.server)
    prepare(entitlement, by=Actor(cast.sandra))
    assert Entitlement.objects.get().requested_by == cast.sandra
    with pytest.raises(NotAllowed, match="Sales"):
        prepare(Entitlement(customer=cast.cedar, product=cast.server), by=Actor(cast.otto))
