"""Killing a worker at a call of AWS, and the state that the next worker must reach."""

import os
import signal

from provisioning.embedded_aws.calls import Call
from tests.aws import Aws
from tests.faults.zygote_driver import Zygote
from tests.repository_policies import admitted


class Killer:
    """Kills the worker at the portal's ``at``-th call, ``moment`` ("before" or "after") AWS
    carries it out."""

    def __init__(self, at: int, moment: str) -> None:
        self.at, self.moment = at, moment
        self.calls = 0
        self.pid = 0
        self.killed_at = ""

    def target(self, pid: int) -> None:
        self.pid = pid

    def watch(self, moment: str, call: Call) -> None:
        if call.caller.is_root or moment != self.moment:
            return
        self.calls += 1
        if self.calls == self.at and self.pid:
            self.killed_at = call.operation
            os.kill(self.pid, signal.SIGKILL)


def assert_final_state(portal: Zygote, aws: Aws, scenario: str, old: list[str]) -> None:
    """AWS and the database have what the scenario leads to; ``old`` are the credentials revealed
    before, if any were."""
    state = portal.run("state")
    assert state["failing"] == 0
    if scenario == "withdraw":
        assert aws.users() == []
        assert aws.repository_policy("acme/server") is None
        assert (state["users"], state["grants"], state["keys"]) == (["gone"], ["gone"] * 2, [])
        return
    assert aws.users() == ["birch-bank"]
    assert (state["users"], state["grants"], state["unrevealed"]) == (["ready"], ["ready"] * 2, 1)
    # AWS has exactly the keys that the database knows: no orphan, and none lost.
    assert set(aws.keys("birch-bank")) == set(state["keys"])
    assert len(state["keys"]) == (2 if old else 1)
    arn = "arn:aws:iam::123456789012:user/ecr-portal/birch-bank"
    assert admitted(aws.repository_policy("acme/server")) == {arn}
    for credentials in (portal.run("reveal"), *([old] if old else [])):
        aws.machine(*credentials).pull("acme/server", "1.1")
