"""The instructions as data: each says whether it was proven, and is complete but for the
secret."""

import re
from datetime import UTC, datetime

import pytest
import yaml

from provisioning.instructions import SECRET_HERE, Instruction, PullTarget, for_tools
from provisioning.instructions.proofs import proofs

HOST = "123456789012.dkr.ecr.eu-central-1.amazonaws.com"
TARGET = PullTarget("acme-software", "eu-central-1", f"{HOST}/acme/server", "1.1")
TOOLS = {tool.slug: tool for tool in for_tools(TARGET)}
EACH = pytest.mark.parametrize("tool", TOOLS.values(), ids=TOOLS)


def test_every_instruction_was_proven_or_says_why_not() -> None:
    unproven = {tool.slug for tool in TOOLS.values() if tool.unproven}
    undecided = TOOLS.keys() - proofs().keys() - unproven
    assert undecided == set(), f"run `make prove`, or say why not: {undecided}"
    assert proofs().keys() <= TOOLS.keys()
    assert proofs().keys() & unproven == set()
    assert unproven == {"nerdctl", "powershell"}


def test_every_proof_has_its_date_and_the_version_of_each_tool() -> None:
    for proof in proofs().values():
        assert proof.on <= datetime.now(UTC).date()
        assert all(re.search(r" \d+\.\d+", tool) for tool in proof.tools.split(", ")), proof


@EACH
def test_instruction_is_filled_in_for_its_customer(tool: Instruction) -> None:
    text = "\n".join(block.text for block in tool.blocks)
    assert (
        TARGET.image in text
        or f"oci://{TARGET.uri} --version {TARGET.version}" in text
        or (tool.slug == "docker-compose" and "image: " in text)
    )
    assert "eu-central-1" in text
    assert "{target" not in text
    assert "--endpoint-url" not in text


@EACH
def test_no_command_contains_the_secret(tool: Instruction) -> None:
    # It would end up in the shell's history. It is put into files, or a tool prompts for it.
    for block in tool.blocks:
        assert block.file or SECRET_HERE not in block.text


@EACH
def test_every_yaml_file_can_be_parsed(tool: Instruction) -> None:
    for block in tool.blocks:
        if block.file.endswith((".yml", ".yaml")):
            assert all(yaml.safe_load_all(block.text)), block.file


@EACH
def test_endpoint_of_a_registry_is_in_every_call_of_the_aws_cli(
    tool: Instruction,
) -> None:
    target = PullTarget("acme-software", "eu-central-1", "127.0.0.1:1/x", "1", "http://127.0.0.1:1")
    (same,) = (other for other in for_tools(target) if other.slug == tool.slug)
    text = "\n".join(block.text for block in same.blocks)
    assert text.count("aws ecr get-login") == text.count("--endpoint-url http://127.0.0.1:1")
