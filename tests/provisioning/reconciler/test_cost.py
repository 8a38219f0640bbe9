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

MOST = 15


@pytest.mark.parametrize(
    ("model", "turn"),
    [
        (PullUser, reconciler.pull_user_turn),
        (Repository, reconciler.repository_turn),
        (Registry, reconciler.registry_turn),
    ],
)
def test_turn_that_finds_nothing_to_do_needs_few_statements(
    aws: Aws, cast: Cast, model: type[Reconciled], turn: Callable[[int], None]
) -> None:
    approved(cast)
    take_turns()
    take_turns(even_if_not_due=True)
    row = model._default_manager.earliest("pk")
    model._default_manager.filter(pk=row.pk).update(due_at=timezone.now())
    with CaptureQueriesContext(connection) as statements, aws.no_changes():
        turn(row.pk)
    assert len(statements) <= MOST
