"""How a customer's machine signs in and pulls, tool by tool, as data. Pure: one place
holds the commands that the page shows and the tests run."""

from provisioning.instructions.clusters import on_clusters
from provisioning.instructions.machines import on_machines, set_up
from provisioning.instructions.pipelines import in_pipelines
from provisioning.instructions.place import SECRET_HERE, Block, Instruction, Place
from provisioning.instructions.proofs import Proof

__all__ = ["SECRET_HERE", "Block", "Instruction", "Place", "Proof", "for_tools", "set_up"]


def for_tools(place: Place) -> list[Instruction]:
    """The ways to pull, the usual one first."""
    return [*on_machines(place), *on_clusters(place), *in_pipelines(place)]
