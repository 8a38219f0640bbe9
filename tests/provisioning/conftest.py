"""What waits for sales, and Sandra's browser."""

import pytest
from django.test import Client

from provisioning.demo.cast import Cast
from provisioning.flows import By
from provisioning.flows.request import request
from provisioning.models import Entitlement
from tests.portal.pages.reading import as_user


@pytest.fixture
def birchs(cast: Cast) -> Entitlement:
    return request(cast.birch, cast.server, by=By(cast.alice), reference="PO-7")


@pytest.fixture
def cedars(cast: Cast) -> Entitlement:
    return request(cast.cedar, cast.server, by=By(cast.charlie))


@pytest.fixture
def sandra(cast: Cast) -> Client:
    return as_user(cast.sandra)
