"""How a customer's machine signs in and pulls, tool by tool, as data. Pure: one place
holds the commands that the page shows and the tests run."""

from dataclasses import dataclass

from provisioning.instructions.clusters import on_clusters
from provisioning.instructions.machines import on_machines
from provisioning.instructions.pipelines import in_pipelines
from provisioning.instructions.place import SECRET_HERE, Block, Instruction, Place
from provisioning.instructions.proofs import Proof
from provisioning.instructions.stored import credentials_file, env_file, set_up

__all__ = [
    "SECRET_HERE",
    "Block",
    "Group",
    "Instruction",
    "Place",
    "Proof",
    "credentials_file",
    "env_file",
    "for_tools",
    "in_groups",
    "set_up",
]


@dataclass(frozen=True)
class Group:
    slug: str
    title: str
    tools: list[Instruction]


def in_groups(place: Place) -> list[Group]:
    """The ways to pull by where it happens, the usual ones first."""
    return [
        Group("machine", "On a machine", on_machines(place)),
        Group("cluster", "In Kubernetes", on_clusters(place)),
        Group("pipeline", "In a pipeline", in_pipelines(place)),
    ]


def for_tools(place: Place) -> list[Instruction]:
    return [tool for group in in_groups(place) for tool in group.tools]
