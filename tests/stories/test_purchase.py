"""From a purchase to a pulled image and back, with real clients that run the literal
commands of the page; and again with enforcement broken, to see the stories turn red."""

import shlex
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pytest

from provisioning.demo import cast
from provisioning.embedded_aws import ROOT_ACCESS_KEY_ID, ROOT_SECRET_ACCESS_KEY, images
from provisioning.embedded_aws.rules import Broken
from tests.requires import require
from tests.stories.machine import SIGNS_IN_BY_ITSELF, CustomerMachine
from tests.stories.portal import Block, Person, Revealed, start_portal
from tests.stories.proof import SLUGS, record
from tests.stories.sandbox import Result, Sandbox, aws_hosts, sandbox

pytestmark = [pytest.mark.xdist_group("sandbox"), pytest.mark.timeout(300)]

# Each with the programs that it takes.
TOOLS = {
    "Docker, AWS CLI 2": ["Docker", "AWS CLI"],
    "Docker, AWS CLI 1": ["Docker", "AWS CLI"],
    "Docker, credential helper": ["Docker", "amazon-ecr-credential-helper"],
    "Environment variables": ["Docker", "AWS CLI"],
    ".env file": ["Docker", "AWS CLI"],
    "Docker Compose": ["Docker Compose", "Docker", "AWS CLI"],
    "Podman": ["Podman", "AWS CLI"],
    "Skopeo": ["Skopeo", "AWS CLI"],
    "containerd": ["containerd", "AWS CLI"],
}
# What the clients say of a registry that wants a session, of one that finds no grant, and
# of an API that does not know the key (any more).
NOT_SIGNED_IN = ("no basic auth credentials", "authentication required", "Not Authorized")
NO_GRANT = "is not authorized to perform: ecr:BatchGetImage on resource: arn:aws:ecr:"
DEAD_KEY = "The security token included in the request is invalid"


@contextmanager
def world(*aws_options: str) -> Iterator[Sandbox]:
    """A sandbox with AWS and the portal in it."""
    require("root with namespaces", "nsenter", "ip", "curl", "skopeo", "AWS CLI 2")
    with sandbox(aws_hosts(cast.ACCOUNT_ID, cast.REGION)) as box:
        box.start_embedded_aws(*aws_options)
        start_portal(box)
        yield box


@dataclass
class Purchase:
    """What a customer has after a purchase: its page, and what the page gave."""

    box: Sandbox
    person: Person
    page: str
    blocks: dict[str, list[Block]]
    revealed: Revealed

    def machine(self, tool: str) -> CustomerMachine:
        """A machine of the customer's with its credentials stored and its files in place."""
        name = f"{self.person.name}-{SLUGS[tool]}"
        machine = CustomerMachine(self.box, name, tool, self.blocks, self.revealed)
        machine.set_up()
        return machine


def buy(box: Sandbox, name: str, email: str, product: str, repository: str) -> Purchase:
    """Request, approval in the admin, the worker's work, and the reveal."""
    person, sandra = Person(box, name, email), Person(box, "sandra", "sandra@acme.example")
    page = person.request(product)
    sandra.decide("approve", product, note="Welcome")
    person.wait_for(page, "Ready to pull")
    blocks = person.instructions(page, repository)
    return Purchase(box, person, page, blocks, person.reveal(page))


def assert_refused(result: Result, *any_of: str) -> None:
    """Refused, and for the right reason."""
    assert result.code != 0, f"should have been refused: {result.words}"
    assert any(words in result.words for words in any_of), result.words


def purchase(box: Sandbox, tools: Iterable[str]) -> None:
    """The story of Birch Bank's Acme Server, beside Cedar Clinic's Acme Reports."""
    digest = images.make("acme/server", "1.1").digest
    host = f"{cast.ACCOUNT_ID}.dkr.ecr.{cast.REGION}.amazonaws.com"
    server = f"skopeo inspect docker://{host}/acme/server:1.1"

    charlie = buy(box, "charlie", "charlie@cedar.example", "Acme Reports", "acme/reports")
    charlies = charlie.machine("Skopeo")
    assert charlies.sign_in().code == 0
    assert charlies.pull().code == 0
    # Before the approval: nobody without a session, and not with Charlie's.
    assert_refused(box.run(server, home="stranger"), *NOT_SIGNED_IN)
    assert_refused(charlies.run(server), NO_GRANT)

    alice = buy(box, "alice", "alice@birch.example", "Acme Server", "acme/server")
    assert list(alice.blocks) == ["", *SLUGS]
    machines = [alice.machine(tool) for tool in tools]
    for machine in machines:
        if machine.tool not in SIGNS_IN_BY_ITSELF:
            assert_refused(machine.pull(), *NOT_SIGNED_IN)
        signed_in = machine.sign_in()
        assert signed_in.code == 0, f"{machine.tool}: {signed_in.words}"
        pulled = machine.pull()
        assert pulled.code == 0, f"{machine.tool}: {pulled.words}"
        assert machine.digest(pulled) == digest, f"{machine.tool}: {pulled.words}"
    # What Alice bought is still nothing to Charlie.
    assert_refused(charlies.run(server), NO_GRANT)

    sandra = Person(box, "sandra", "sandra@acme.example")
    sandra.decide("withdraw", "Acme Server", reason="The contract has ended")
    alice.person.wait_for(alice.page, "Access has ended")
    for machine in machines:
        # Sessions live on for hours, but open nothing any more; and there are no new ones.
        assert_refused(machine.pull(), DEAD_KEY if machine.tool == "containerd" else NO_GRANT)
        if machine.tool not in SIGNS_IN_BY_ITSELF:
            assert_refused(machine.sign_in(), DEAD_KEY)
    assert charlies.pull().code == 0
    for machine in machines:
        record(box, machine.tool, *TOOLS[machine.tool])


def key_status(box: Sandbox) -> None:
    """The story of a key that somebody sets inactive in IAM, and active again."""
    alice = buy(box, "alice", "alice@birch.example", "Acme Server", "acme/server")
    machine = alice.machine("Skopeo")
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
def test_story_turns_red_when_a_policy_is_not_enforced(broken: Broken) -> None:
    with (
        world("--broken", broken.value) as box,
        pytest.raises(AssertionError, match="should have been refused"),
    ):
        purchase(box, ["Skopeo"])


@pytest.mark.parametrize(
    ("broken", "words"),
    [
        # The API gave a token out, and only the registry then refused it.
        (Broken.KEY_AT_API, "invalid status code from registry 403"),
        (Broken.KEY_AT_REGISTRY, "should have been refused"),
    ],
)
def test_story_turns_red_when_a_keys_status_is_not_enforced(broken: Broken, words: str) -> None:
    with (
        world("--tokens-die-with-their-key", "--broken", broken.value) as box,
        pytest.raises(AssertionError, match=words),
    ):
        key_status(box)
