"""From a purchase to a pulled image and back, with real clients that run the page's literal
commands; and again with enforcement broken, to see the stories fail."""

import shlex
from collections.abc import Iterable

import pytest

from provisioning.demo import seed
from provisioning.embedded_aws import ROOT_ACCESS_KEY_ID, ROOT_SECRET_ACCESS_KEY, images
from provisioning.embedded_aws.config import Broken
from provisioning.instructions import PullTarget, for_tools
from tests.requires import require
from tests.stories.machine import SIGNS_IN_BY_ITSELF
from tests.stories.portal import Person, Revealed
from tests.stories.proof import record
from tests.stories.sandbox import Sandbox
from tests.stories.world import DEAD_KEY, NO_GRANT, NOT_SIGNED_IN, assert_refused, buy, world

pytestmark = [pytest.mark.xdist_group("sandbox"), pytest.mark.timeout(300)]

ANYWHERE = PullTarget("profile", "eu-central-1", "host/repository", "tag")
# Each tool with the programs that it needs.
TOOLS = {
    "docker": ["Docker", "AWS CLI"],
    "docker-aws-cli-1": ["Docker", "AWS CLI"],
    "credential-helper": ["Docker", "amazon-ecr-credential-helper"],
    "environment-variables": ["Docker", "AWS CLI"],
    "env-file": ["Docker", "AWS CLI"],
    "compose": ["Docker Compose", "Docker", "AWS CLI"],
    "podman": ["Podman", "AWS CLI"],
    "skopeo": ["Skopeo", "AWS CLI"],
    "containerd": ["containerd", "AWS CLI"],
}


def purchase(box: Sandbox, tools: Iterable[str]) -> None:
    """The story of Birch Bank's Acme Server, beside Cedar Clinic's Acme Reports."""
    digest = images.make("acme/server", "1.1").digest
    host = f"{seed.ACCOUNT_ID}.dkr.ecr.{seed.REGION}.amazonaws.com"
    server = f"skopeo inspect docker://{host}/acme/server:1.1"

    charlie = buy(box, "charlie", "charlie@cedar.example", "Acme Reports", "acme/reports")
    charlies = charlie.machine("skopeo")
    assert charlies.sign_in().code == 0
    assert charlies.pull().code == 0
    # Before the approval nobody can pull: neither without a session nor with Charlie's.
    assert_refused(box.run(server, home="stranger"), *NOT_SIGNED_IN)
    assert_refused(charlies.run(server), NO_GRANT)

    alice = buy(box, "alice", "alice@birch.example", "Acme Server", "acme/server")
    assert [*alice.blocks, "helm"] == [tool.slug for tool in for_tools(ANYWHERE)]
    machines = [alice.machine(tool) for tool in tools]
    for machine in machines:
        if machine.tool not in SIGNS_IN_BY_ITSELF:
            assert_refused(machine.pull(), *NOT_SIGNED_IN)
        signed_in = machine.sign_in()
        assert signed_in.code == 0, f"{machine.tool}: {signed_in.words}"
        pulled = machine.pull()
        assert pulled.code == 0, f"{machine.tool}: {pulled.words}"
        assert machine.digest(pulled) == digest, f"{machine.tool}: {pulled.words}"
    # Charlie still cannot pull what Alice bought.
    assert_refused(charlies.run(server), NO_GRANT)

    sandra = Person(box, "sandra", "sandra@acme.example")
    sandra.decide("withdraw", "Acme Server", reason="The contract has ended")
    alice.person.wait_for(alice.page, "Your vendor withdrew access")
    for machine in machines:
        # Sessions live on for hours, but open nothing; and there are no new ones.
        assert_refused(machine.pull(), DEAD_KEY if machine.tool == "containerd" else NO_GRANT)
        if machine.tool not in SIGNS_IN_BY_ITSELF:
            assert_refused(machine.sign_in(), DEAD_KEY)
    assert charlies.pull().code == 0
    for machine in machines:
        record(box, machine.tool, *TOOLS[machine.tool])


def key_status(box: Sandbox) -> None:
    """The story of a key that someone deactivates in IAM and activates again."""
    alice = buy(box, "alice", "alice@birch.example", "Acme Server", "acme/server")
    machine = alice.machine("skopeo")
    assert machine.sign_in().code == 0
    assert machine.pull().code == 0

    _set_key_status(box, alice.revealed, "Inactive")
    assert_refused(machine.pull(), DEAD_KEY)
    assert_refused(machine.sign_in(), DEAD_KEY)

    _set_key_status(box, alice.revealed, "Active")
    assert machine.pull().code == 0


def _set_key_status(box: Sandbox, revealed: Revealed, status: str) -> None:
    root = f"AWS_ACCESS_KEY_ID={ROOT_ACCESS_KEY_ID} AWS_SECRET_ACCESS_KEY={ROOT_SECRET_ACCESS_KEY}"
    key = shlex.quote(revealed.access_key_id)
    done = box.run(
        f"{root} aws iam update-access-key --region us-east-1 --user-name birch-bank "
        f"--access-key-id {key} --status {status}",
        home="console",
    )
    assert done.code == 0, done.words


def test_every_client_pulls_by_the_pages_commands_between_approval_and_withdrawal() -> None:
    require("dockerd", "docker", "podman", "docker-credential-ecr-login", "containerd", "ctr")
    require("the programs of make clients")
    with world() as box:
        box.start_docker()
        box.start_containerd()
        purchase(box, TOOLS)


def test_inactive_key_neither_signs_in_nor_pulls() -> None:
    with world("--tokens-die-with-their-key") as box:
        key_status(box)


@pytest.mark.parametrize("broken", [Broken.REPOSITORY_POLICY, Broken.IDENTITY_POLICY])
def test_story_fails_when_a_policy_is_not_enforced(broken: Broken) -> None:
    with (
        world("--broken", broken.value) as box,
        pytest.raises(AssertionError, match="should have been refused"),
    ):
        purchase(box, ["skopeo"])


@pytest.mark.parametrize(
    ("broken", "words"),
    [
        # The API issued a token, and only the registry then refused it.
        (Broken.KEY_AT_API, "invalid status code from registry 403"),
        (Broken.KEY_AT_REGISTRY, "should have been refused"),
    ],
)
def test_story_fails_when_the_status_of_keys_is_not_enforced(broken: Broken, words: str) -> None:
    with (
        world("--tokens-die-with-their-key", "--broken", broken.value) as box,
        pytest.raises(AssertionError, match=words),
    ):
        key_status(box)
