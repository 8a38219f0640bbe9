"""Fixtures of the fault suites."""

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests.aws import Aws
from tests.faults.worker import zygote


@pytest.fixture(scope="session")
def seeded(_served_aws: Aws, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database with the cast, to be copied: hashing five passwords takes longer than the
    kill of a worker."""
    state = tmp_path_factory.mktemp("seeded")
    with zygote(state) as it:
        it.run("seed", _served_aws.url)
    database = state / "portal.sqlite3"
    with closing(sqlite3.connect(database)) as connection:
        # The seeding process ended without: its rows are still in the log beside the file.
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return database


def copy_database(blank: Path, state: Path) -> None:
    """Put a copy in the place of the database of ``state``, which nobody has open."""
    state.mkdir(parents=True, exist_ok=True)
    for leftover in state.glob("portal.sqlite3-*"):
        leftover.unlink()
    shutil.copy(blank, state / "portal.sqlite3")
