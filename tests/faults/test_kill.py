"""A worker is killed with SIGKILL at each call of AWS in turn, just before and just after AWS
carries it out; the next worker completes the work."""

import os
from pathlib import Path

import pytest

from tests.aws import Aws
from tests.faults.database import reset_state
from tests.faults.killer import Killer, assert_final_state
from tests.faults.zygote_driver import Zygote

# In one process with all that kill: each process would load and seed a portal of its own.
pytestmark = pytest.mark.xdist_group("killed")

# Each kill takes about a second: ``make test-deep`` runs all of them.
EVERY = 1 if os.environ.get("DEEP") == "1" else 4


SCENARIOS = ["provision", "reissue", "withdraw"]


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("scenario", SCENARIOS)
@pytest.mark.timeout(900)
def test_worker_may_be_killed_at_any_call(
    zygote_and_state: tuple[Zygote, Path], seeded: Path, aws: Aws, scenario: str, moment: str
) -> None:
    portal, state = zygote_and_state
    at, killed = 1 if EVERY == 1 else 1 + SCENARIOS.index(scenario), []
    while True:
        killer = Killer(at, moment)
        aws.begin()
        reset_state(seeded, state)
        old = begin(portal, scenario)
        aws.embedded.watch = killer.watch
        was_killed = portal.run_to_be_killed("turns", killer.target)
        aws.embedded.watch = lambda moment, call: None
        if not was_killed:
            break
        killed.append(killer.killed_at)
        portal.run("recover")
        assert_final_state(portal, aws, scenario, old)
        at += EVERY
    assert len(killed) >= 2, killed


def begin(portal: Zygote, scenario: str) -> list[str]:
    """Go to just before the worker's turns. Returns the credentials revealed so far."""
    portal.run("approve")
    if scenario == "provision":
        return []
    portal.run("turns")
    old: list[str] = portal.run("reveal")
    portal.run(scenario)
    return old
