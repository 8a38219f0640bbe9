"""What a page costs: no call of AWS, and SQL that does not grow with the rows."""

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from accounts.models import Customer, Membership
from provisioning.admin import decision_url
from provisioning.demo.cast import Cast
from provisioning.flows import By
from provisioning.flows.decide import approve
from provisioning.flows.request import request
from provisioning.models import Entitlement, Product, Repository
from tests.aws import Aws
from tests.portal.pages.reading import as_user, confirm
from tests.provisioned import approved, provision

FEW, MANY = 2, 30
ADMIN = "/admin/provisioning/entitlement/"


def queries(client: Client, address: str) -> int:
    client.get(address)  # What is looked up once for the process is known now.
    with CaptureQueriesContext(connection) as captured:
        assert client.get(address).status_code == 200
    return len(captured)


def products(cast: Cast, *numbers: int) -> None:
    """Products of two repositories each, which Birch Bank has."""
    for number in numbers:
        product = Product.objects.create(name=f"Product {number}", slug=f"product-{number}")
        for part in ("server", "agent"):
            product.repositories.create(registry=cast.registry, name=f"more/{part}-{number}")
        approved(cast, product)
    provision(cast.birch)


def customers(cast: Cast, *numbers: int) -> None:
    """Customers that have Acme Server; every third one's is stuck."""
    for number in numbers:
        customer = Customer.objects.create(name=f"Customer {number}", slug=f"customer-{number}")
        Membership.objects.create(user=cast.alice, customer=customer, role="owner")
        entitlement = request(customer, cast.server, by=By(cast.alice))
        approve(entitlement, by=By(cast.sandra))
        pull_user = provision(customer)
        if number % 3 == 0:
            pull_user.grants.update(status="waiting")
            Repository.objects.update(failures=1, last_error="AWS does not answer.")


def test_home_costs_the_same_for_many_products(cast: Cast) -> None:
    client = as_user(cast.alice)
    products(cast, *range(FEW))
    few = queries(client, "/")
    products(cast, *range(FEW, MANY))
    assert queries(client, "/") == few <= 14


def test_home_costs_the_same_for_many_organisations(cast: Cast) -> None:
    client = as_user(cast.alice)
    customers(cast, *range(FEW))
    few = queries(client, "/")
    customers(cast, *range(FEW, MANY))
    assert queries(client, "/") == few <= 14


@pytest.mark.parametrize("page", ["", "trouble/"])
def test_access_costs_the_same_for_many_repositories(cast: Cast, page: str) -> None:
    client = as_user(cast.alice)
    entitlement = approved(cast)
    provision(cast.birch)
    few = queries(client, f"/access/{entitlement.pk}/{page}")
    for number in range(MANY):
        cast.server.repositories.create(registry=cast.registry, name=f"more/{number}")
    products(cast, *range(MANY))
    assert queries(client, f"/access/{entitlement.pk}/{page}") == few <= 13


def test_dashboard_costs_the_same_for_many_customers(cast: Cast) -> None:
    client = as_user(cast.otto)
    customers(cast, *range(FEW))
    few = queries(client, "/ops/")
    customers(cast, *range(FEW, MANY))
    assert queries(client, "/ops/") == few <= 13


@pytest.mark.parametrize("address", [ADMIN, f"{ADMIN}?q=customer&state__exact=approved"])
def test_list_of_sales_costs_the_same_for_many_customers(cast: Cast, address: str) -> None:
    client = as_user(cast.sandra)
    customers(cast, *range(FEW))
    few = queries(client, address)
    customers(cast, *range(FEW, MANY))
    assert queries(client, address) == few <= 10


def test_decision_page_costs_the_same_for_many_requests(cast: Cast) -> None:
    client = as_user(cast.sandra)
    customers(cast, *range(MANY))
    pks = list(Entitlement.objects.values_list("pk", flat=True))
    few = queries(client, decision_url("withdraw", pks[:FEW]))
    assert queries(client, decision_url("withdraw", pks)) == few <= 6


def test_no_page_and_no_deed_at_a_page_asks_aws(aws: Aws, cast: Cast) -> None:
    before = len(aws.embedded.calls)
    alice, otto, sandra = (as_user(user) for user in (cast.alice, cast.otto, cast.sandra))
    alice.post(f"/customers/{cast.birch.pk}/request/{cast.server.pk}/", {"note": "Soon?"})
    entitlement = Entitlement.objects.get()
    decide = decision_url("approve", [entitlement.pk])
    for address in (ADMIN, f"{ADMIN}{entitlement.pk}/change/", decide):
        assert sandra.get(address).status_code == 200
    sandra.post(decide, {"note": "Welcome"})
    pull_user = provision(cast.birch)
    credentials = f"/credentials/{pull_user.pk}/reveal/"
    confirm(alice, credentials)
    alice.post(credentials)
    for address in ("/", f"/access/{entitlement.pk}/", f"/access/{entitlement.pk}/trouble/"):
        assert alice.get(address).status_code == 200
    otto.post(f"/ops/pull-users/{pull_user.pk}/reissue/", {"reason": "Leaked", "overlap": "0"})
    otto.post(f"/ops/pull-users/{pull_user.pk}/retry/")
    assert otto.get("/ops/").status_code == 200
    assert len(aws.embedded.calls) == before
