"""One machine's clock is wrong: the database's decides, and its worker does nothing."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.compose import ROOT
from tests.services import postgresql

# Runs with DATABASE_URL and a clock that is a hundred days ahead.
SCRIPT = """
import datetime
import django
django.setup()
from django.utils import timezone

right = timezone.now
from provisioning.demo.seed import seed
from provisioning.models import AccessKey, OneTimeSecret, PullUser
from tests.entitlements import approved
from tests.provisioned import provision

cast = seed(endpoint_url="http://127.0.0.1:9")
approved(cast)
row = provision(cast.birch)

timezone.now = lambda: right() + datetime.timedelta(days=100)
from accounts import clock
from celery.exceptions import Ignore
from provisioning import tasks
from provisioning.desired import schedule
from provisioning.reconciler.lease import claim
from provisioning.reconciler.pull_user import keys
from provisioning.reconciler.pull_user.context import PullUserContext

assert abs(clock.now() - right()) < datetime.timedelta(seconds=5), clock.now()
try:
    tasks.sweep()
except Ignore as refusal:
    print(refusal)
else:
    raise SystemExit("The worker went on.")
# What it would have done, had it gone on.
schedule.wake(pull_users={row.pk})
lease = claim(PullUser, row.pk)
context = PullUserContext(lease, lease.row, cast.registry, gateway=None)
keys.retire_overdue(context)
lease.release(clock.now() + datetime.timedelta(days=1000))
assert OneTimeSecret.objects.get().is_unrevealed
row.refresh_from_db()
assert row.due_at < right() + datetime.timedelta(days=2), row.due_at
"""


@pytest.mark.timeout(120)
def test_wrong_clock_destroys_nothing_and_puts_nothing_off(tmp_path: Path) -> None:
    with postgresql() as address:
        env = {
            "PATH": os.environ["PATH"],
            "EMBEDDED": "true",
            "STATE_DIR": str(tmp_path),
            "DATABASE_URL": address,
            "DJANGO_SETTINGS_MODULE": "portal.settings",
            "PYTHONPATH": str(ROOT),
        }
        migrate = [sys.executable, "manage.py", "migrate", "-v0"]
        subprocess.run(migrate, cwd=ROOT, env=env, check=True)
        run = subprocess.run(
            [sys.executable, "-c", SCRIPT], cwd=ROOT, env=env, capture_output=True, text=True
        )
    assert run.returncode == 0, run.stderr[-2000:]
    assert "This machine's clock is " in run.stdout
    assert "ahead of the database's" in run.stdout
