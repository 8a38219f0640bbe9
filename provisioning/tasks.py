"""Thin Celery tasks: each loads one row by its id and runs one turn. The ledger is the
workflow; a message is only a hint that a row is due."""

import logging
from collections import defaultdict
from collections.abc import Collection
from datetime import datetime, timedelta

from celery import Task, shared_task
from django.db.models import Count
from kombu.exceptions import ChannelError, OperationalError

from accounts import cache, clock
from accounts.audit import alarm, chain
from accounts.emails import delivery
from accounts.models import Email
from accounts.sessions.store import SessionStore
from provisioning import reconciler
from provisioning.aws.errors import AwsError
from provisioning.models import (
    Priority,
    PullUser,
    Reconciled,
    Registry,
    Repository,
    update_in_order,
)
from provisioning.notifications import reminders
from provisioning.reconciler import entitlement, hold, images, uses
from provisioning.reconciler.closure import record_closures, tell_of_late_closures
from provisioning.reconciler.lease import free

log = logging.getLogger(__name__)

# A task and its arguments.
Message = tuple[Task, tuple[int | str, ...]]

# Rows of a kind that wait in a queue at most before the sweep adds none to them.
SWEEP_LIMIT = 500
# Repositories whose images one sweep has read at most: nobody waits for them.
IMAGES_LIMIT = 10
# Pull users of whose keys one sweep has the last use read at most.
USES_LIMIT = 10
# Audit lines that one run links at most.
LINK_LIMIT = 1000
# Between the moment a worker takes a message off the queue and the claim of its row.
TO_CLAIM = timedelta(seconds=5)


@shared_task
def pull_user_turn(pk: int) -> None:
    reconciler.pull_user_turn(pk)


@shared_task
def repository_turn(pk: int) -> None:
    reconciler.repository_turn(pk)


@shared_task
def registry_turn(pk: int) -> None:
    reconciler.registry_turn(pk)


@shared_task
def read_images(pk: int) -> None:
    images.read(pk)


@shared_task
def read_uses(pk: int) -> None:
    uses.read(pk)


@shared_task(expires=60)
def compare_epoch(pk: int) -> None:
    """Find out whether the database was restored from a backup."""
    registry = Registry.objects.filter(pk=pk).first()
    try:
        hold.look(registry)
    except AwsError as error:
        log.warning("The epoch of registry %s is not compared: %s", registry, error)


@shared_task
def send_reminders() -> None:
    reminders.send()
    tell_of_late_closures()


@shared_task
def send_emails() -> None:
    delivery.send_due()


@shared_task
def clear_expired() -> None:
    SessionStore.clear_expired()
    cache.clear_expired()


@shared_task
def link_audit_log() -> None:
    chain.link(LINK_LIMIT)


@shared_task
def watch_audit_log() -> None:
    alarm.watch()


@shared_task
def sweep() -> None:
    """Apply the dates of entitlements, record what has ended, then enqueue what is due and has no
    message waiting; one message serves for all emails."""
    _send([(compare_epoch, (pk,)) for pk in sorted(hold.take_due())])
    if hold.is_trusted():
        entitlement.apply_due()
    record_closures()
    for model in TURNS:
        enqueue(model, _due(model))
    sent_at = clock.now().isoformat()
    for priority in Priority:
        _send([(release_lost, (sent_at, priority))], QUEUES[priority])
    _send(_image_messages(), QUEUES[Priority.OBSERVATION])
    use_messages: list[Message] = [(read_uses, (pk,)) for pk in sorted(uses.take_due(USES_LIMIT))]
    _send(use_messages, QUEUES[Priority.OBSERVATION])
    if Email.objects.due().exists():
        _send([(send_emails, ())])


@shared_task(expires=60)
def release_lost(sent_at: str, priority: int) -> None:
    """Free the rows of this priority whose message is lost. A queue hands out its messages in the
    order in which they were sent: when this one arrives, those sent before it have arrived, too."""
    before = datetime.fromisoformat(sent_at) - TO_CLAIM
    for model in TURNS:
        lost = model._default_manager.filter(queued_at__lt=before, priority=priority)
        if lost.exists():
            update_in_order(lost, queued_at=None)


# Workers take them in the order of their names. Before all of them comes housekeeping, which is
# everything else and costs little, so that the sweep is never late.
QUEUES = {
    Priority.URGENT: "1-urgent",
    Priority.LATER: "2-later",
    Priority.OBSERVATION: "3-observation",
}
TURNS: dict[type[Reconciled], Task] = {
    PullUser: pull_user_turn,
    Repository: repository_turn,
    Registry: registry_turn,
}


def enqueue(model: type[Reconciled], pks: set[int]) -> None:
    """Send a message for each of these rows that has none waiting. A broker that is down loses
    nothing: the rows stay due, and the sweep comes back to them."""
    if not pks:
        return
    rows, now = model._default_manager, clock.now()
    # Of two that enqueue the same row, one does.
    update_in_order(rows.filter(free(now), pk__in=pks, queued_at__isnull=True), queued_at=now)
    mine = rows.filter(pk__in=pks, queued_at=now)
    waiting: dict[int, list[int]] = defaultdict(list)
    for pk, priority in mine.order_by("pk").values_list("pk", "priority"):
        waiting[priority].append(pk)
    for priority, found in sorted(waiting.items()):
        queue = QUEUES[Priority(priority)]
        if model is Repository:
            # Before the turns, so that an opened repository has its images on the page.
            _send(_image_messages(found), queue)
        if not _send([(TURNS[model], (pk,)) for pk in found], queue):
            update_in_order(mine.filter(pk__in=found), queued_at=None)


def _due(model: type[Reconciled]) -> set[int]:
    """The rows that are due and have no message waiting: as many as their queue has room for."""
    now = clock.now()
    rows = model._default_manager
    queued = rows.filter(queued_at__isnull=False).values_list("priority")
    waiting = dict(queued.annotate(Count("pk")).order_by())
    due = rows.filter(free(now), due_at__lte=now, queued_at__isnull=True).order_by("due_at")
    found: set[int] = set()
    for priority in Priority:
        room = max(0, SWEEP_LIMIT - waiting.get(priority, 0))
        found.update(due.filter(priority=priority).values_list("pk", flat=True)[:room])
    return found


def _image_messages(among: Collection[int] | None = None) -> list[Message]:
    return [(read_images, (pk,)) for pk in sorted(images.take_due(IMAGES_LIMIT, among))]


def _send(messages: list[Message], queue: str | None = None) -> bool:
    """Returns whether the broker accepted them all. Without a queue, it is housekeeping."""
    try:
        for task, arguments in messages:
            task.apply_async(arguments, queue=queue)
    except (ChannelError, OperationalError) as error:
        log.warning("The broker accepts no messages; the sweep will send them again: %s", error)
        return False
    return True
