"""An account that someone else used, and a report of it while a request is under way."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from allauth.account.models import EmailAddress
from django.db import connection

from accounts.actor import Actor
from accounts.flows import own_account as flows
from accounts.models import User

THIEF, ALICE = "thief@evil.example", "alice@birch.example"


def addresses_of(user: User) -> list[str]:
    return list(EmailAddress.objects.filter(user=user).values_list("email", flat=True))


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
