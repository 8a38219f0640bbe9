"""A report of misuse that comes while a request of the thief's is under way."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.db import connection

from accounts.actor import Actor
from accounts.flows import own_account as flows
from accounts.models import User


@contextmanager
def reported_before(statement: str, user: User) -> Iterator[None]:
    """The report is made when the request is about to run this statement for the first time."""
    is_made = False

    def report_first(execute: Any, sql: str, *rest: Any) -> Any:
        nonlocal is_made
        if sql.startswith(statement) and not is_made:
            is_made = True
            flows.report_misuse(by=Actor(User.objects.get(pk=user.pk)))
        return execute(sql, *rest)

    with connection.execute_wrapper(report_first):
        yield
    assert is_made
