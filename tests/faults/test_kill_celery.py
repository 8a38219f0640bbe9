"""Celery's own worker is killed with SIGKILL at a call of AWS; the worker started in its place,
and the sweep, complete the work."""

import os
import signal
import time
from pathlib import Path

import pytest

from tests.aws import Aws
from tests.faults.database import reset_state
from tests.faults.killer import Killer, assert_final_state
from tests.faults.zygote_driver import Zygote, celery_worker

# In one process with all that kill: each process would load and seed a portal of its own.
pytestmark = pytest.mark.xdist_group("killed")

CALLS = range(1, 22) if os.environ.get("DEEP") == "1" else (3, 9, 16)
WITHIN = 60  # seconds


@pytest.mark.parametrize("at", CALLS)
@pytest.mark.parametrize("moment", ["before", "after"])
def test_next_worker_provisions_the_customer(
    aws: Aws, seeded: Path, zygote_and_state: tuple[Zygote, Path], at: int, moment: str
) -> None:
    portal, state = zygote_and_state
    reset_state(seeded, state)
    killer = Killer(at, moment)
    aws.embedded.watch = killer.watch
    with celery_worker(state) as victim:
        killer.target(victim.pid)
        portal.run("approve")
        assert victim.wait(timeout=WITHIN) == -signal.SIGKILL, killer.calls
    aws.embedded.watch = lambda moment, call: None
    with celery_worker(state):
        deadline = time.monotonic() + WITHIN
        while not is_provisioned(reached := portal.run("state")):
            assert time.monotonic() < deadline, reached
            portal.run("sweep")
            time.sleep(0.5)
    portal.run("recover")
    assert_final_state(portal, aws, "provision", [])


def is_provisioned(state: dict[str, object]) -> bool:
    return state["grants"] == ["ready"] * 2 and bool(state["unrevealed"])
