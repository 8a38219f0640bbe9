"""The documentation agrees with the code."""

import json
import re
import shlex
import subprocess
from pathlib import Path
from typing import Any

import pytest
from django.core.management import get_commands

from accounts import encryption
from provisioning import states
from provisioning.documents import policies, role
from provisioning.models.drift import DriftKind
from tests.compose import ROOT, SERVICES

DOCS = ROOT / "docs"
README = (ROOT / "README.md").read_text()
PAGES = sorted([*ROOT.glob("*.md"), *DOCS.glob("*.md")])


def text(name: str) -> str:
    return (DOCS / name).read_text()


def json_block(label: str) -> Any:
    """The JSON under the comment ``label`` in aws-role.md."""
    page = text("aws-role.md")
    found = re.search(rf"<!-- {label} -->\n```json\n(.*?)```", page, re.DOTALL)
    assert found, label
    return json.loads(found[1])


# --- AWS ---------------------------------------------------------------------------


def test_permissions_of_the_document_are_those_of_the_code() -> None:
    boundary_arn = "arn:aws:iam::123456789012:policy/ecr-portal-boundary"
    assert json_block("boundary") == role.boundary("123456789012")
    rendered = role.portal_role_policy(
        "123456789012",
        "/ecr-portal/",
        "AmazonEC2ContainerRegistryLogin",
        boundary_arn,
        repositories="acme/*",
    )
    assert json_block("permissions") == rendered, json.dumps(rendered, indent=2)


def test_every_statement_of_the_permissions_is_explained() -> None:
    explained = re.findall(r"^\| (\w+) \| .+ \|$", text("aws-role.md"), re.MULTILINE)
    sids = [statement["Sid"] for statement in json_block("permissions")["Statement"]]
    assert explained == ["statement", *sids]


def test_only_the_portal_with_its_external_id_may_assume_the_role() -> None:
    (statement,) = json_block("trust policy")["Statement"]
    assert statement["Action"] == "sts:AssumeRole"
    assert statement["Principal"].keys() == {"AWS"}
    assert statement["Condition"]["StringEquals"].keys() == {"sts:ExternalId"}


def test_sign_in_policy_created_by_hand_is_the_one_the_portal_creates() -> None:
    found = re.search(r"--policy-document '(.+)'", text("aws-role.md"))
    assert found
    assert json.loads(found[1]) == policies.login_policy()


# --- States ------------------------------------------------------------------------


def test_table_of_states_is_the_table_of_moves() -> None:
    page = text("states.md").partition("\n## The steps\n")[0]
    rows = re.findall(r"^\| (\w+) \| (\w+) \| .+ \|$", page, re.MULTILINE)
    moves = [row for row in rows if row != ("from", "to")]
    legal = [
        (str(before), str(to))
        for table in states.MOVES.values()
        for before, tos in table.items()
        for to in tos
    ]
    assert sorted(moves) == sorted(legal)


def section(title: str) -> str:
    return text("states.md").partition(f"## {title}\n")[2].partition("\n## ")[0]


def test_every_step_is_described() -> None:
    rows = re.findall(r"^\| (.+?)( \*)? \| (.+) \| .+ \|$", section("The steps"), re.MULTILINE)
    steps = {label: bool(star) for label, star, _ in rows if label != "step"}
    assert steps == {step.label: step.is_revocation for step in states.Step}


def test_every_kind_of_drift_is_described_with_who_repairs_it() -> None:
    rows = re.findall(r"^\| (.+?)( \*)? \| (\w+) \|$", section("Drift"), re.MULTILINE)
    described = {label: (who, bool(star)) for label, star, who in rows if label != "drift"}
    assert described == {
        kind.label: (kind.policy.repair.name.lower(), kind.policy.is_adoptable)
        for kind in DriftKind
    }


def test_every_outcome_of_a_step_is_described() -> None:
    attempt = section("An attempt of a step: `outcome`")
    assert set(re.findall(r"`(\w+)`", attempt)) == set(states.Outcome.values)


# --- Threats -----------------------------------------------------------------------


