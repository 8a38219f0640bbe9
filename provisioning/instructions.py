"""How a customer's machine signs in and pulls, tool by tool, as data. Pure: one place
holds the commands that the page shows and the tests run."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Place:
    """What the commands are filled in with, for one repository and one customer.

    ``endpoint_url`` is empty but where AWS is reached at an address of its own.
    """

    profile: str
    region: str
    uri: str
    tag: str
    endpoint_url: str = ""

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


@dataclass(frozen=True)
class Block:
    """Something to copy: a command for a POSIX shell, or the content of a file."""

    caption: str
    text: str
    file: str = ""


@dataclass(frozen=True)
class Instruction:
    slug: str
    title: str
    note: str
    blocks: tuple[Block, ...]


def set_up(profile: str) -> Block:
    """Stores the credentials in a profile of their own; the AWS CLI asks for them, so
    that the secret stays out of the shell's history."""
    return Block(
        "Store the credentials in a profile of the AWS CLI. It asks for the access key id and the "
        "secret access key; leave the other two answers empty.",
        f"aws configure --profile {profile}",
    )


def for_tools(place: Place) -> list[Instruction]:
    """The ways to pull, the usual one first."""
    sign_in = Block("Sign in. It lasts 12 hours.", _login_password(place, "docker"))
    pull = Block("Pull.", f"docker pull {place.image}")
    return [
        Instruction(
            "docker-aws-cli-2",
            "Docker, AWS CLI 2",
            "Works with AWS CLI 1 from 1.17.10 as well.",
            (sign_in, pull),
        ),
        Instruction(
            "docker-aws-cli-1",
            "Docker, AWS CLI 1",
            "Only for AWS CLI 1: version 2 has no get-login.",
            (
                Block(
                    "Sign in. It lasts 12 hours.",
                    f"$(aws ecr get-login --no-include-email {_where(place)})",
                ),
                pull,
            ),
        ),
        Instruction(
            "docker-credential-helper",
            "Docker, credential helper",
            "Signs in by itself whenever it is needed: best for servers. Install "
            "amazon-ecr-credential-helper first.",
            (
                Block(
                    "Let Docker ask the helper for this registry: merge this into the file.",
                    f'{{"credHelpers": {{"{place.host}": "ecr-login"}}}}',
                    file="~/.docker/config.json",
                ),
                Block("Pull.", f"AWS_PROFILE={place.profile} docker pull {place.image}"),
            ),
        ),
        Instruction(
            "podman",
            "Podman",
            "",
            (
                Block("Sign in. It lasts 12 hours.", _login_password(place, "podman")),
                Block("Pull.", f"podman pull {_plain_http(place)}{place.image}"),
            ),
        ),
        Instruction(
            "skopeo",
            "Skopeo",
            "Copies an image without running it.",
            (
                Block("Sign in. It lasts 12 hours.", _login_password(place, "skopeo")),
                Block(
                    "Copy the image into a folder, as an OCI layout.",
                    f"skopeo copy {_plain_http(place, 'src-')}docker://{place.image} "
                    f"oci:{place.folder}:{place.tag}",
                ),
            ),
        ),
    ]


def _where(place: Place) -> str:
    endpoint = f" --endpoint-url {place.endpoint_url}" if place.endpoint_url else ""
    return f"--profile {place.profile} --region {place.region}{endpoint}"


def _login_password(place: Place, tool: str) -> str:
    flag = "" if tool == "docker" else _plain_http(place)
    return (
        f"aws ecr get-login-password {_where(place)} | "
        f"{tool} login {flag}--username AWS --password-stdin {place.host}"
    )


def _plain_http(place: Place, direction: str = "") -> str:
    """Only the demo's registry speaks plain http, which Docker alone takes on loopback."""
    return f"--{direction}tls-verify=false " if place.endpoint_url.startswith("http://") else ""
