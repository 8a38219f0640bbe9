"""A registry whose role AWS refuses: one alarm instead of ten thousand retries.

The row that was refused keeps trying, with its backoff; every other row of the registry waits
until that one succeeds.
"""

import logging
from datetime import timedelta

from django.utils import timezone

from provisioning.aws.errors import AwsError
from provisioning.desired import schedule
from provisioning.models import PullUser, Reconciled, Registry
from provisioning.reconciler.result import Requeue, jittered

log = logging.getLogger(__name__)

# How often a row asks the database whether the pause is over.
RECHECK = timedelta(minutes=5)
# Rows that are woken at once when it is; the others come within RECHECK.
WAKE_LIMIT = 200


def require_running(row: Reconciled) -> None:
    """Raise Requeue while the row's registry is paused by another row."""
    registry = row.registry_in_charge
    if registry is None or registry.paused_at is None:
        return
    if registry.paused_by is None:
        # The row that paused it was deleted, so nothing else would end the pause.
        registry.end_pause()
    elif registry.paused_by != row:
        raise Requeue(timezone.now() + jittered(RECHECK))


def begin(row: Reconciled, error: AwsError) -> None:
    """Pause the row's registry; of many rows that are refused at once, one does so."""
    registry = row.registry_in_charge
    if registry is None:
        return
    running = Registry.objects.filter(pk=registry.pk, paused_at__isnull=True)
    pause = {"paused_at": timezone.now(), "paused_because": str(error)}
    if running.update(**pause, **{f"paused_by_{row.kind}": row}):
        log.error("Registry %s is paused: %s", registry, error)


def end(row: Reconciled) -> None:
    """The row's turn succeeded: if it had paused its registry, all rows go on."""
    registry = row.registry_in_charge
    if registry is None or registry.paused_by != row:
        return
    registry.end_pause()
    log.warning("The pause of registry %s has ended.", registry)
    soon = {"due_at__lte": timezone.now() + RECHECK}
    pull_users = PullUser.objects.filter(account_id=registry.account_id, **soon)
    repositories = registry.repositories.filter(**soon)
    schedule.wake(
        pull_users=list(pull_users.values_list("pk", flat=True)[:WAKE_LIMIT]),
        repositories=list(repositories.values_list("pk", flat=True)[:WAKE_LIMIT]),
    )
