"""The migrations are complete and reversible, and PostgreSQL protects the audit log."""

import os
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest

from tests.services import postgresql

ROOT = Path(__file__).resolve().parent.parent.parent


def manage(folder: Path, *words: str, **environment: str) -> str:
    """Run a command of manage.py with its own state directory, and return what it prints."""
    ended = subprocess.run(
        [sys.executable, "manage.py", *words],
        cwd=ROOT,
        env={
            "PATH": os.environ["PATH"],
            "EMBEDDED": "true",
            "STATE_DIR": str(folder),
            **environment,
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


def test_models_and_migrations_agree(tmp_path: Path) -> None:
    assert "No changes detected" in manage(tmp_path, "makemigrations", "--check", "--dry-run")


THERE_AND_BACK = """
from django.core.management import call_command
for app, target in (("", ""), ("provisioning", "zero"), ("accounts", "zero"), ("", "")):
    call_command("migrate", *filter(None, [app, target]), verbosity=0)
    if app != "provisioning":
        call_command("showmigrations", "accounts", "provisioning")
        print("---")
"""


def test_all_migrations_can_be_reversed_and_applied_again(tmp_path: Path) -> None:
    printed = manage(tmp_path, "shell", "--no-imports", "-c", THERE_AND_BACK)
    applied, reversed_, applied_again = printed.split("---\n")[:3]
    assert "[X]" in applied
    assert "[ ]" not in applied
    assert "[X]" not in reversed_
    assert applied_again == applied


LOCKS = """
from django.core.management import call_command
from django.db import connection
from django.db.migrations.loader import MigrationLoader
from django.utils import timezone
def models(name):
    apps = MigrationLoader(connection).project_state([("accounts", name)]).apps
    return [apps.get_model("accounts", model) for model in ("User", "Membership", "Customer")]
call_command("migrate", "accounts", "0014", verbosity=0)
User, Membership, Customer = models("0014_identities")
birch = Customer.objects.create(name="Birch", slug="birch")
for name, at in ("alice", timezone.now()), ("bob", None):
    person = User.objects.create(email=name, reveals_locked_at=at)
    Membership.objects.create(user=person, customer=birch, role="owner")
call_command("migrate", "accounts", verbosity=0)
Membership = models("0016_locks_of_users_end")[1]
locked = Membership.objects.filter(reveals_locked_at__isnull=False)
print(*locked.values_list("user__email", flat=True))
call_command("migrate", "accounts", "0014", verbosity=0)
locked = models("0014_identities")[0].objects.filter(reveals_locked_at__isnull=False)
print(*locked.values_list("email", flat=True))
"""


def test_locked_person_stays_locked_at_each_customer_there_and_back(tmp_path: Path) -> None:
    manage(tmp_path, "migrate")
    printed = manage(tmp_path, "shell", "--no-imports", "-c", LOCKS)
    assert printed.split() == ["alice", "alice"]


LINE = """
INSERT INTO accounts_auditevent (at, action, actor_label, subject, changes, reason)
VALUES (now(), 'approved', 'Sandra', 'Acme Server', '', '')
"""
LINK = """
INSERT INTO accounts_chainlink (number, event_id, previous, hash)
SELECT 1, id, 'x', 'y' FROM accounts_auditevent
"""


@pytest.mark.timeout(120)
def test_postgresql_refuses_to_change_delete_or_empty_the_audit_log(tmp_path: Path) -> None:
    with postgresql() as address:
        manage(tmp_path, "migrate", DATABASE_URL=address)
        with psycopg.connect(address, autocommit=True) as database:
            database.execute(LINE)
            database.execute(LINK)
            for change in (
                "UPDATE accounts_auditevent SET subject = 'something else'",
                "DELETE FROM accounts_auditevent",
                "TRUNCATE accounts_auditevent CASCADE",
                "UPDATE accounts_chainlink SET hash = 'something else'",
                "DELETE FROM accounts_chainlink",
                "TRUNCATE accounts_chainlink",
            ):
                with pytest.raises(psycopg.errors.RaiseException, match="neither changed nor del"):
                    database.execute(change)
            rows = database.execute(
                "SELECT subject, hash FROM accounts_auditevent, accounts_chainlink"
            ).fetchall()
        assert rows == [("Acme Server", "y")]
        manage(tmp_path, "migrate", "accounts", "zero", DATABASE_URL=address)
        with psycopg.connect(address) as database:
            left = database.execute(
                "SELECT proname FROM pg_proc WHERE proname LIKE 'accounts_%'"
            ).fetchall()
        assert left == []
