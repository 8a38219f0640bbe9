"""How ``make`` installs the locked dependencies, on machines where uv cannot."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.requires import require

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout that locks nothing, so that nothing is downloaded."""
    require("make")
    shutil.copy(ROOT / "Makefile", tmp_path)
    (tmp_path / "requirements").mkdir()
    (tmp_path / "requirements" / "development.txt").write_text("# nothing\n")
    return tmp_path


def put_uv(checkout: Path, script: str) -> None:
    uv = checkout / ".tools" / "bin" / "uv"
    uv.parent.mkdir(parents=True)
    uv.write_text(f"#!/bin/sh\n{script}\n")
    uv.chmod(0o755)


def install(checkout: Path) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        ["make", ".venv/locked", f"PYTHON={sys.executable}"],
        cwd=checkout,
        env={"PATH": os.environ["PATH"], "HOME": str(checkout)},
        capture_output=True,
        text=True,
        timeout=120,
    )


def test_pip_installs_where_uv_fails(checkout: Path) -> None:
    put_uv(checkout, "echo 'error: invalid peer certificate: UnknownIssuer' >&2; exit 2")
    ended = install(checkout)
    assert ended.returncode == 0, ended.stderr
    assert "trying pip" in ended.stdout
    assert (checkout / ".venv" / "locked").exists()


def test_uv_goes_by_the_certificates_of_the_system(checkout: Path) -> None:
    put_uv(checkout, 'echo "$UV_SYSTEM_CERTS $@" > asked')
    ended = install(checkout)
    assert ended.returncode == 0, ended.stderr
    asked = (checkout / "asked").read_text()
    assert asked.startswith("true pip sync ")
    assert "--require-hashes" in asked


def test_one_line_says_what_is_happening(checkout: Path) -> None:
    put_uv(checkout, "exit 0")
    assert len(install(checkout).stdout.splitlines()) == 1
