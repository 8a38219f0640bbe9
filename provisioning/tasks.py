"""Thin Celery tasks: each loads one row by its id and runs one turn. The ledger is the
workflow; a message is only a hint that a row is due."""

import logging
from collections.abc import Collection
from datetime import datetime, timedelta

from celery import Task, shared_task
from kombu.exceptions import ChannelError, OperationalError

from accounts import cache, clock
from accounts.audit import alarm, chain
from accounts.emails import delivery
from accounts.models import Email
from accounts.sessions.store import SessionStore
from provisioning import reconciler
from provisioning.aws.errors import AwsError
from provisioning.models import PullUser, Reconciled, Registry, Repository, update_in_order
from provisioning.notifications import reminders
from provisioning.reconciler import entitlement, hold, images
from provisioning.reconciler.closure import record_closures
from provisioning.reconciler.lease import free

log = logging.getLogger(__name__)

# A task and its arguments.
Message = tuple[Task, tuple[int | str, ...]]

# Rows that one sweep enqueues at most, of each kind.
SWEEP_LIMIT = 500
# Repositories whose images one sweep has read at most: nobody waits for them.
IMAGES_LIMIT = 10
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
    _send([(release_lost, (clock.now().isoformat(),)), *_image_messages()])
    if Email.objects.due().exists():
        _send([(send_emails, ())])


@shared_task(expires=60)
def release_lost(sent_at: str) -> None:
    """Free the rows whose message is lost. A queue hands out its messages in the order in
    which they were sent: when this one arrives, those sent before it have arrived, too."""
    before = datetime.fromisoformat(sent_at) - TO_CLAIM
    for model in TURNS:
        update_in_order(model._default_manager.filter(queued_at__lt=before), queued_at=None)


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
    if model is Repository:
        # Before the turns, so that an opened repository has its images on the page.
        _send(_image_messages(pks))
    rows, now = model._default_manager, clock.now()
    # Of two that enqueue the same row, one does.
    update_in_order(rows.filter(free(now), pk__in=pks, queued_at__isnull=True), queued_at=now)
    mine = rows.filter(pk__in=pks, queued_at=now)
    if not _send([(TURNS[model], (row.pk,)) for row in mine.only("pk").order_by("pk")]):
        update_in_order(mine, queued_at=None)


def _due(model: type[Reconciled]) -> set[int]:
    now = clock.now()
    rows = model._default_manager.filter(free(now), due_at__lte=now, queued_at__isnull=True)
    return set(rows.order_by("due_at").values_list("pk", flat=True)[:SWEEP_LIMIT])


def _image_messages(among: Collection[int] | None = None) -> list[Message]:
    return [(read_images, (pk,)) for pk in sorted(images.take_due(IMAGES_LIMIT, among))]


def _send(messages: list[Message]) -> bool:
    """Returns whether the broker accepted them all."""
    try:
        for task, arguments in messages:
            task.delay(*arguments)
    except (ChannelError, OperationalError) as error:
        log.warning("The broker accepts no messages; the sweep will send them again: %s", error)
        return False
    return True
