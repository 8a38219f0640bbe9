"""How a customer's machine signs in and pulls, tool by tool, as data. Pure: one place
holds the commands that the page shows and the tests run."""

from dataclasses import dataclass

from provisioning.instructions.clusters import on_clusters
from provisioning.instructions.machines import for_charts, on_machines
from provisioning.instructions.pipelines import in_pipelines
from provisioning.instructions.proofs import Proof
from provisioning.instructions.script import script
from provisioning.instructions.stored import (
    change_over,
    credentials_file,
    env_file,
    kubernetes_secret,
    set_up,
)
from provisioning.instructions.target import (
    SECRET_HERE,
    Block,
    Instruction,
    PullTarget,
    profile_of,
)

__all__ = [
    "SECRET_HERE",
    "Block",
    "Group",
    "Instruction",
    "Proof",
    "PullTarget",
    "change_over",
    "credentials_file",
    "env_file",
    "for_tools",
    "in_groups",
    "kubernetes_secret",
    "profile_of",
    "script",
    "set_up",
]


@dataclass(frozen=True)
class Group:
    slug: str
    title: str
    tools: list[Instruction]


def in_groups(target: PullTarget, *, is_chart: bool = False) -> list[Group]:
    """The ways to pull an image, or a Helm chart, by where it happens, the usual ones first."""
    if is_chart:
        return [Group("machine", "On a machine", for_charts(target))]
    return [
        Group("machine", "On a machine", on_machines(target)),
        Group("cluster", "In Kubernetes", on_clusters(target)),
        Group("pipeline", "In a pipeline", in_pipelines(target)),
    ]


def for_tools(target: PullTarget) -> list[Instruction]:
    """All of them."""
    groups = [*in_groups(target), *in_groups(target, is_chart=True)]
    return [tool for group in groups for tool in group.tools]
