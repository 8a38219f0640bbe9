"""A customer's machine in the sandbox: it runs the commands of the page exactly as they are."""

from dataclasses import dataclass
from pathlib import PurePosixPath

from provisioning.instructions import SECRET_HERE
from tests.stories.portal import Block, Revealed
from tests.stories.sandbox import Result, Sandbox

# How clients other than docker, which prints it, show the digest of what they pulled.
DIGEST = {
    "podman": "podman image inspect --format '{{.Digest}}' $(podman images -q)",
    "skopeo": "grep -o 'sha256:[0-9a-f]*' server/index.json",
    "compose": "docker image inspect --format '{{index .RepoDigests 0}}' "
    "$(docker compose config --images) | grep -o 'sha256:[0-9a-f]*'",
    "containerd": "ctr images ls | grep -o 'sha256:[0-9a-f]*'",
}
# They sign in by themselves at each pull.
SIGNS_IN_BY_ITSELF = {"credential-helper", "containerd"}
STORES = "aws configure "


@dataclass
class CustomerMachine:
    """One machine with one tool. ``blocks``: the page's commands and files, by tool."""

    box: Sandbox
    name: str
    tool: str
    blocks: dict[str, list[Block]]
    revealed: Revealed

    def set_up(self) -> None:
        """Answer what ``aws configure`` of the page asks, and save the files."""
        for block in self.blocks[self.tool]:
            if block.file:
                self.write(block)
            elif block.text.startswith(STORES):
                stored = self.run(block.text, stdin=f"{self._answers}\n\n")
                assert stored.code == 0, stored.words

    def write(self, block: Block) -> None:
        """Fill in the secret where the page says so, and save the file."""
        text = block.text.replace(SECRET_HERE, self.revealed.secret_access_key)
        folder = PurePosixPath(block.file).parent
        saved = self.run(f"mkdir -p {folder} && cat > {block.file}", stdin=text)
        assert saved.code == 0, saved.words

    def sign_in(self) -> Result:
        """Run the commands between the set-up and the pull in one shell."""
        commands = [
            block.text
            for block in self.blocks[self.tool][:-1]
            if not block.file and not block.text.startswith(STORES)
        ]
        return self.run("\n".join(commands), stdin=self._answers)

    def pull(self) -> Result:
        return self.run(self.blocks[self.tool][-1].text)

    def digest(self, pulled: Result) -> str:
        if self.tool in DIGEST:
            return self.run(DIGEST[self.tool]).stdout.strip()
        return pulled.stdout.partition("Digest: ")[2].partition("\n")[0]

    def run(self, command: str, *, stdin: str = "") -> Result:
        version = "v1" if self.tool.endswith("cli-1") else "v2"
        return self.box.run(command, stdin=stdin, aws=version, home=self.name)

    @property
    def _answers(self) -> str:
        return f"{self.revealed.access_key_id}\n{self.revealed.secret_access_key}\n"
