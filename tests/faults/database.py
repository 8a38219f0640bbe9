"""The state of a portal whose processes a test kills."""

import shutil
from pathlib import Path


def reset_state(source: Path, state: Path) -> None:
    """Replace the database in the folder ``state``, which no process has open, by a copy, and
    empty its broker."""
    state.mkdir(parents=True, exist_ok=True)
    for leftover in (*state.glob("portal.sqlite3-*"), *state.glob("broker/**/*")):
        if leftover.is_file():
            leftover.unlink()
    shutil.copy(source, state / "portal.sqlite3")
