"""Which instructions of the page a story has run; recorded under PROVE=1."""

import json
import os
from datetime import UTC, datetime

from provisioning.instructions.proofs import FILE
from tests.stories.sandbox import Sandbox

NUMBER = "grep -oE '[0-9]+([.][0-9]+)+' | head -n 1"
# Program → the command that prints its version.
VERSIONS = {
    "AWS CLI": "aws --version",
    "Docker": "docker --version",
    "amazon-ecr-credential-helper": "dpkg-query -W amazon-ecr-credential-helper",
    "Docker Compose": "docker compose version",
    "Podman": "podman --version",
    "Skopeo": "skopeo --version",
    "containerd": "containerd --version",
    "Helm": "helm version",
    "kubectl": "kubectl version --client",
}
AS_IT_STANDS = "Run as it stands"
WITHOUT_ITS_SERVICE = "The file checked against its schema and its commands run"


def record(box: Sandbox, tool: str, *programs: str, what: str = AS_IT_STANDS) -> None:
    """The instruction for this tool worked, with the sandbox's versions of the programs."""
    if os.environ.get("PROVE") != "1":
        return
    aws = "v1" if tool.endswith("cli-1") else "v2"
    proofs = json.loads(FILE.read_text())
    proofs[tool] = {
        "on": datetime.now(UTC).date().isoformat(),
        "tools": ", ".join(_version(box, program, aws) for program in programs),
        "what": what,
    }
    FILE.write_text(json.dumps(dict(sorted(proofs.items())), indent=2) + "\n")


def _version(box: Sandbox, program: str, aws: str) -> str:
    answer = box.run(f"({VERSIONS[program]}) 2>&1 | {NUMBER}", aws=aws)
    number = answer.stdout.strip()
    assert number, f"{program} prints no version"
    return f"{program} {number}"
