"""On PostgreSQL, web, worker and beat own nothing: they cannot switch off what guards the audit
log, and can do everything else."""

import os
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest

from tests.compose import COMPOSE, ROOT, SERVICES
from tests.requires import postgresql_bin
from tests.services import postgresql

PASSWORD = "an app's password"
LINE = """
INSERT INTO accounts_auditevent (at, action, actor_label, subject, changes, reason)
VALUES (now(), 'approved', 'Sandra', 'Acme Server', '', '')
"""


def create_role(address: str, folder: Path) -> str:
    """As the first start of the postgres service does. Returns the address for the role."""
    (folder / "password").write_text(PASSWORD)
    script = COMPOSE["configs"]["roles"]["content"].replace("$$", "$")
    programs = postgresql_bin()
    assert programs is not None
    # The address of the test's server stands for the socket in the container.
    script = script.replace("psql --username portal --dbname portal", f"psql {address}")
    subprocess.run(
        ["sh", "-c", script],
        env={
            "PATH": f"{programs}:{os.environ['PATH']}",
            "APP_PASSWORD_FILE": str(folder / "password"),
        },
        check=True,
    )
    return address.replace("//portal@", "//portal_app@")


@pytest.mark.timeout(120)
def test_role_of_the_services_writes_the_audit_log_and_cannot_change_it(tmp_path: Path) -> None:
    with postgresql() as owner:
        app = create_role(owner, tmp_path)
        subprocess.run(
            [sys.executable, "manage.py", "migrate", "-v0"],
            cwd=ROOT,
            env={
                "PATH": os.environ["PATH"],
                "EMBEDDED": "true",
                "STATE_DIR": str(tmp_path),
                "DATABASE_URL": owner,
            },
            check=True,
        )
        with psycopg.connect(app, autocommit=True) as database:
            database.execute(LINE)
            database.execute("INSERT INTO accounts_cacheentry (key, value) VALUES ('a', '1')")
            database.execute("UPDATE accounts_cacheentry SET value = '2'")
            database.execute("DELETE FROM accounts_cacheentry")
            for change in (
                "UPDATE accounts_auditevent SET subject = 'x'",
                "DELETE FROM accounts_auditevent",
            ):
                with pytest.raises(psycopg.errors.RaiseException):
                    database.execute(change)
            for change in (
                "ALTER TABLE accounts_auditevent DISABLE TRIGGER ALL",
                "DROP TABLE accounts_chainlink CASCADE",
                "TRUNCATE accounts_auditevent CASCADE",
                "SET session_replication_role = replica",
                "DROP FUNCTION accounts_auditevent_refuse() CASCADE",
            ):
                with pytest.raises(psycopg.errors.InsufficientPrivilege):
                    database.execute(change)


def test_only_migrations_run_as_the_owner_of_the_tables() -> None:
    for name, service in SERVICES.items():
        is_owner = "database_owner_url" in service.get("secrets", [])
        assert is_owner is (name == "migrate")
