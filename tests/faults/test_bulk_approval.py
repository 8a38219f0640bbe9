"""Many approvals at once, in the embedded form: SQLite, the file-based broker, and Celery's own
worker with beat. What they cost grows with their number, and not with its square."""

import os
import re
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from tests.aws import Aws
from tests.faults.database import reset_state
from tests.faults.zygote_driver import ROOT, Zygote, clean_environment, zygote

# In one process with all that kill: each process would load and seed a portal of its own.
pytestmark = pytest.mark.xdist_group("killed")

CUSTOMERS = 200 if os.environ.get("DEEP") == "1" else 20
WITHIN = 170  # seconds


@pytest.mark.timeout(240)
def test_bulk_approval_costs_a_few_turns_for_each_customer(
    aws: Aws, seeded: Path, tmp_path: Path
) -> None:
    state = tmp_path / "state"
    reset_state(seeded, state)
    log = tmp_path / "worker.log"
    command = ["-m", "celery", "-A", "portal", "worker", "--beat", "--concurrency", "2"]
    with zygote(state) as portal, log.open("wb") as output:
        portal.run("approve_many", CUSTOMERS)
        began = time.monotonic()
        worker = subprocess.Popen(
            [sys.executable, *command, "-l", "INFO"],
            cwd=ROOT,
            env=clean_environment(state) | {"REPOSITORY_WRITE_INTERVAL_SECONDS": "5"},
            stdout=output,
            stderr=output,
        )
        try:
            wait_until_ready(portal, log)
        finally:
            worker.terminate()
            worker.wait(timeout=30)
        took = time.monotonic() - began
    received = Counter(
        re.findall(r"Task provisioning\.tasks\.(\w+)\[\S+\] received", log.read_text())
    )
    print(f"{CUSTOMERS} approvals: {took:.0f} s, {dict(received)}")  # noqa: T201 - worth reading
    # One that provisions the user, one that tests its key, and some to spare.
    assert CUSTOMERS <= received["pull_user_turn"] <= 3 * CUSTOMERS
    # Both repositories' policies are written for many users at once.
    assert received["repository_turn"] <= 10 + CUSTOMERS / 2


def wait_until_ready(portal: Zygote, log: Path) -> None:
    deadline = time.monotonic() + WITHIN
    while portal.run("count_ready") < CUSTOMERS:
        assert time.monotonic() < deadline, log.read_text()[-3000:]
        time.sleep(1)
