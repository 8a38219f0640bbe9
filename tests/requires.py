"""What a test needs that a fresh machine may lack. The test is skipped by the name of the
missing thing; under REQUIRE_ALL=1 it fails instead."""

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

POSTGRESQL = Path("/usr/lib/postgresql")
# What `make clients` brings: Debian does not have it.
CLIENTS = Path(__file__).resolve().parent.parent / ".tools" / "clients" / "bin"


def postgresql_bin() -> Path | None:
    """The folder of the newest PostgreSQL server's programs."""
    found = sorted(POSTGRESQL.glob("*/bin/postgres"))
    return found[-1].parent if found else None


def chromium() -> str | None:
    """Chromium's program. Its headless shell needs half the CPU time of the whole browser."""
    return shutil.which("chromium-headless-shell") or shutil.which("chromium")


def is_root_with_namespaces() -> bool:
    if os.geteuid() != 0:
        return False
    tried = subprocess.run(["unshare", "--net", "--mount", "true"], capture_output=True)
    return tried.returncode == 0


def has_aws_cli_2() -> bool:
    if not Path("/usr/bin/aws").exists():
        return False
    printed = subprocess.run(["/usr/bin/aws", "--version"], capture_output=True, text=True)
    return printed.stdout.startswith("aws-cli/2")


# What takes more than looking for a program of that name.
SPECIAL: dict[str, Callable[[], object]] = {
    "PostgreSQL": postgresql_bin,
    "Redis": lambda: shutil.which("redis-server"),
    "Chromium": chromium,
    "AWS CLI 2": has_aws_cli_2,
    "root with namespaces": is_root_with_namespaces,
    "the programs of make clients": lambda: (CLIENTS / "helm").exists(),
}


def require(*things: str) -> None:
    """Skip, or under REQUIRE_ALL=1 fail, the running test where one of the things is missing:
    names of programs, or keys of SPECIAL."""
    missing = [
        thing for thing in things if not SPECIAL.get(thing, lambda t=thing: shutil.which(t))()
    ]
    if missing:
        words = f"missing on this machine: {', '.join(missing)}"
        if os.environ.get("REQUIRE_ALL") == "1":
            pytest.fail(words, pytrace=False)
        pytest.skip(words)
