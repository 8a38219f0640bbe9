"""One turn for one row: observe AWS, compare it with what is desired, act on the difference,
record. A turn may run twice, beside itself, or die anywhere: the next one completes it."""

from provisioning.models import PullUser, Registry, Repository
from provisioning.reconciler import registry
from provisioning.reconciler.pull_user.reconcile import reconcile as reconcile_pull_user
from provisioning.reconciler.repository.reconcile import reconcile as reconcile_repository
from provisioning.reconciler.turn import run


def pull_user_turn(pk: int) -> None:
    """Bring one pull user into agreement with AWS."""
    run(PullUser, pk, reconcile_pull_user)


def repository_turn(pk: int) -> None:
    """Bring one repository's policy into agreement."""
    run(Repository, pk, reconcile_repository)


def registry_turn(pk: int) -> None:
    """Look at what belongs to an account as a whole."""
    run(Registry, pk, registry.reconcile)
