"""A backup of PostgreSQL is restored, by the commands of docs/operations.md, while AWS is newer."""

import re
import subprocess
from pathlib import Path

import pytest

from tests.aws import Aws
from tests.compose import ROOT
from tests.faults.zygote_driver import zygote
from tests.repository_policies import admitted
from tests.requires import postgresql_bin
from tests.services import postgresql


def run_as_documented(program: str, address: str, dump: Path) -> None:
    """The command of the documentation, with the test's own server and file."""
    text = (ROOT / "docs/operations.md").read_text()
    found = re.search(rf"{program} --username portal (.+?) [<>] portal.dump", text)
    assert found
    programs = postgresql_bin()
    assert programs is not None
    options = found[1].replace("--dbname portal", "").removesuffix("portal").split()
    is_dump = program == "pg_dump"
    with dump.open("wb" if is_dump else "rb") as file:
        subprocess.run(
            [programs / program, f"--dbname={address}", *options],
            stdin=None if is_dump else file,
            stdout=file if is_dump else None,
            check=True,
        )


@pytest.mark.timeout(175)
def test_restored_backup_cuts_nobody_off_and_lets_nobody_in(aws: Aws, tmp_path: Path) -> None:
    dump = tmp_path / "portal.dump"
    with postgresql() as address, zygote(tmp_path / "state", DATABASE_URL=address) as portal:
        portal.run("seed", aws.url)
        portal.run("approve")
        portal.run("approve_many", 1)
        portal.run("recover")
        portal.run("let_time_pass")
        run_as_documented("pg_dump", address, dump)
        new_key = portal.run("evening")
        portal.run("let_time_pass")
        run_as_documented("pg_restore", address, dump)

        before = aws.keys("birch-bank"), aws.users(), aws.repository_policy("acme/server")
        assert before[1] == ["birch-bank", "delta-dental"]
        with aws.no_changes():
            portal.run("let_time_pass")
            portal.run("recover")
        assert portal.run("held") == {
            "is_held": True,
            "differences": [
                "grant_unknown delta-dental",
                "key_unknown birch-bank",
                "orphan_user delta-dental",
                "user_missing customer-0",
            ],
        }
        portal.run("adopt", "grant_unknown", "user_missing")
        portal.run("adopt", "key_unknown")
        portal.run("release")
        assert portal.run("held") == {"is_held": False, "differences": []}
        assert portal.run("unsettled") == []
    assert (aws.keys("birch-bank"), aws.users()) == before[:2]
    assert admitted(aws.repository_policy("acme/server")) == admitted(before[2])
    aws.machine(*new_key).pull("acme/server", "1.1")
