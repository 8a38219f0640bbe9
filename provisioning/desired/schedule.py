"""Whose turn it is. ``wake`` is the one way to make rows due now, and to tell the workers."""

from collections.abc import Callable, Collection

from django.db import transaction
from django.utils import timezone

from provisioning.models import PullUser, Reconciled, Registry, Repository

# Sends a message for each row of a model.
Send = Callable[[type[Reconciled], set[int]], None]


def _nowhere(model: type[Reconciled], pks: set[int]) -> None:
    """Without workers the rows stay due, and a sweep finds them."""


_send: Send = _nowhere


def send_by(send: Send) -> None:
    """Set how messages reach the workers; called once, at the start. The broker is known to the
    tasks alone, which lie above this room."""
    global _send
    _send = send


def wake(
    *,
    registries: Collection[int] = (),
    repositories: Collection[int] = (),
    pull_users: Collection[int] = (),
) -> None:
    """Make these rows due now, by primary key. After the commit, a message is sent for each."""
    now = timezone.now()
    woken: tuple[tuple[type[Reconciled], Collection[int]], ...] = (
        (PullUser, pull_users),
        (Repository, repositories),
        (Registry, registries),
    )
    for model, pks in woken:
        if pks:
            model._default_manager.filter(pk__in=pks).update(due_at=now)
            notify(model, pks)


def wake_row(row: Reconciled) -> None:
    """Make one row due now."""
    type(row)._default_manager.filter(pk=row.pk).update(due_at=timezone.now())
    notify(type(row), {row.pk})


def notify(model: type[Reconciled], pks: Collection[int]) -> None:
    """Have a message sent for each of these rows, which are due already, after the commit."""
    transaction.on_commit(lambda: _send(model, set(pks)))
