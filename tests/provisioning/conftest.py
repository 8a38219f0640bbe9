"""Requests that wait for sales, and Sandra's browser."""

import pytest
from django.test import Client

from accounts.models import Customer
from provisioning.demo.seed import Cast
from provisioning.flows import Actor
from provisioning.flows.entitlements import request
from provisioning.models import Entitlement
from tests.portal.pages.pages import just_signed_in


@pytest.fixture
def birch_request(cast: Cast) -> Entitlement:
    return request(cast.birch, cast.server, by=Actor(cast.alice), reference="PO-7")


@pytest.fixture
def cedar_request(cast: Cast) -> Entitlement:
    return request(cast.cedar, cast.server, by=Actor(cast.charlie))


@pytest.fixture
def sandra(cast: Cast) -> Client:
    return just_signed_in(cast.sandra)


@pytest.fixture
def delta(cast: Cast) -> Customer:
    """A further customer, which has nobody yet."""
    return Customer.objects.create(name="Delta Dental", slug="delta-dental")
