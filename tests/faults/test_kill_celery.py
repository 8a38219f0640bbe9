"""Celery's own worker is killed with SIGKILL at a call of AWS; the one that is started in its
place, and the sweep, bring the customer to the right end."""

import os
import signal
import time
from pathlib import Path

import pytest

from tests.aws import Aws
from tests.faults.conftest import copy_database
from tests.faults.test_kill import Assassin, assert_right_end
from tests.faults.worker import celery_worker, zygote

CALLS = range(1, 22) if os.environ.get("DEEP") == "1" else (3, 9, 16)
WITHIN = 60  # seconds


@pytest.mark.parametrize("at", CALLS)
@pytest.mark.parametrize("moment", ["before", "after"])
def test_customer_is_provisioned_by_the_worker_after(
    aws: Aws, seeded: Path, tmp_path: Path, at: int, moment: str
) -> None:
    state = tmp_path / "state"
    copy_database(seeded, state)
    with zygote(state) as it:
        assassin = Assassin(at, moment)
        aws.embedded.watch = assassin.watch
        with celery_worker(state) as victim:
            assassin.meet(victim.pid)
            it.run("approve")
            assert victim.wait(timeout=WITHIN) == -signal.SIGKILL, assassin.calls
        aws.embedded.watch = lambda moment, call: None
        with celery_worker(state):
            deadline = time.monotonic() + WITHIN
            while it.run("state")["grants"] != ["ready"] * 2 or not it.run("state")["sealed"]:
                assert time.monotonic() < deadline, it.run("state")
                it.run("sweep")
                time.sleep(2)
        it.run("recover")
        assert_right_end(it, aws, "provision", [])
