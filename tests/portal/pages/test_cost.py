"""Pages never call AWS, and their number of queries does not grow with the number of rows."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.models import Customer, Membership, User
from provisioning.admin.entitlements import decision_url
from provisioning.demo.seed import Cast
from provisioning.desired.grants import product_changed
from provisioning.flows import Actor
from provisioning.flows.entitlements import approve, request
from provisioning.models import Entitlement, Image, OneTimeSecret, Product, PullUser, Repository
from provisioning.reconciler import entitlement as entitlement_dates
from tests.aws import Aws
from tests.entitlements import approved
from tests.images import pushed
from tests.portal.pages.pages import as_user, confirm, just_signed_in
from tests.provisioned import add_key, provision

FEW, MANY = 2, 30
ADMIN = "/admin/provisioning/entitlement/"


def queries(client: Client, address: str) -> int:
    client.get(address)  # Fills the caches of the process.
    with CaptureQueriesContext(connection) as captured:
        assert client.get(address).status_code == 200
    return len(captured)


def products(cast: Cast, *numbers: int) -> None:
    """Birch Bank gets products with two repositories each."""
    for number in numbers:
        product = Product.objects.create(name=f"Product {number}", slug=f"product-{number}")
        for part in ("server", "agent"):
            product.repositories.create(registry=cast.registry, name=f"more/{part}-{number}")
        approved(cast, product)
    provision(cast.birch)


def customers(cast: Cast, *numbers: int) -> None:
    """Customers that have Acme Server. For every third one it is stuck."""
    for number in numbers:
        customer = Customer.objects.create(name=f"Customer {number}", slug=f"customer-{number}")
        Membership.objects.create(user=cast.alice, customer=customer, role="owner")
        entitlement = request(customer, cast.server, by=Actor(cast.alice))
        approve(entitlement, by=Actor(cast.sandra))
        pull_user = provision(customer)
        if number % 3 == 0:
            pull_user.grants.update(in_repository_policy=False)
            Repository.objects.update(failures=1, last_error="AWS does not answer.")


def images(count: int) -> None:
    Image.objects.all().delete()
    Image.objects.bulk_create(
        Image(repository=row, digest=f"sha256:{n}", tags=[f"1.{n}"], pushed_at=timezone.now())
        for row in Repository.objects.all()
        for n in range(count)
    )


def keys(pull_user: PullUser, number: int) -> None:
    """``number`` old keys that are still in use, and a new one. All are revealed."""
    now = timezone.now()
    for _ in range(number):
        pull_user.access_keys.current().update(retires_at=now + timedelta(days=5), last_used_at=now)
        add_key(pull_user)
    OneTimeSecret.objects.update(
        ciphertext=None, revealed_at=now - timedelta(days=1), revealed_by=User.objects.first()
    )


def test_home_costs_the_same_for_many_products(cast: Cast) -> None:
    client = as_user(cast.alice)
    products(cast, *range(FEW))
    few = queries(client, "/")
    products(cast, *range(FEW, MANY))
    assert queries(client, "/") == few <= 15


def test_home_costs_the_same_for_many_organisations(cast: Cast) -> None:
    client = as_user(cast.alice)
    customers(cast, *range(FEW))
    few = queries(client, "/")
    customers(cast, *range(FEW, MANY))
    assert queries(client, "/") == few <= 15


def test_home_costs_the_same_for_much_to_do(cast: Cast) -> None:
    client = as_user(cast.alice)
    approved(cast)
    pull_user = provision(cast.birch)
    keys(pull_user, 1)
    few = queries(client, "/")
    keys(pull_user, MANY)
    Entitlement.objects.update(ends_at=timezone.now() + timedelta(days=5))
    assert "stops on" in client.get("/").content.decode()
    assert queries(client, "/") == few <= 17


@pytest.mark.parametrize("page", ["", "credentials/", "rotate"])
def test_pages_with_keys_cost_the_same_for_many_keys(cast: Cast, page: str) -> None:
    client = as_user(cast.alice)
    entitlement = approved(cast)
    pull_user = provision(cast.birch)
    address = f"/access/{entitlement.pk}/{page}"
    if page == "rotate":
        address = f"/credentials/{pull_user.pk}/rotate/"
        confirm(client, address)
    keys(pull_user, 1)
    few = queries(client, address)
    keys(pull_user, MANY)
    assert queries(client, address) == few <= 15


def test_notifications_cost_the_same_for_many_members_and_emails(cast: Cast) -> None:
    client = as_user(cast.alice)
    address = f"/customers/{cast.birch.pk}/notifications/"
    few = queries(client, address)
    for number in range(MANY):
        user = User.objects.create_user(f"m{number}@birch.example")
        Membership.objects.create(user=user, customer=cast.birch, role="engineer")
    approved(cast)
    assert queries(client, address) == few <= 6


TABS = ["", "images/", "credentials/", "diagnosis/", "activity/"]


@pytest.mark.parametrize("page", TABS)
def test_product_page_costs_the_same_for_many_repositories_and_images(
    cast: Cast, page: str
) -> None:
    client = as_user(cast.alice)
    entitlement = approved(cast)
    provision(cast.birch)
    images(FEW)
    few = queries(client, f"/access/{entitlement.pk}/{page}")
    for number in range(MANY):
        cast.server.repositories.create(registry=cast.registry, name=f"more/{number}")
    product_changed(cast.server)
    entitlement_dates.apply_due()
    products(cast, *range(MANY))
    images(MANY)
    assert queries(client, f"/access/{entitlement.pk}/{page}") == few <= 15


def test_explanation_of_an_error_costs_the_same_for_many_images(cast: Cast) -> None:
    client = as_user(cast.alice)
    entitlement = approved(cast)
    provision(cast.birch)
    images(MANY)
    with CaptureQueriesContext(connection) as captured:
        client.post(f"/access/{entitlement.pk}/diagnosis/", {"error_text": "manifest unknown"})
    assert len(captured) <= 14


@pytest.fixture
def large(cast: Cast) -> Entitlement:
    """Birch Bank has a product with 60 repositories, one of them with 500 images, ten keys, and 42
    further products."""
    for number in range(58):
        cast.server.repositories.create(registry=cast.registry, name=f"more/component-{number}")
    entitlement = approved(cast)
    for number in range(42):
        product = Product.objects.create(name=f"Product {number}", slug=f"product-{number}")
        product.repositories.create(registry=cast.registry, name=f"more/product-{number}")
        approved(cast, product)
    pull_user = provision(cast.birch)
    images(FEW)
    Image.objects.filter(repository__name="acme/agent").delete()
    pushed("acme/agent", 500)
    keys(pull_user, 9)
    return entitlement


@pytest.mark.parametrize(
    "address",
    [
        "/",
        *(f"/access/{{}}/{tab}" for tab in TABS),
        "/access/{}/?where=cluster&tool=kubernetes-cronjob",
        "/access/{}/?version=1.1",
        "/access/{}/images/?q=1.4",
    ],
)
def test_page_of_a_large_product_is_small(cast: Cast, large: Entitlement, address: str) -> None:
    client = as_user(cast.alice)
    place = address.format(large.pk)
    assert queries(client, place) <= 15
    assert len(client.get(place).content) <= 60_000


def test_dashboard_costs_the_same_for_many_customers(cast: Cast) -> None:
    client = just_signed_in(cast.otto)
    customers(cast, *range(FEW))
    few = queries(client, "/ops/")
    customers(cast, *range(FEW, MANY))
    assert queries(client, "/ops/") == few <= 14


@pytest.mark.parametrize("address", [ADMIN, f"{ADMIN}?q=customer&state__exact=approved"])
def test_sales_list_costs_the_same_for_many_customers(cast: Cast, address: str) -> None:
    client = just_signed_in(cast.sandra)
    customers(cast, *range(FEW))
    few = queries(client, address)
    customers(cast, *range(FEW, MANY))
    assert queries(client, address) == few <= 10


def test_decision_page_costs_the_same_for_many_requests(cast: Cast) -> None:
    client = just_signed_in(cast.sandra)
    customers(cast, *range(MANY))
    pks = list(Entitlement.objects.values_list("pk", flat=True))
    few = queries(client, decision_url("withdraw", pks[:FEW]))
    assert queries(client, decision_url("withdraw", pks)) == few <= 6


def test_no_page_and_no_action_on_a_page_calls_aws(aws: Aws, cast: Cast) -> None:
    before = len(aws.embedded.calls)
    alice = as_user(cast.alice)
    otto, sandra = just_signed_in(cast.otto), just_signed_in(cast.sandra)
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
    for address in ("/", *(f"/access/{entitlement.pk}/{tab}" for tab in TABS)):
        assert alice.get(address).status_code == 200
    otto.post(f"/ops/pull-users/{pull_user.pk}/reissue/", {"reason": "Leaked", "overlap": "0"})
    otto.post(f"/ops/pull-users/{pull_user.pk}/retry/")
    assert otto.get("/ops/").status_code == 200
    assert len(aws.embedded.calls) == before
