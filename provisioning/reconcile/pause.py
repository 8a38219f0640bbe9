"""A registry whose role AWS refuses: one alarm instead of ten thousand tries.

The row that was refused keeps trying, with its backoff; every other row of the registry
waits until that one gets through.
"""

import logging
from datetime import timedelta

from django.utils import timezone

from provisioning.aws.errors import AwsError
from provisioning.models import PullUser, Reconciled, Registry, Repository
from provisioning.reconcile.ending import NotNow, jittered
from provisioning.wanted import Due

log = logging.getLogger(__name__)

# How often a row asks the database whether the pause is over.
RECHECK = timedelta(minutes=5)
# Rows that are woken at once when it is; the others come within RECHECK.
WAKE_LIMIT = 200


def registry_of(row: Reconciled) -> Registry | None:
    """The registry by whose role a row is worked on. IAM is one for all regions: any
    registry of the account leads there."""
    match row:
        case Registry():
            return row
        case Repository():
            return row.registry
        case PullUser():
            return Registry.objects.filter(account_id=row.account_id).order_by("pk").first()
    return None


def require_open(row: Reconciled) -> None:
    """Raise NotNow while the row's registry is paused by another."""
    registry = registry_of(row)
    if registry and registry.paused_by not in ("", row.row_name):
        raise NotNow(timezone.now() + jittered(RECHECK))


def begin(row: Reconciled, error: AwsError) -> None:
    """Pause the row's registry; of many who are refused at once, one does."""
    registry = registry_of(row)
    if registry is None:
        return
    paused = Registry.objects.filter(pk=registry.pk, paused_by="")
    if paused.update(paused_by=row.row_name, paused_because=str(error)):
        log.error("Registry %s is paused: %s", registry, error)


def end(row: Reconciled) -> Due:
    """The row got through: if it was the one that paused its registry, all go on."""
    registry = registry_of(row)
    if registry is None or registry.paused_by != row.row_name:
        return Due()
    resume(registry)
    log.warning("Registry %s goes on.", registry)
    now = timezone.now()
    soon = {"due_at__lte": now + RECHECK}
    pull_users = PullUser.objects.filter(account_id=registry.account_id, **soon)
    repositories = registry.repositories.filter(**soon)
    return Due(
        set(pull_users.values_list("pk", flat=True)[:WAKE_LIMIT]),
        set(repositories.values_list("pk", flat=True)[:WAKE_LIMIT]),
    )


def resume(registry: Registry) -> None:
    Registry.objects.filter(pk=registry.pk).update(paused_by="", paused_because="")
