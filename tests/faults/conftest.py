"""Fixtures of the fault suites."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.aws import Aws
from tests.faults.database import reset_state
from tests.faults.zygote_driver import Zygote, zygote

# Helpers whose assertions should show their values when they fail.
pytest.register_assert_rewrite("tests.agreement", "tests.faults.killer")


@pytest.fixture(scope="session")
def seeded(_served_aws: Aws, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database with the cast, to be copied: hashing five passwords takes longer than killing
    a worker."""
    state = tmp_path_factory.mktemp("seeded")
    with zygote(state) as portal:
        portal.run("seed", _served_aws.url)
    database = state / "portal.sqlite3"
    with closing(sqlite3.connect(database)) as connection:
        # The process ended without a checkpoint: its rows are still in the write-ahead log.
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return database


@pytest.fixture(scope="module")
def zygote_and_state(
    seeded: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Zygote, Path]]:
    """A zygote and its state folder, for the tests of a module: each begins with
    ``reset_state``."""
    state = tmp_path_factory.mktemp("killed")
    reset_state(seeded, state)
    with zygote(state) as portal:
        yield portal, state
