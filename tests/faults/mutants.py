"""The campaigns find what they are there for: each of these faults, put into a copy of the engine,
makes a scenario fail. Only `make test-deep` names this file."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.compose import ROOT

COPIED = ("accounts", "portal", "provisioning", "templates", "tests")
FILES = ("manage.py", "pyproject.toml", ".env.example", "docker-compose.yml")
CAMPAIGNS = ("tests/faults/test_campaign.py", "tests/faults/test_availability.py")
# What the engine then does → the file, and what is put in whose place.
MUTANTS = {
    "forgets that an entitlement starts later": (
        "desired/schedule.py",
        "dates = (entitlement.starts_at, entitlement.ends_at)",
        "dates = (entitlement.ends_at,)",
    ),
    "closes an entitlement whose grants are still in AWS": (
        "reconciler/closure.py",
        "        ~Exists(grants.filter(of_product | of_none)),\n",
        "",
    ),
    "forgets a key that one read does not show": (
        "reconciler/pull_user/plan.py",
        "(observed.keys.keys() | desired.surplus)",
        "observed.keys.keys()",
    ),
    "knows a user by its tags alone": (
        "reconciler/pull_user/context.py",
        "bool(row.user_id) and user.user_id == row.user_id",
        "False",
    ),
    "takes a turn in which a step failed for done": (
        "reconciler/pull_user/taken.py",
        "            taken.missed.add(planned.step)\n            taken.failures.append(error)",
        "            return taken",
    ),
    "believes a write whose answer was lost": (
        "reconciler/repository/statement.py",
        '        mark(changing, "in_repository_policy", is_there=None)\n',
        "        changing.filter(pk__in=going).update(in_repository_policy=False)\n",
    ),
    "takes its own removal for a change by others": (
        "reconciler/pull_user/record.py",
        "        _record_own_removal(context)\n",
        "",
    ),
    "moves a grant by removing it first": (
        "reconciler/repository/observe.py",
        "return grant.placement == Placement.REPOSITORY_POLICY or is_leaving",
        "return grant.placement == Placement.REPOSITORY_POLICY",
    ),
    "writes after it has lost its lease": (
        "reconciler/lease.py",
        "if not self._held(now).update(lease_until=now + LEASE):",
        "if False:",
    ),
    "forgets what was woken during a turn": (
        "reconciler/lease.py",
        "if held.filter(due_at=self.due_at).update(",
        "if held.update(",
    ),
    "drops the statements of others": (
        "documents/policies.py",
        '        "Statement": kept + ours\n',
        '        "Statement": ours\n',
    ),
    "takes a key that it made itself for one of others": (
        "reconciler/pull_user/reconcile.py",
        "if in_doubt_until and record_lost_keys(",
        "if None and record_lost_keys(",
    ),
}


@pytest.mark.timeout(900)
@pytest.mark.parametrize("mutant", MUTANTS)
def test_campaign_finds_an_engine_that(mutant: str, tmp_path: Path) -> None:
    for folder in COPIED:
        shutil.copytree(ROOT / folder, tmp_path / folder)
    for file in FILES:
        shutil.copy(ROOT / file, tmp_path / file)
    name, before, after = MUTANTS[mutant]
    source = tmp_path / "provisioning" / name
    text = source.read_text()
    assert text.count(before) == 1
    source.write_text(text.replace(before, after))
    environment = {name: value for name, value in os.environ.items() if name != "DEEP"}
    ended = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "--maxfail", "1", *CAMPAIGNS],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    # A fault that keeps the campaigns from being read at all is none that they find.
    assert re.search(r"^FAILED tests/faults/", ended.stdout, re.MULTILINE), ended.stdout[-2_000:]
