"""The worker's part, taken in the test's own process: the same turns, without a broker."""

from datetime import timedelta

from django.utils import timezone

from provisioning import images, reconcile
from provisioning.models import (
    AccessKey,
    PullUser,
    Reconciled,
    Registry,
    Repository,
    StepAttempt,
)
from provisioning.wanted import settle_dates

MOST = 200


def take_turns(*, even_if_not_due: bool = False) -> None:
    """Take every turn that is due, until none is; ``even_if_not_due`` brings those forward
    that wait for their next try."""
    settle_dates()
    if even_if_not_due:
        for model in (PullUser, Repository, Registry):
            model.objects.filter(due_at__isnull=False).update(due_at=timezone.now())
    for _ in range(MOST):
        pull_users, repositories, registries = due(PullUser), due(Repository), due(Registry)
        if not pull_users and not repositories and not registries:
            return
        for pk in images.take_due(MOST):
            images.read(pk)
        for pk in pull_users:
            reconcile.pull_user_turn(pk)
        for pk in repositories:
            reconcile.repository_turn(pk)
        for pk in registries:
            reconcile.registry_turn(pk)
    raise AssertionError(f"Turns are still due after {MOST} rounds.")


def settle_down() -> None:
    """As if time passed: drift is seen a second time, and what failed is tried again."""
    for _ in range(4):
        take_turns(even_if_not_due=True)


def long_ago() -> None:
    """Let every try have been made ten minutes before: AWS shows by now what they did."""
    StepAttempt.objects.update(started_at=timezone.now() - timedelta(minutes=10))
    AccessKey.objects.update(created_at=timezone.now() - timedelta(minutes=10))


def due(model: type[Reconciled]) -> list[int]:
    rows = model._default_manager.filter(due_at__lte=timezone.now())
    return list(rows.order_by("due_at", "pk").values_list("pk", flat=True))
