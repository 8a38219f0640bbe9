"""Fixtures that any test may use."""

from collections.abc import Iterator

import pytest
from django.db import connection
from pytest_django import DjangoDbBlocker

from provisioning.aws import boto
from provisioning.demo.cast import Cast, seed
from provisioning.embedded_aws import (
    PORTAL_ACCESS_KEY_ID,
    PORTAL_SECRET_ACCESS_KEY,
    EmbeddedAws,
)
from tests.aws import Aws

NOWHERE = "http://127.0.0.1:9"


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> None:
    """On PostgreSQL, Django empties all tables after a test that commits: let it."""
    if connection.vendor == "postgresql":
        with django_db_blocker.unblock(), connection.cursor() as cursor:
            for table in ("auditevent", "auditseal"):
                trigger = f"accounts_{table}_not_emptied"
                cursor.execute(f"ALTER TABLE accounts_{table} DISABLE TRIGGER {trigger}")


@pytest.fixture(scope="session")
def _served_aws() -> Iterator[Aws]:
    embedded = EmbeddedAws()
    with embedded.serve() as server:
        yield Aws(embedded, server.url)


@pytest.fixture
def aws(_served_aws: Aws, monkeypatch: pytest.MonkeyPatch) -> Aws:
    """The embedded AWS on its first day; the portal's own credentials are in place."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", PORTAL_ACCESS_KEY_ID)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", PORTAL_SECRET_ACCESS_KEY)
    _served_aws.begin()
    # The sessions of the AWS before are nothing to this one.
    boto._gateway.cache_clear()
    return _served_aws


@pytest.fixture
def cast(request: pytest.FixtureRequest, db: None) -> Cast:
    """Alice, Bob, Charlie, Sandra and Otto, with what is sold. AWS is the embedded one
    where the test asks for ``aws``, and out of reach where not."""
    is_served = "aws" in request.fixturenames
    return seed(endpoint_url=request.getfixturevalue("aws").url if is_served else NOWHERE)
