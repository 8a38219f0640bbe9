"""The worker, in the test's own process: the portal's own sweep sends the messages, and their tasks
run here one after the other."""

from datetime import timedelta

from django.utils import timezone

from provisioning import tasks
from provisioning.models import (
    AccessKey,
    Drift,
    PullUser,
    Reconciled,
    Registry,
    Repository,
    StepAttempt,
)
from tests import messages

MOST = 200
ROWS: tuple[type[Reconciled], ...] = (PullUser, Repository, Registry)
TURNS = {"pull_user_turn", "repository_turn", "registry_turn"}
# Tests that are about emails send them themselves.
TASKS = TURNS | {"read_images", "compare_epoch"}


def take_turns(*, even_if_not_due: bool = False) -> None:
    """Take every turn that is due, until none is; ``even_if_not_due`` brings forward those that
    wait for their next try."""
    if even_if_not_due:
        for model in ROWS:
            model._default_manager.filter(due_at__isnull=False).update(due_at=timezone.now())
    for _ in range(MOST):
        tasks.sweep()
        if not run_messages():
            return
    raise AssertionError(f"Turns are still due after {MOST} sweeps.")


def run_messages() -> bool:
    """Run the tasks of all messages that wait. Returns whether there was a turn among them."""
    is_turn = False
    while waiting := messages.receive():
        for name, arguments in waiting:
            if name in TASKS:
                getattr(tasks, name)(*arguments)
            is_turn |= name in TURNS
    return is_turn


def run_until_settled() -> None:
    """As if time passed: drift is seen a second time, and what failed is retried, until a round
    of turns finds nothing to do."""
    for _ in range(4):
        before = StepAttempt.objects.count()
        take_turns(even_if_not_due=True)
        is_failing = any(model._default_manager.filter(failures__gt=0).exists() for model in ROWS)
        is_quiet = StepAttempt.objects.count() == before and not Drift.objects.open().exists()
        if is_quiet and not is_failing:
            return


def long_ago() -> None:
    """Let every attempt have been made ten minutes before: AWS shows by now what they did."""
    then = timezone.now() - timedelta(minutes=10)
    StepAttempt.objects.update(started_at=then)
    StepAttempt.objects.filter(ended_at__isnull=False).update(ended_at=then)
    AccessKey.objects.update(created_at=then)
    AccessKey.objects.filter(refused_since__isnull=False).update(refused_since=then)


def due(model: type[Reconciled]) -> list[int]:
    rows = model._default_manager.filter(due_at__lte=timezone.now())
    return list(rows.order_by("due_at", "pk").values_list("pk", flat=True))
