"""Many approvals at once, through Celery's own worker with beat and both brokers. What they cost
grows with their number, and not with its square."""

import os
import re
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from itertools import pairwise
from pathlib import Path

import pytest

from tests.aws import Aws
from tests.faults.database import reset_state
from tests.faults.zygote_driver import Zygote, worker_with_beat, zygote
from tests.repository_policies import fill_policy
from tests.services import postgresql, redis

# In one process with all that kill: each process would load and seed a portal of its own.
pytestmark = pytest.mark.xdist_group("killed")

DEEP = os.environ.get("DEEP") == "1"
CUSTOMERS = 240 if DEEP else 20
WITHIN = 900 if DEEP else 170  # seconds
MESSAGES = 4  # for each customer
EVERY = 5  # seconds: a sweep
WORKER = ["--concurrency", "2", "-l", "INFO"]


@pytest.mark.timeout(WITHIN + 70)
@pytest.mark.parametrize("form", ["embedded", "production"])
def test_bulk_approval_on_a_full_product_costs_a_few_messages_for_each_customer(
    aws: Aws, seeded: Path, tmp_path: Path, form: str
) -> None:
    """Its repositories' policies have no room left, so that each customer gets a policy."""
    state, log = tmp_path / "state", tmp_path / "worker.log"
    services = embedded if form == "embedded" else production
    for name in ("acme/server", "acme/agent"):
        fill_policy(aws, name, leaving=100)
    with services(seeded, state) as environment, zygote(state, **environment) as portal:
        if form == "production":
            portal.run("seed", aws.url)
        portal.run("turns")
        portal.run("approve_many", CUSTOMERS)
        began = time.monotonic()
        with worker_with_beat(state, log, *WORKER, **environment):
            wait_until_ready(portal, log)
        took = time.monotonic() - began
    received = Counter(name for _, name in tasks(log))
    late = max(delays_of_sweeps(log), default=0)
    print(f"{CUSTOMERS} approvals, {form}: {took:.0f} s, {dict(received)}")  # noqa: T201 - worth reading
    print(f"The sweep was {late:.1f} s late at most.")  # noqa: T201
    # One that provisions the user, one that tests its key, and some to spare.
    assert CUSTOMERS <= received["pull_user_turn"] <= 3 * CUSTOMERS
    turns = received["pull_user_turn"] + received["repository_turn"]
    assert turns <= MESSAGES * CUSTOMERS
    assert received["repository_turn"] <= 10 + CUSTOMERS / 2
    for name in aws.users():
        assert aws.iam.list_user_policies(UserName=name)["PolicyNames"]


@contextmanager
def embedded(seeded: Path, state: Path) -> Iterator[dict[str, str]]:
    reset_state(seeded, state)
    yield {}


@contextmanager
def production(seeded: Path, state: Path) -> Iterator[dict[str, str]]:
    with postgresql() as database, redis() as broker:
        yield {"DATABASE_URL": database, "BROKER_URL": broker}


def wait_until_ready(portal: Zygote, log: Path) -> None:
    deadline = time.monotonic() + WITHIN
    while portal.run("count_ready") < CUSTOMERS:
        assert time.monotonic() < deadline, log.read_text()[-3000:]
        time.sleep(1)


def tasks(log: Path) -> list[tuple[datetime, str]]:
    """When each task was received, and its name."""
    line = r"(\S+Z).*Task provisioning\.tasks\.(\w+)\[\S+\] received"
    found = re.findall(line, log.read_text())
    return [(datetime.fromisoformat(at), name) for at, name in found]


def delays_of_sweeps(log: Path) -> list[float]:
    """By how many seconds each sweep came later than the interval after the one before."""
    sweeps = [at for at, name in tasks(log) if name == "sweep"]
    return [(after - before).total_seconds() - EVERY for before, after in pairwise(sweeps)]
