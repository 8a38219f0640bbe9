"""Eight processes approve, withdraw, reissue and take turns at the same customers and the same
repository at once; when it is quiet, AWS is exactly as the database says."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from provisioning import policies
from tests.aws import Aws
from tests.faults.test_table import FOREIGN, document
from tests.faults.worker import Zygote, zygote
from tests.services import postgresql

ROUNDS = 60 if os.environ.get("DEEP") == "1" else 8
PROCESSES = 8


@contextmanager
def portal(database: str, state: Path) -> Iterator[Zygote]:
    if database == "SQLite":
        with zygote(state) as it:
            yield it
    else:
        with postgresql() as address, zygote(state, DATABASE_URL=address) as it:
            yield it


@pytest.mark.parametrize("database", ["SQLite", "PostgreSQL"])
@pytest.mark.timeout(900 if ROUNDS > 10 else 175)
def test_of_eight_at_once_nobody_is_forgotten(aws: Aws, tmp_path: Path, database: str) -> None:
    aws.set_repository_policy("acme/server", document(FOREIGN))
    with portal(database, tmp_path / "state") as it:
        it.run("seed", aws.url)
        assert it.run("race", PROCESSES, ROUNDS) == [0] * PROCESSES
        it.run("recover")
        it.run("recover")
        assert it.run("agree") == []
        wanted = it.run("wanted")
        state = it.run("state")
    for repository in ("acme/server", "acme/agent"):
        shown = aws.repository_policy(repository)
        assert sorted(policies.principals(shown)) == wanted[repository]
    assert policies.statements(aws.repository_policy("acme/server"))[0] == FOREIGN
    names = {arn.rpartition("/")[2] for arn in wanted["acme/server"]}
    assert set(aws.users()) == names
    assert {key for name in names for key in aws.keys(name)} == set(state["keys"])
