"""What a turn costs that finds nothing to do."""

from collections.abc import Callable

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from provisioning import reconciler
from provisioning.demo.seed import Cast
from provisioning.models import PullUser, Reconciled, Registry, Repository
from tests.aws import Aws
from tests.entitlements import approved
from tests.worker import take_turns


@pytest.mark.parametrize(
    ("model", "turn", "most"),
    [
        (PullUser, reconciler.pull_user_turn, 24),
        (Repository, reconciler.repository_turn, 13),
        (Registry, reconciler.registry_turn, 17),
    ],
)
def test_turn_that_finds_nothing_to_do_needs_few_statements(
    aws: Aws, cast: Cast, model: type[Reconciled], turn: Callable[[int], None], most: int
) -> None:
    approved(cast)
    take_turns()
    take_turns(even_if_not_due=True)
    row = model._default_manager.earliest("pk")
    model._default_manager.filter(pk=row.pk).update(due_at=timezone.now())
    with CaptureQueriesContext(connection) as statements, aws.no_changes():
        turn(row.pk)
    assert len(statements) <= most
