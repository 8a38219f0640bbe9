"""The sandbox itself: it must not be the reason for what a story sees."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.requires import require
from tests.stories.sandbox import ADDRESS, Sandbox, aws_hosts, sandbox

HOSTS = aws_hosts("123456789012", "eu-central-1")
pytestmark = pytest.mark.xdist_group("sandbox")


@pytest.fixture(scope="module")
def box() -> Iterator[Sandbox]:
    require("root with namespaces", "nsenter", "ip", "curl")
    with sandbox(HOSTS) as made:
        yield made


def test_real_names_lead_to_the_sandbox_itself_and_only_within(box: Sandbox) -> None:
    assert box.run(f"getent hosts {HOSTS[0]}").stdout.startswith(ADDRESS)
    assert HOSTS[0] not in Path("/etc/hosts").read_text()


def test_no_route_leads_out(box: Sandbox) -> None:
    assert box.run("ip route").stdout == ""
    refused = box.run("curl -sS --max-time 5 http://198.51.100.1/")
    assert refused.code != 0
    assert "Couldn't connect" in refused.words or "unreachable" in refused.words


def test_environment_is_clean_but_for_the_sandbox_own(box: Sandbox) -> None:
    told = box.run("env").stdout
    assert "SSL_CERT_FILE" not in told
    assert f"HOME={box.folder}/home" in told


def test_embedded_aws_answers_by_its_real_names_with_trusted_certificates(box: Sandbox) -> None:
    box.start_embedded_aws()
    answer = box.run(f"curl -sS -o /dev/null -w '%{{http_code}}' https://{HOSTS[0]}/v2/")
    assert answer.stdout == "401"


def test_nothing_is_left_behind() -> None:
    require("root with namespaces", "nsenter", "ip", "curl")
    before = Path("/proc/mounts").read_text()
    with sandbox(HOSTS) as made:
        log = made.start("sleeper", ["sleep", "600"], {})
        folder, sleeper = made.folder, made.servers[0]
        assert log.exists()
    sleeper.wait(timeout=10)
    assert not folder.exists()
    assert Path("/proc/mounts").read_text() == before
    listed = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True)
    assert str(folder) not in listed.stdout
    assert os.geteuid() == 0
