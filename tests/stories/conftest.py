"""Fixtures of the stories."""

from collections.abc import Iterator

import pytest

from tests.requires import require
from tests.stories.world import Purchase, buy, world


@pytest.fixture(scope="session")
def bought() -> Iterator[Purchase]:
    """Alice's Acme Server, in a world with Docker and containerd."""
    require("dockerd", "docker", "containerd", "ctr", "podman", "the programs of make clients")
    with world() as box:
        box.start_docker()
        box.start_containerd()
        yield buy(box, "alice", "alice@birch.example", "Acme Server", "acme/server")
