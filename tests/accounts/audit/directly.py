"""What is done to the audit log beside the portal."""

from typing import Any

from django.db import connection


def change_directly(sql: str, *values: Any) -> None:
    """As a database administrator could, whom no trigger stops."""
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("SET LOCAL session_replication_role = replica")
        cursor.execute(sql, values)
