"""Everything that the portal stores, sends or logs, as text to compare and to search."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pytest
from django.core import mail
from django.core.cache import cache
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts import encryption
from accounts.models import Session


def database() -> str:
    """Every row of every table except that of sessions."""
    tables = sorted(set(connection.introspection.table_names()) - {"accounts_session"})
    with connection.cursor() as cursor:
        return "\n".join(
            f"{table}: {row}"
            for table in tables
            for row in cursor.execute(f'SELECT * FROM "{table}"').fetchall()  # noqa: S608
        )


def session_data(row: Session) -> str:
    return encryption.decrypt(bytes(row.data), bound_to=row.pk)


@dataclass
class Capture:
    """What was logged and sent to the database since ``capture_everything`` began."""

    caplog: pytest.LogCaptureFixture
    queries: CaptureQueriesContext

    def text(self) -> str:
        """All of it, with everything that is stored and every email."""
        log = [f"{record.getMessage()} {vars(record)}" for record in self.caplog.records]
        return "\n".join(
            [
                *log,
                *(str(query) for query in self.queries.captured_queries),
                *(session_data(row) for row in Session.objects.all()),
                *(message.message().as_string() for message in mail.outbox),
                str(cache._cache),  # type: ignore[attr-defined]
                database(),
            ]
        )


@contextmanager
def capture_everything(caplog: pytest.LogCaptureFixture) -> Iterator[Capture]:
    with caplog.at_level(logging.DEBUG), CaptureQueriesContext(connection) as queries:
        yield Capture(caplog, queries)
