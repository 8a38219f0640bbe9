"""Thin Celery tasks: each loads one row by its id and runs one turn. The ledger is the
workflow; a message is only a hint that a row is due."""

import logging
from collections.abc import Collection
from datetime import timedelta

from celery import Task, shared_task
from django.db import models, transaction
from django.utils import timezone
from kombu.exceptions import OperationalError

from accounts import seals, sending
from accounts.models import Letter
from provisioning import expiry, images, reconcile
from provisioning.models import PullUser, Reconciled, Registry, Repository
from provisioning.wanted import Due, settle_dates

log = logging.getLogger(__name__)

# Rows that one sweep enqueues at most, of each kind.
SWEEP_LIMIT = 500
# Repositories whose images one sweep has read at most: work that nobody waits for.
IMAGES_LIMIT = 10
# Audit lines that one run seals at most.
SEAL_LIMIT = 1000
# How long a row that was enqueued is left to its message before it is enqueued again.
RESEND = timedelta(seconds=30)


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
    """Enqueue what is due, whatever became of its message; of letters, one message for all."""
    settle_dates()
    enqueue(Due(_take_due(PullUser), _take_due(Repository), _take_due(Registry)))
    _send(_image_turns())
    if Letter.objects.due().exists():
        _send([(send_letters, ())])


@shared_task
def seal_audit_log() -> None:
    seals.seal(SEAL_LIMIT)


def enqueue(due: Due) -> None:
    """Send a message for each row. A broker that is down loses nothing: the rows stay
    due, and the sweep comes back to them."""
    _send(
        [
            # Before the turns, so that an opened repository has its images on the page.
            *_image_turns(due.repositories),
            *((pull_user_turn, (pk,)) for pk in sorted(due.pull_users)),
            *((repository_turn, (pk,)) for pk in sorted(due.repositories)),
            *((registry_turn, (pk,)) for pk in sorted(due.registries)),
        ]
    )


def _image_turns(among: Collection[int] | None = None) -> list[tuple[Task, tuple[int, ...]]]:
    return [(images_turn, (pk,)) for pk in sorted(images.take_due(IMAGES_LIMIT, among))]


def _send(messages: list[tuple[Task, tuple[int, ...]]]) -> None:
    try:
        for task, arguments in messages:
            task.delay(*arguments)
    except OperationalError as error:
        log.warning("The broker is down; the sweep will bring it up: %s", error)


def enqueue_on_commit(due: Due) -> None:
    """Enqueue when the transaction of the deed is in the database."""
    transaction.on_commit(lambda: enqueue(due))


def _take_due(model: type[Reconciled]) -> set[int]:
    now = timezone.now()
    rows: models.QuerySet[Reconciled] = model._default_manager.filter(due_at__lte=now)
    taken = set(rows.order_by("due_at").values_list("pk", flat=True)[:SWEEP_LIMIT])
    rows.filter(pk__in=taken).update(due_at=now + RESEND)
    return taken
