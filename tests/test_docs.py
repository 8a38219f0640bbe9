"""The documents tell what the code does."""

import json
import re
import shlex
import subprocess
from pathlib import Path
from typing import Any

import pytest
from django.core.management import get_commands

from accounts import sealing
from accounts.models import Customer
from provisioning import policies, role, states
from provisioning.models import PullUser
from tests.test_deployment import SERVICES

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
README = (ROOT / "README.md").read_text()
PAGES = sorted([*ROOT.glob("*.md"), *DOCS.glob("*.md")])


def text(name: str) -> str:
    return (DOCS / name).read_text()


def json_block(label: str) -> Any:
    """The JSON that stands under the comment ``label`` in aws-role.md."""
    page = text("aws-role.md")
    found = re.search(rf"<!-- {label} -->\n```json\n(.*?)```", page, re.DOTALL)
    assert found, label
    return json.loads(found[1])


# --- AWS ---------------------------------------------------------------------------


def test_permissions_of_the_document_are_those_of_the_code() -> None:
    boundary_arn = "arn:aws:iam::123456789012:policy/ecr-portal-boundary"
    assert json_block("boundary") == role.boundary("123456789012")
    rendered = role.portal_role_policy(
        "123456789012", "/ecr-portal/", "AmazonEC2ContainerRegistryLogin", boundary_arn
    )
    assert json_block("permissions") == rendered, json.dumps(rendered, indent=2)


def test_every_statement_of_the_permissions_is_explained() -> None:
    told = re.findall(r"^\| (\w+) \| .+ \|$", text("aws-role.md"), re.MULTILINE)
    sids = [statement["Sid"] for statement in json_block("permissions")["Statement"]]
    assert told == ["statement", *sids]


def test_role_is_assumed_with_an_external_id_by_nobody_else() -> None:
    (statement,) = json_block("trust policy")["Statement"]
    assert statement["Action"] == "sts:AssumeRole"
    assert statement["Principal"].keys() == {"AWS"}
    assert statement["Condition"]["StringEquals"].keys() == {"sts:ExternalId"}


def test_sign_in_policy_made_by_hand_is_the_one_the_portal_makes() -> None:
    found = re.search(r"--policy-document '(.+)'", text("aws-role.md"))
    assert found
    assert json.loads(found[1]) == policies.login_policy()


# --- States ------------------------------------------------------------------------


def test_table_of_states_is_the_table_of_moves() -> None:
    rows = re.findall(r"^\| (\w+) \| (\w+) \| .+ \|$", text("states.md"), re.MULTILINE)
    moves = [row for row in rows if row != ("from", "to")]
    legal = [
        (str(before), str(to))
        for table in states.MOVES.values()
        for before, tos in table.items()
        for to in tos
    ]
    assert sorted(moves) == sorted(legal)


def test_every_outcome_of_a_step_is_told() -> None:
    section = text("states.md").rpartition("## A try of a step")[2]
    assert set(re.findall(r"`(\w+)`", section)) == {"outcome", *states.Outcome.values}


# --- Threats -----------------------------------------------------------------------


def test_every_threat_is_held_by_tests_that_exist() -> None:
    section = text("threat-model.md").partition("## Threats")[2].partition("\n## ")[0]
    rows = [row.rpartition(" | ")[2] for row in re.findall(r"^\| (.+) \|$", section, re.MULTILINE)]
    threats = [row for row in rows if row != "held by"]
    assert len(threats) >= 30
    for tests in threats:
        named = re.findall(r"`(tests/[\w/]+\.py)::(test_\w+)`", tests)
        assert named, tests
        for file, name in named:
            assert f"def {name}(" in (ROOT / file).read_text(), name


# --- Operations --------------------------------------------------------------------


def shell_snippets() -> list[str]:
    return re.findall(r'manage\.py shell -c "\n(.*?)"\n', text("operations.md"), re.DOTALL)


@pytest.mark.django_db
def test_snippets_for_the_shell_run_and_do_what_is_said() -> None:
    customer = Customer.objects.create(name="Birch Bank", slug="birch-bank")
    pull_user = PullUser.objects.create(
        customer=customer, account_id="123456789012", name="birch-bank"
    )
    (everything_due,) = shell_snippets()
    exec(everything_due, {})  # noqa: S102 - our own document
    pull_user.refresh_from_db()
    assert pull_user.due_at is not None


def test_rotation_puts_the_new_vault_key_in_front(tmp_path: Path) -> None:
    section = text("operations.md").partition("the vault key should be changed")[2]
    commands = re.search(r"```sh\n(.*?)docker", section, re.DOTALL)
    assert commands
    old = "2026-01:" + "A" * 43 + "="
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "vault_keys").write_text(f"{old}\n")
    subprocess.run(["sh", "-ec", commands[1]], cwd=tmp_path, check=True)
    ring = (tmp_path / "secrets" / "vault_keys").read_text().strip().split(",")
    assert ring[1:] == [old]
    assert len(sealing.key_ring(ring)) == 2


# --- README ------------------------------------------------------------------------


def test_secrets_made_as_the_readme_says_start_the_portal(tmp_path: Path) -> None:
    commands = re.search(r"(install -d -m 0700 secrets.*?)```", README, re.DOTALL)
    assert commands
    subprocess.run(["sh", "-ec", commands[1]], cwd=tmp_path, check=True)
    made = {file.name: file.read_text().strip() for file in (tmp_path / "secrets").iterdir()}
    used = {name for service in SERVICES.values() for name in service.get("secrets", [])}
    assert made.keys() == used
    assert len(made["secret_key"]) >= 50
    assert len(sealing.key_ring([made["vault_keys"]])) == 1
    assert made["database_url"] == f"postgres://portal:{made['postgres_password']}@postgres/portal"
    assert made["email_password"] == ""


def test_every_command_of_the_portal_that_documents_name_exists() -> None:
    named = {name for page in PAGES for name in re.findall(r"manage\.py (\w+)", page.read_text())}
    assert {"verify_audit", "rotate_vault_key"} <= named <= set(get_commands())


def test_every_make_command_of_the_documents_exists() -> None:
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


def test_files_that_documents_name_in_the_tree_are_there() -> None:
    named = {
        match
        for page in PAGES
        for match in re.findall(r"`((?:portal|provisioning|accounts)/[\w/.]+)`", page.read_text())
    }
    assert named
    assert {name for name in named if not (ROOT / name).exists()} == set()
