"""A world for stories: a sandbox with AWS and the portal in it, and a purchase made there."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from provisioning.demo import seed
from tests.requires import require
from tests.stories.machine import CustomerMachine
from tests.stories.portal import Block, Person, Revealed, start_portal
from tests.stories.sandbox import Result, Sandbox, aws_hosts, sandbox

# What clients report for a registry that needs a session, for a repository that is not granted,
# and for a key that the API does not know (any more).
NOT_SIGNED_IN = ("no basic auth credentials", "authentication required", "Not Authorized")
NO_GRANT = "is not authorized to perform: ecr:BatchGetImage on resource: arn:aws:ecr:"
DEAD_KEY = "The security token included in the request is invalid"


@contextmanager
def world(*aws_options: str) -> Iterator[Sandbox]:
    """A sandbox with AWS and the portal in it."""
    require("root with namespaces", "nsenter", "ip", "curl", "skopeo", "AWS CLI 2")
    with sandbox(aws_hosts(seed.ACCOUNT_ID, seed.REGION)) as box:
        box.start_embedded_aws(*aws_options)
        start_portal(box)
        yield box


@dataclass
class Purchase:
    """What a customer has after a purchase: its page, the blocks to copy, and the credentials."""

    box: Sandbox
    person: Person
    page: str
    blocks: dict[str, list[Block]]
    revealed: Revealed

    def machine(self, tool: str) -> CustomerMachine:
        """A machine of the customer's, with the credentials stored and the files in place."""
        name = f"{self.person.name}-{tool}"
        machine = CustomerMachine(self.box, name, tool, self.blocks, self.revealed)
        machine.set_up()
        return machine


def buy(box: Sandbox, name: str, email: str, product: str, repository: str) -> Purchase:
    """Request, approve in the admin, wait for the worker, and reveal."""
    person, sandra = Person(box, name, email), Person(box, "sandra", "sandra@acme.example")
    page = person.request(product)
    sandra.decide("approve", product, note="Welcome")
    person.wait_for(page, "Set-up")
    blocks = person.instructions(page, repository)
    return Purchase(box, person, page, blocks, person.reveal(page))


def assert_refused(result: Result, *any_of: str) -> None:
    """The command was refused, and for the right reason."""
    assert result.code != 0, f"should have been refused: {result.words}"
    assert any(words in result.words for words in any_of), result.words