def test_every_threat_is_held_by_tests_that_exist() -> None:
    table = text("threat-model.md").partition("## Threats")[2].partition("\n## ")[0]
    rows = [row.rpartition(" | ")[2] for row in re.findall(r"^\| (.+) \|$", table, re.MULTILINE)]
    threats = [row for row in rows if row != "tests"]
    assert len(threats) >= 30
    for tests in threats:
        named = re.findall(r"`(tests/[\w/]+\.py)::(test_\w+)`", tests)
        assert named, tests
        for file, name in named:
            assert f"def {name}(" in (ROOT / file).read_text(), name


# --- Operations --------------------------------------------------------------------


def test_rotation_puts_the_new_vault_key_in_front(tmp_path: Path) -> None:
    page = text("operations.md").partition("the vault key should be rotated")[2]
    commands = re.search(r"```sh\n(.*?)docker", page, re.DOTALL)
    assert commands
    old = "2026-01:" + "A" * 43 + "="
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "vault_keys").write_text(f"{old}\n")
    subprocess.run(["sh", "-ec", commands[1]], cwd=tmp_path, check=True)
    ring = (tmp_path / "secrets" / "vault_keys").read_text().strip().split(",")
    assert ring[1:] == [old]
    assert len(encryption.key_ring(ring)) == 2


# --- README ------------------------------------------------------------------------


def test_secrets_created_as_the_readme_says_start_the_portal(tmp_path: Path) -> None:
    commands = re.search(r"(install -d -m 0700 secrets.*?)```", README, re.DOTALL)
    assert commands
    subprocess.run(["sh", "-ec", commands[1]], cwd=tmp_path, check=True)
    created = {file.name: file.read_text().strip() for file in (tmp_path / "secrets").iterdir()}
    used = {name for service in SERVICES.values() for name in service.get("secrets", [])}
    assert created.keys() == used
    assert len(created["secret_key"]) >= 50
    assert len(encryption.key_ring([created["vault_keys"]])) == 1
    assert len(encryption.key_ring([created["audit_keys"]])) == 1
    for url, user, password in (
        ("database_owner_url", "portal", "postgres_password"),
        ("database_url", "portal_app", "postgres_app_password"),
    ):
        assert created[url] == f"postgres://{user}:{created[password]}@postgres/portal"
    assert created["broker_url"] == f"redis://:{created['redis_password']}@redis:6379/0"
    assert created["email_password"] == ""


def test_every_management_command_in_the_documentation_exists() -> None:
    named = {name for page in PAGES for name in re.findall(r"manage\.py (\w+)", page.read_text())}
    assert {"verify_audit", "rotate_vault_key"} <= named <= set(get_commands())


def test_every_make_command_in_the_documentation_exists() -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for page in PAGES:
        used = re.findall(r"^make (\w+)|`make (\w+)", page.read_text(), re.MULTILINE)
        assert {first or second for first, second in used} <= targets, page.name
    assert {"demo", "test"} <= targets


def test_every_compose_command_names_services_that_exist() -> None:
    for page in PAGES:
        for line in re.findall(r"(?:^|`)docker compose ([^`\n]+)", page.read_text(), re.MULTILINE):
            verb, *words = shlex.split(line.partition("#")[0].partition(' "')[0])
            plain = [word for word in words if not word.startswith("-")]
            if verb in {"exec", "run"}:
                assert plain[0] in SERVICES, line
            if verb == "up":
                assert {word for word in plain if word != "worker=3"} <= SERVICES.keys(), line


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_between_documents_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)]+)\)", page.read_text()):
        if target.startswith(("https://", "docs/images/")):
            continue
        assert (page.parent / target.partition("#")[0]).exists(), target


def test_readme_leads_to_every_document() -> None:
    for page in PAGES:
        name = str(page.relative_to(ROOT))
        assert name == "README.md" or f"]({name})" in README, name


def test_every_file_of_the_source_in_the_documentation_exists() -> None:
    named = {
        match
        for page in PAGES
        for match in re.findall(r"`((?:portal|provisioning|accounts)/[\w/.]+)`", page.read_text())
    }
    assert named
    assert {name for name in named if not (ROOT / name).exists()} == set()
