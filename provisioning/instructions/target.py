"""What an instruction is made of, and what it is filled in with. Pure."""

from dataclasses import dataclass, field

from django.utils.text import slugify

from provisioning.documents.names import DEFAULT_LABEL
from provisioning.instructions.proofs import Proof, proofs

# What the customer puts in by hand: the portal does not have it any more.
SECRET_HERE = "PASTE_THE_SECRET_ACCESS_KEY_HERE"  # noqa: S105 - it is the place of one
# "CronJob … name must be no longer than 52 characters": Kubernetes reference, CronJob. The longest
# ending that is put behind one is "-renew".
NAME_LIMIT = 46


def name_of(text: str, *, otherwise: str) -> str:
    """A name that is valid for a profile, a Kubernetes object (RFC 1123 label) and a container:
    a-z, 0-9 and inner hyphens, at most NAME_LIMIT; ``otherwise`` where nothing of it is left."""
    plain = slugify(text.replace("/", "-").replace(".", "-")).replace("_", "-")
    return plain[:NAME_LIMIT].strip("-") or otherwise


def profile_of(vendor: str, label: str = DEFAULT_LABEL) -> str:
    """The profile's name in a customer's AWS configuration: each label has one of its own."""
    parts = [vendor] if label == DEFAULT_LABEL else [vendor, label]
    return name_of("-".join(name_of(part, otherwise="vendor") for part in parts), otherwise="")


@dataclass(frozen=True)
class PullTarget:
    """One version of one repository, for one customer.

    ``version`` is a tag or a digest. ``endpoint_url`` is empty but where AWS is reached at an
    address of its own; ``namespace`` is one of Kubernetes, or empty.
    """

    profile: str
    region: str
    uri: str
    version: str
    endpoint_url: str = ""
    access_key_id: str = "ACCESS_KEY_ID"
    namespace: str = ""

    @property
    def host(self) -> str:
        return self.uri.partition("/")[0]

    @property
    def name(self) -> str:
        """For a local copy, a service, a container."""
        return name_of(self.uri.rpartition("/")[2], otherwise="image")

    @property
    def image(self) -> str:
        separator = "@" if self.version.startswith("sha256:") else ":"
        return f"{self.uri}{separator}{self.version}"

    @property
    def local_tag(self) -> str:
        """A tag for a local copy: a digest is none."""
        return self.version.removeprefix("sha256:")

    @property
    def variable(self) -> str:
        """The beginning of a variable's name in a pipeline."""
        name = self.profile.replace("-", "_").upper()
        # "must not start with a number … must not start with the GITHUB_ prefix": GitHub Docs,
        # "Secrets reference".
        is_taken = name[0].isdigit() or name.startswith("GITHUB_")
        return f"PULL_{name}" if is_taken else name

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

    @property
    def filled_in(self) -> list[str]:
        """What the choices put into the commands, the longest first."""
        found = {self.image, self.uri, self.host, self.region, self.profile, self.namespace}
        return sorted(found - {""}, key=len, reverse=True)

    def login(self, tool: str, options: str) -> str:
        """The line that gives a tool a session of 12 hours; it is the same for all of them."""
        return (
            f"aws ecr get-login-password {options} | "
            f"{tool} --username AWS --password-stdin {self.host}"
        )


@dataclass(frozen=True)
class Block:
    """A step: a command for a shell, or the content of a file. ``when`` says how often, ``note``
    what to know. Where ``unless`` succeeds in a shell, it was done before. The text may hold a
    secret: it is kept out of every repr."""

    title: str
    text: str = field(repr=False)
    when: str = ""
    note: str = ""
    file: str = ""
    console: str = "sh"
    unless: str = ""

    @property
    def file_name(self) -> str:
        return self.file.rpartition("/")[2]

    @property
    def has_to_be_filled_in(self) -> bool:
        return SECRET_HERE in self.text


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


LASTS = "Lasts 12 hours"
ONCE = "Once on each machine"
