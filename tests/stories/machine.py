"""A customer's machine in the sandbox: it runs what the page gives, to the letter."""

from dataclasses import dataclass
from pathlib import PurePosixPath

from tests.stories.portal import Block, Revealed
from tests.stories.sandbox import Result, Sandbox

# Where clients other than docker, which prints it, tell the digest of what they pulled.
DIGEST = {
    "Podman": "podman image inspect --format '{{.Digest}}' $(podman images -q)",
    "Skopeo": "grep -o 'sha256:[0-9a-f]*' server/index.json",
}


@dataclass
class CustomerMachine:
    """One machine, whose people use one tool. ``blocks``: what the page gives, by tool."""

    box: Sandbox
    name: str
    tool: str
    blocks: dict[str, list[Block]]

    def store(self, revealed: Revealed) -> None:
        """Answer what ``aws configure`` of the page asks."""
        (configure,) = self.blocks[""]
        answers = [revealed.access_key_id, revealed.secret_access_key, "", ""]
        stored = self.run(configure.text, stdin="\n".join(answers) + "\n")
        assert stored.code == 0, stored.words

    def sign_in(self) -> Result:
        """Carry out what stands before the pull: a command, or a file to fill."""
        (block,) = self.blocks[self.tool][:-1]
        if not block.file:
            return self.run(block.text)
        folder = PurePosixPath(block.file).parent
        return self.run(f"mkdir -p {folder} && cat > {block.file}", stdin=block.text)

    def pull(self) -> Result:
        return self.run(self.blocks[self.tool][-1].text)

    def digest(self, pulled: Result) -> str:
        if self.tool in DIGEST:
            return self.run(DIGEST[self.tool]).stdout.strip()
        return pulled.stdout.partition("Digest: ")[2].partition("\n")[0]

    def run(self, command: str, *, stdin: str = "") -> Result:
        version = "v1" if self.tool.endswith("CLI 1") else "v2"
        return self.box.run(command, stdin=stdin, aws=version, home=self.name)
