"""What an instruction is made of, and what it is filled in with. Pure."""

from dataclasses import dataclass, field

from django.utils.text import slugify

from provisioning.instructions.proofs import Proof, proofs

# What the customer puts in by hand: the portal does not have it any more.
SECRET_HERE = "PASTE_THE_SECRET_ACCESS_KEY_HERE"  # noqa: S105 - it is the place of one


def profile_of(vendor: str) -> str:
    """The profile's name in a customer's AWS configuration."""
    return slugify(vendor)


@dataclass(frozen=True)
class PullTarget:
    """One repository, for one customer.

    ``endpoint_url`` is empty but where AWS is reached at an address of its own.
    """

    profile: str
    region: str
    uri: str
    tag: str
    endpoint_url: str = ""
    access_key_id: str = "ACCESS_KEY_ID"

    @property
    def host(self) -> str:
        return self.uri.partition("/")[0]

    @property
    def folder(self) -> str:
        """A name for a local copy."""
        return self.uri.rpartition("/")[2]

    @property
    def image(self) -> str:
        return f"{self.uri}:{self.tag}"

    @property
    def variable(self) -> str:
        """The profile's name as that of a variable in a pipeline."""
        return self.profile.replace("-", "_").upper()

    @property
    def region_options(self) -> str:
        """Where the AWS CLI asks, with credentials from its environment."""
        endpoint = f" --endpoint-url {self.endpoint_url}" if self.endpoint_url else ""
        return f"--region {self.region}{endpoint}"

    @property
    def profile_options(self) -> str:
        """Where and as whom the AWS CLI asks."""
        return f"--profile {self.profile} {self.region_options}"

    @property
    def is_plain_http(self) -> bool:
        """Only the demo's registry is; Docker alone takes that on loopback by itself."""
        return self.endpoint_url.startswith("http://")

    def login(self, tool: str, options: str) -> str:
        """The line that gives a tool a session of 12 hours; it is the same for all of them."""
        return (
            f"aws ecr get-login-password {options} | "
            f"{tool} --username AWS --password-stdin {self.host}"
        )


@dataclass(frozen=True)
class Block:
    """Something to copy: a command for a shell, or the content of a file. The text may hold
    a secret: it is kept out of every repr."""

    caption: str
    text: str = field(repr=False)
    file: str = ""
    console: str = "sh"

    @property
    def file_name(self) -> str:
        return self.file.rpartition("/")[2]


@dataclass(frozen=True)
class Instruction:
    """The last block pulls. ``unproven`` says why the tests cannot run it; it is empty for
    those they do."""

    slug: str
    title: str
    note: str
    blocks: tuple[Block, ...]
    unproven: str = ""

    @property
    def proof(self) -> Proof | None:
        return proofs().get(self.slug)


LASTS = "Sign in. It lasts 12 hours."
NO_PROFILE = "It needs no profile: leave out “Once on each machine”."
