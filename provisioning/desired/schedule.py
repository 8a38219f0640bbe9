"""Whose turn it is, and when. ``wake`` is the one way to make rows due now, and to tell the
workers; ``next_date`` the one answer to when an entitlement next changes by itself."""

from collections.abc import Callable, Collection
from datetime import datetime

from django.db import transaction
from django.db.models import Case, PositiveSmallIntegerField, When

from accounts import clock
from provisioning.models import (
    Entitlement,
    Priority,
    PullUser,
    Reconciled,
    Registry,
    Repository,
    update_in_order,
)

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
    priority: Priority = Priority.URGENT,
) -> None:
    """Make these rows due now, by primary key. After the commit, a message is sent for each."""
    woken: tuple[tuple[type[Reconciled], Collection[int]], ...] = (
        (PullUser, pull_users),
        (Repository, repositories),
        (Registry, registries),
    )
    for model, pks in woken:
        if pks:
            _make_due(model, pks, priority)


def wake_row(row: Reconciled) -> None:
    """Make one row due now."""
    wake_pk(type(row), row.pk)


def wake_pk(model: type[Reconciled], pk: int) -> None:
    """Make one row due now, by primary key."""
    _make_due(model, {pk}, Priority.URGENT)


def _make_due(model: type[Reconciled], pks: Collection[int], priority: Priority) -> None:
    """A row that is more urgent than before does not wait for its message in a slower queue."""
    update_in_order(
        model._default_manager.filter(pk__in=pks),
        due_at=clock.now(),
        queued_at=Case(When(priority__gt=priority, then=None), default="queued_at"),
        priority=Case(
            When(priority__gt=priority, then=priority),
            default="priority",
            output_field=PositiveSmallIntegerField(),
        ),
    )
    notify(model, pks)


def notify(model: type[Reconciled], pks: Collection[int]) -> None:
    """Have a message sent for each of these rows, which are due already, after the commit."""
    transaction.on_commit(lambda: _send(model, set(pks)))


def next_date(entitlement: Entitlement) -> datetime | None:
    """When the dates of what was approved next change what is desired: at its start, then at its
    end; None where there is no such date left."""
    now = clock.now()
    dates = (entitlement.starts_at, entitlement.ends_at)
    return min((date for date in dates if date and date > now), default=None)
