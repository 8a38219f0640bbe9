"""Eight processes approve, withdraw, reissue, change the product, sweep and take turns for the same
customers and the same repository at once; none of them fails, and when they have finished, AWS is
exactly as the database says."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from provisioning.documents import grammar
from tests.aws import Aws
from tests.faults.zygote_driver import Zygote, zygote
from tests.repository_policies import FOREIGN, admitted, document
from tests.services import postgresql

PROCESSES = 8
# Of all processes together.
ROUNDS = 2_000 if os.environ.get("DEEP") == "1" else 200


@contextmanager
def running_portal(database: str, state: Path) -> Iterator[Zygote]:
    if database == "SQLite":
        with zygote(state) as portal:
            yield portal
    else:
        with postgresql() as address, zygote(state, DATABASE_URL=address) as portal:
            yield portal


@pytest.mark.parametrize("database", ["SQLite", "PostgreSQL"])
@pytest.mark.timeout(900 if ROUNDS > 200 else 175)
def test_aws_and_the_database_agree_after_eight_processes_at_once(
    aws: Aws, tmp_path: Path, database: str
) -> None:
    aws.set_repository_policy("acme/server", document(FOREIGN))
    with running_portal(database, tmp_path / "state") as portal:
        portal.run("seed", aws.url)
        assert portal.run("race", PROCESSES, ROUNDS // PROCESSES) == [0] * PROCESSES
        portal.run("recover")
        portal.run("recover")
        assert portal.run("unsettled") == []
        assert portal.run("not_as_approved") == []
        desired = portal.run("desired")
        state = portal.run("state")
    for repository in ("acme/server", "acme/agent"):
        shown = aws.repository_policy(repository)
        assert sorted(admitted(shown)) == desired[repository]
    assert grammar.statements(aws.repository_policy("acme/server"))[0] == FOREIGN
    names = {arn.rpartition("/")[2] for arns in desired.values() for arn in arns}
    assert set(aws.users()) == names
    assert {key for name in names for key in aws.keys(name)} == set(state["keys"])
