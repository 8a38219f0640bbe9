"""One turn for one row: observe AWS, compare with what is wanted, act on the difference,
record. A turn may be run twice, beside itself, or die anywhere: the next one ends it."""

from provisioning.models import PullUser, Registry, Repository
from provisioning.reconcile import pull_user, registry, repository
from provisioning.reconcile.turn import run
from provisioning.wanted import Due


def pull_user_turn(pk: int) -> Due:
    """Bring one pull user into agreement with AWS. Returns whose turn it is next."""
    return run(PullUser, pk, pull_user.reconcile)


def repository_turn(pk: int) -> Due:
    """Bring one repository's policy into agreement. Returns whose turn it is next."""
    return run(Repository, pk, repository.reconcile)


def registry_turn(pk: int) -> Due:
    """Look at what belongs to an account as a whole. Returns whose turn it is next."""
    return run(Registry, pk, registry.reconcile)
