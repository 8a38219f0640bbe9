"""The worker's part, taken in the test's own process: the same turns, without a broker."""

from django.utils import timezone

from provisioning import reconcile
from provisioning.models import PullUser, Reconciled, Repository
from provisioning.wanted import settle_dates

MOST = 200


def take_turns(*, even_if_not_due: bool = False) -> None:
    """Take every turn that is due, until none is; ``even_if_not_due`` brings those forward
    that wait for their next try."""
    settle_dates()
    if even_if_not_due:
        for model in (PullUser, Repository):
            model.objects.filter(due_at__isnull=False).update(due_at=timezone.now())
    for _ in range(MOST):
        pull_users, repositories = due(PullUser), due(Repository)
        if not pull_users and not repositories:
            return
        for pk in pull_users:
            reconcile.pull_user_turn(pk)
        for pk in repositories:
            reconcile.repository_turn(pk)
    raise AssertionError(f"Turns are still due after {MOST} rounds.")


def due(model: type[Reconciled]) -> list[int]:
    rows = model._default_manager.filter(due_at__lte=timezone.now())
    return list(rows.order_by("due_at", "pk").values_list("pk", flat=True))
