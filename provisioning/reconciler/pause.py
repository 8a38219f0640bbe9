"""A registry whose role AWS refuses: one alarm instead of ten thousand retries.

A refusal belongs to the row that it hit, and every other row goes on. Only where the role itself is
refused, or the same call for several rows and for none of the others, do the registry's rows wait.
Those that were refused keep trying, with their backoff, and the first success ends the pause. So do
rows that have access to take away: that is held back by nothing but AWS's refusal of the very call.
"""

import logging
from datetime import timedelta
from typing import Any

from django.db import transaction
from django.db.models import QuerySet

from accounts import clock
from provisioning.aws.errors import Denied, Unauthorized
from provisioning.desired import schedule
from provisioning.models import Priority, PullUser, Reconciled, Registry, Repository, StepAttempt
from provisioning.notifications import trouble
from provisioning.reconciler.result import Requeue, jittered
from provisioning.states import Outcome

log = logging.getLogger(__name__)

# How often a row asks the database whether the pause is over.
RECHECK = timedelta(minutes=5)
# Rows that are woken at once when it is; the others come within RECHECK.
WAKE_LIMIT = 200
# How many rows must be denied the same call; and how many are, until no others try any more.
SEVERAL, TRIED = 2, 10
# What is denied where AWS refuses the role or the credentials, and no single call.
ROLE = "the role"
READS = ("Get", "List", "Describe")


def require_running(row: Reconciled) -> None:
    """Raise Requeue while the row must wait for its registry."""
    registry = row.registry_in_charge
    if registry is None or not registry.is_paused_for(row.kind):
        return
    if row.denied or row.has_to_take_away:
        return
    denied = sum(rows.exclude(denied="").count() for rows in _rows(registry).values())
    if not denied:
        # The rows that were refused are gone, so nothing else would end the pause.
        registry.end_pause()
        return
    if registry.paused_for and denied < TRIED and _was_not_tried_since(registry, row):
        # Perhaps only those that were refused are concerned.
        return
    raise Requeue(clock.now() + jittered(RECHECK))


def _was_not_tried_since(registry: Registry, row: Any) -> bool:
    return row.observed_at is None or row.observed_at < registry.paused_at


def after_refusal(row: Reconciled, error: Unauthorized | Denied) -> None:
    """Pause the row's registry if more than this row is refused; the row's own refusal has been
    recorded."""
    registry = row.registry_in_charge
    if registry is None:
        return
    if isinstance(error, Unauthorized):
        _pause(registry, "", error)
    elif not error.is_by_resource and _is_denied_to_all(registry, row, error.operation):
        _pause(registry, row.kind, error)


def end(row: Reconciled) -> None:
    """The row's turn succeeded: all rows go on if it had been refused, or did what others were
    refused."""
    registry = row.registry_in_charge
    if registry is None or not registry.is_paused_for(row.kind):
        return
    if not row.denied and not _did_what_is_denied(registry, row):
        return
    registry.end_pause()
    log.warning("The pause of registry %s has ended.", registry)
    soon = {
        kind: rows.filter(due_at__lte=clock.now() + RECHECK).values_list("pk", flat=True)
        for kind, rows in _rows(registry).items()
    }
    schedule.wake(
        pull_users=list(soon[PullUser.kind][:WAKE_LIMIT]),
        repositories=list(soon[Repository.kind][:WAKE_LIMIT]),
        priority=Priority.LATER,
    )


def _did_what_is_denied(registry: Registry, row: Reconciled) -> bool:
    other = _rows(registry)[row.kind].exclude(denied="").first()
    if other is None:
        return False
    done = StepAttempt.objects.filter(**{row.kind: row}, outcome=Outcome.DONE)
    return done.filter(step=_failed_step(other), started_at__gt=registry.paused_at).exists()


def _failed_step(row: Reconciled) -> str:
    failed = StepAttempt.objects.filter(**{row.kind: row}).first()
    return failed.step if failed else ""


def _rows(registry: Registry) -> dict[str, QuerySet[Reconciled]]:
    """What the registry's role works on, by kind."""
    return {
        PullUser.kind: PullUser.objects.filter(account_id=registry.account_id),
        Repository.kind: registry.repositories.all(),
        Registry.kind: Registry.objects.filter(pk=registry.pk),
    }


def _is_denied_to_all(registry: Registry, row: Reconciled, operation: str) -> bool:
    """Whether the call is denied for several rows, and succeeded for none since."""
    rows = _rows(registry)[row.kind]
    denied = rows.filter(denied=operation).order_by("failing_since")
    first = denied.first()
    if first is None or denied.count() < SEVERAL:
        return False
    others = rows.exclude(denied=operation)
    if operation.startswith(READS):
        since = {"observed_at__gt": first.failing_since}
        return not others.filter(**since).exists()
    done = StepAttempt.objects.filter(
        **{f"{row.kind}__in": others},
        step=_failed_step(row),
        outcome=Outcome.DONE,
        started_at__gt=first.failing_since,
    )
    return not done.exists()


def _pause(registry: Registry, kind: str, error: Exception) -> None:
    """Of many rows that are refused at once, one does so."""
    running = Registry.objects.filter(pk=registry.pk, paused_at__isnull=True)
    with transaction.atomic():
        if running.update(paused_at=clock.now(), paused_because=str(error), paused_for=kind):
            log.error("Registry %s is paused: %s", registry, error)
            trouble.paused(registry, str(error))
