"""A person's action that meets a deadlock is done again, and is never an error."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.db import OperationalError, connection

from accounts.models import AuditEvent
from provisioning.demo.seed import Cast
from provisioning.flows import Actor
from provisioning.flows.entitlements import request
from provisioning.models import Entitlement
from tests.portal.pages.pages import just_signed_in
from tests.provisioning.admin.sales import decide


class Deadlock(Exception):
    """As psycopg raises it."""

    sqlstate = "40P01"


@contextmanager
def deadlocks(times: int) -> Iterator[None]:
    """The database ends the transaction that approves, this often."""
    left = [None] * times

    def refuse(execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any) -> Any:  # noqa: FBT001 - Django's signature
        if sql.startswith('INSERT INTO "provisioning_grant"') and left:
            left.pop()
            raise OperationalError("deadlock detected") from Deadlock()
        return execute(sql, params, many, context)

    with connection.execute_wrapper(refuse):
        yield


@pytest.mark.parametrize("times", [1, 3])
def test_approval_that_meets_a_deadlock_is_repeated(cast: Cast, times: int) -> None:
    entitlement = request(cast.birch, cast.server, by=Actor(cast.alice))
    with deadlocks(times):
        decide(just_signed_in(cast.sandra), "approve", entitlement)
    assert Entitlement.objects.get().state == "approved"
    assert AuditEvent.objects.filter(action="approved").count() == 1


def test_deadlock_that_does_not_end_is_an_error(cast: Cast) -> None:
    entitlement = request(cast.birch, cast.server, by=Actor(cast.alice))
    client = just_signed_in(cast.sandra)
    client.raise_request_exception = False
    with deadlocks(9):
        assert decide(client, "approve", entitlement).status_code == 500
    assert Entitlement.objects.get().state == "requested"
