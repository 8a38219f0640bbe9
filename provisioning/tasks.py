"""Thin Celery tasks: each loads one row by its id and runs one turn. The ledger is the
workflow; a message is only a hint that a row is due."""

import logging
from collections.abc import Collection
from datetime import datetime, timedelta

from celery import Task, shared_task
from django.db import transaction
from django.utils import timezone
from kombu.exceptions import ChannelError, OperationalError

from accounts import seals, sending
from accounts.models import Letter
from provisioning import expiry, images, reconcile
from provisioning.lease import free
from provisioning.models import PullUser, Reconciled, Registry, Repository
from provisioning.wanted import Due, settle_dates

log = logging.getLogger(__name__)

# A task and its arguments.
Message = tuple[Task, tuple[int | str, ...]]

# Rows that one sweep enqueues at most, of each kind.
SWEEP_LIMIT = 500
# Repositories whose images one sweep has read at most: work that nobody waits for.
IMAGES_LIMIT = 10
# Audit lines that one run seals at most.
SEAL_LIMIT = 1000
# Between the moment a worker takes a message off the queue and the claim of its row.
TO_CLAIM = timedelta(seconds=5)


@shared_task
def pull_user_turn(pk: int) -> None:
    enqueue(reconcile.pull_user_turn(pk))


@shared_task
def repository_turn(pk: int) -> None:
    enqueue(reconcile.repository_turn(pk))


@shared_task
def registry_turn(pk: int) -> None:
    enqueue(reconcile.registry_turn(pk))


@shared_task
def images_turn(pk: int) -> None:
    images.read(pk)


@shared_task
def warn_of_expiry() -> None:
    expiry.warn()


@shared_task
def send_letters() -> None:
    sending.send_due()


@shared_task
def sweep() -> None:
    """Enqueue what is due and has no message waiting; of letters, one message for all."""
    settle_dates()
    enqueue(Due(_due(PullUser), _due(Repository), _due(Registry)))
    _send([(release_lost, (timezone.now().isoformat(),)), *_image_turns()])
    if Letter.objects.due().exists():
        _send([(send_letters, ())])


@shared_task(expires=60)
def release_lost(sent_at: str) -> None:
    """Free the rows whose message is lost. A queue hands out its messages in the order in
    which they were sent: when this one arrives, those sent before it have arrived, too."""
    before = datetime.fromisoformat(sent_at) - TO_CLAIM
    for model in TURNS:
        model._default_manager.filter(queued_at__lt=before).update(queued_at=None)


@shared_task
def seal_audit_log() -> None:
    seals.seal(SEAL_LIMIT)


TURNS: dict[type[Reconciled], Task] = {
    PullUser: pull_user_turn,
    Repository: repository_turn,
    Registry: registry_turn,
}


def enqueue(due: Due) -> None:
    """Send a message for each row that has none waiting. A broker that is down loses
    nothing: the rows stay due, and the sweep comes back to them."""
    # Before the turns, so that an opened repository has its images on the page.
    _send(_image_turns(due.repositories))
    for model, pks in (
        (PullUser, due.pull_users),
        (Repository, due.repositories),
        (Registry, due.registries),
    ):
        _enqueue(model, pks)


def _enqueue(model: type[Reconciled], pks: set[int]) -> None:
    if not pks:
        return
    rows, now = model._default_manager, timezone.now()
    # Of two who enqueue the same row, one does.
    rows.filter(free(now), pk__in=pks, queued_at__isnull=True).update(queued_at=now)
    mine = rows.filter(pk__in=pks, queued_at=now)
    if not _send([(TURNS[model], (row.pk,)) for row in mine.only("pk").order_by("pk")]):
        mine.update(queued_at=None)


def _image_turns(among: Collection[int] | None = None) -> list[Message]:
    return [(images_turn, (pk,)) for pk in sorted(images.take_due(IMAGES_LIMIT, among))]


def _send(messages: list[Message]) -> bool:
    """Returns whether the broker took them all."""
    try:
        for task, arguments in messages:
            task.delay(*arguments)
    except (ChannelError, OperationalError) as error:
        log.warning("The broker takes no messages; the sweep will send them again: %s", error)
        return False
    return True


def enqueue_on_commit(due: Due) -> None:
    """Enqueue when the transaction of the deed is in the database."""
    transaction.on_commit(lambda: enqueue(due))


def _due(model: type[Reconciled]) -> set[int]:
    now = timezone.now()
    rows = model._default_manager.filter(free(now), due_at__lte=now, queued_at__isnull=True)
    return set(rows.order_by("due_at").values_list("pk", flat=True)[:SWEEP_LIMIT])
