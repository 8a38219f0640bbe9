"""A customer's machine in the sandbox: it runs the commands of the page exactly as they are."""

from dataclasses import dataclass
from pathlib import PurePosixPath

from provisioning.instructions import SECRET_HERE
from tests.stories.portal import Block, Revealed
from tests.stories.sandbox import Result, Sandbox

# How clients other than docker, which prints it, show the digest of what they pulled.
DIGEST = {
    "Podman": "podman image inspect --format '{{.Digest}}' $(podman images -q)",
    "Skopeo": "grep -o 'sha256:[0-9a-f]*' server/index.json",
    "Docker Compose": "docker image inspect --format '{{index .RepoDigests 0}}' "
    "$(docker compose config --images) | grep -o 'sha256:[0-9a-f]*'",
    "containerd": "ctr images ls | grep -o 'sha256:[0-9a-f]*'",
}
WITHOUT_PROFILE = {"Environment variables", ".env file"}
# They sign in by themselves at each pull.
SIGNS_IN_BY_ITSELF = {"Docker, credential helper", "containerd"}


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
        if self.tool not in WITHOUT_PROFILE:
            (configure,) = self.blocks[""]
            stored = self.run(configure.text, stdin=f"{self._answers}\n\n")
            assert stored.code == 0, stored.words
        for block in self.blocks[self.tool]:
            if block.file:
                self.write(block)

    def write(self, block: Block) -> None:
        """Fill in the secret where the page says so, and save the file."""
        text = block.text.replace(SECRET_HERE, self.revealed.secret_access_key)
        folder = PurePosixPath(block.file).parent
        saved = self.run(f"mkdir -p {folder} && cat > {block.file}", stdin=text)
        assert saved.code == 0, saved.words

    def sign_in(self) -> Result:
        """Run the commands before the pull in one shell."""
        commands = [block.text for block in self.blocks[self.tool][:-1] if not block.file]
        return self.run("\n".join(commands), stdin=self._answers)

    def pull(self) -> Result:
        return self.run(self.blocks[self.tool][-1].text)

    def digest(self, pulled: Result) -> str:
        if self.tool in DIGEST:
            return self.run(DIGEST[self.tool]).stdout.strip()
        return pulled.stdout.partition("Digest: ")[2].partition("\n")[0]

    def run(self, command: str, *, stdin: str = "") -> Result:
        version = "v1" if self.tool.endswith("CLI 1") else "v2"
        return self.box.run(command, stdin=stdin, aws=version, home=self.name)

    @property
    def _answers(self) -> str:
        return f"{self.revealed.access_key_id}\n{self.revealed.secret_access_key}\n"
