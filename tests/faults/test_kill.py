"""A worker is killed with SIGKILL at each call of AWS in turn, just before and just after
AWS has done it; the next worker brings everything to its right end."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from provisioning import policies
from provisioning.embedded_aws.calls import Call
from tests.aws import Aws
from tests.faults.conftest import copy_database
from tests.faults.worker import Zygote, zygote

# Each kill takes about a second: all of them are for ``make test-deep``.
EVERY = 1 if os.environ.get("DEEP") == "1" else 4


class Assassin:
    """Kills the worker at the ``at``-th call of the portal, ``moment`` AWS has done it."""

    def __init__(self, at: int, moment: str) -> None:
        self.at, self.moment = at, moment
        self.calls = 0
        self.pid = 0
        self.victim_was_at = ""

    def meet(self, pid: int) -> None:
        self.pid = pid

    def watch(self, moment: str, call: Call) -> None:
        if call.caller.is_root or moment != self.moment:
            return
        self.calls += 1
        if self.calls == self.at and self.pid:
            self.victim_was_at = call.operation
            os.kill(self.pid, signal.SIGKILL)


@pytest.fixture(scope="module")
def portal(
    seeded: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Zygote, Path, Path]]:
    """The zygote, its state, and the database to begin with."""
    state = tmp_path_factory.mktemp("killed")
    copy_database(seeded, state)
    with zygote(state) as it:
        yield it, state, seeded


SCENES = ["provision", "reissue", "withdraw"]


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("scene", SCENES)
@pytest.mark.timeout(900)
def test_worker_may_be_killed_at_any_call(
    portal: tuple[Zygote, Path, Path], aws: Aws, scene: str, moment: str
) -> None:
    it, state, seeded = portal
    at, killed = 1 if EVERY == 1 else 1 + SCENES.index(scene), []
    while True:
        assassin = Assassin(at, moment)
        aws.begin()
        copy_database(seeded, state)
        old = begin(it, scene)
        aws.embedded.watch = assassin.watch
        was_killed = it.run_to_be_killed("turns", assassin.meet)
        aws.embedded.watch = lambda moment, call: None
        if not was_killed:
            break
        killed.append(assassin.victim_was_at)
        it.run("recover")
        assert_right_end(it, aws, scene, old)
        at += EVERY
    assert len(killed) >= 2, killed


def begin(it: Zygote, scene: str) -> list[str]:
    """The scene just before the worker's turns. Returns the credentials revealed so far."""
    it.run("approve")
    if scene == "provision":
        return []
    it.run("turns")
    old: list[str] = it.run("reveal")
    it.run(scene)
    return old


def assert_right_end(it: Zygote, aws: Aws, scene: str, old: list[str]) -> None:
    state = it.run("state")
    assert state["troubled"] == 0
    if scene == "withdraw":
        assert aws.users() == []
        assert aws.repository_policy("acme/server") is None
        assert (state["users"], state["grants"], state["keys"]) == (["gone"], ["gone"] * 2, [])
        return
    assert aws.users() == ["birch-bank"]
    assert (state["users"], state["grants"], state["sealed"]) == (["ready"], ["ready"] * 2, 1)
    # What AWS has and what the database knows is the same: no orphan, nothing lost.
    assert set(aws.keys("birch-bank")) == set(state["keys"])
    assert len(state["keys"]) == (2 if old else 1)
    arn = "arn:aws:iam::123456789012:user/ecr-portal/birch-bank"
    assert policies.principals(aws.repository_policy("acme/server")) == {arn}
    for credentials in (it.run("reveal"), *([old] if old else [])):
        aws.machine(*credentials).pull("acme/server", "1.1")
