"""A database that takes no new rows in one table."""

from contextlib import AbstractContextManager
from typing import Any

from django.db import OperationalError, connection


def disk_full_for(table: str) -> AbstractContextManager[None]:
    """While this is entered, inserting into the table fails."""

    def refuse(execute: Any, sql: str, *rest: Any) -> Any:
        if sql.startswith(f'INSERT INTO "{table}"'):
            raise OperationalError("database or disk is full")
        return execute(sql, *rest)

    return connection.execute_wrapper(refuse)
