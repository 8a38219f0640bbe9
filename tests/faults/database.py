"""The database of a portal whose processes a test kills."""

import shutil
from pathlib import Path


def copy_database(source: Path, state: Path) -> None:
    """Replace the database in the folder ``state``, which no process has open, by a copy."""
    state.mkdir(parents=True, exist_ok=True)
    for leftover in state.glob("portal.sqlite3-*"):
        leftover.unlink()
    shutil.copy(source, state / "portal.sqlite3")
