"""Fixtures that any test may use."""

import gc
from collections.abc import Iterator

import pytest
from django.apps import apps
from django.contrib.auth.models import Group, Permission
from django.core.cache import cache
from django.db import connection
from django.db.models.signals import post_migrate
from django.utils import timezone
from pytest_django import DjangoDbBlocker

from provisioning.aws import boto
from provisioning.demo.seed import Cast, seed
from provisioning.embedded_aws import (
    PORTAL_ACCESS_KEY_ID,
    PORTAL_SECRET_ACCESS_KEY,
    EmbeddedAws,
)
from provisioning.models import Installation
from tests import messages
from tests.aws import Aws

NOWHERE = "http://127.0.0.1:9"
# The folders with the longest tests.
LONG = ("/tests/stories/", "/tests/browser/", "/tests/faults/")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Long tests first, so that no process is left with one at the end."""
    items.sort(key=lambda item: not any(folder in str(item.path) for folder in LONG))


def pytest_collection_finish() -> None:
    """What is loaded by now stays: looking through it again and again for garbage takes an eighth
    of the time."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)


@pytest.fixture(autouse=True)
def _cache_is_empty() -> None:
    """What earlier tests tried counts towards no rate limit."""
    cache.clear()


@pytest.fixture(autouse=True)
def _no_message_waits() -> None:
    """Rows have the numbers of an earlier test's: its messages would be taken for theirs."""
    messages.clear()


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> None:
    """After a test that commits, Django empties all tables: bring back what migrations wrote, so
    that tests may run in any order. On PostgreSQL, let it empty the audit log as well."""
    with django_db_blocker.unblock():
        groups = {group.name: _permissions(group) for group in Group.objects.all()}
        if connection.vendor == "postgresql":
            with connection.cursor() as cursor:
                for table in ("accounts_auditevent", "accounts_chainlink"):
                    cursor.execute(f"ALTER TABLE {table} DISABLE TRIGGER {table}_not_emptied")

    def restore_groups(**kwargs: object) -> None:
        for name, keys in groups.items():
            group, _ = Group.objects.get_or_create(name=name)
            group.permissions.set(Permission.objects.get_by_natural_key(*key) for key in keys)

    last_app = list(apps.get_app_configs())[-1]
    post_migrate.connect(restore_groups, sender=last_app, weak=False)


def _permissions(group: Group) -> list[tuple[str, str, str]]:
    found = group.permissions.select_related("content_type")
    return [permission.natural_key() for permission in found]


@pytest.fixture(scope="session")
def _served_aws() -> Iterator[Aws]:
    embedded = EmbeddedAws()
    with embedded.serve() as server:
        yield Aws(embedded, server.url)


@pytest.fixture
def aws(_served_aws: Aws, monkeypatch: pytest.MonkeyPatch) -> Aws:
    """A fresh embedded AWS, with the portal's own credentials in the environment."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", PORTAL_ACCESS_KEY_ID)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", PORTAL_SECRET_ACCESS_KEY)
    _served_aws.begin()
    # Sessions of the previous AWS mean nothing to this one.
    boto.renew_sessions()
    return _served_aws


@pytest.fixture
def cast(request: pytest.FixtureRequest, db: None) -> Cast:
    """Alice, Bob, Charlie, Sandra and Otto, and what is sold. AWS is the embedded one where the
    test requests ``aws``, and unreachable otherwise."""
    is_served = "aws" in request.fixturenames
    # The portal has worked for a while. (A test that commits empties all tables.)
    Installation.objects.filter(pk=Installation.get().pk).update(epoch_at=timezone.now())
    return seed(endpoint_url=request.getfixturevalue("aws").url if is_served else NOWHERE)
