"""A customer of whom nobody wants anything never loses its pull, whatever happens to its
neighbours, to the placement of its grants, and to the calls."""

import os
from datetime import timedelta
from typing import Any

import pytest
from pytest_django.fixtures import Settings

from provisioning.demo.seed import Cast
from provisioning.models import PullUser
from tests.aws import Aws
from tests.entitlements import approved
from tests.faults.actions import ACTIONS, move_placement
from tests.faults.scenario import Scenario
from tests.worker import run_until_settled

SEEDS = 200 if os.environ.get("DEEP") == "1" else 20


class Neighbourhood(Scenario):
    """Things happen to Cedar Clinic and to the placement of grants, and nobody meddles. After each
    call that the portal has made, Birch Bank is asked whether it can pull."""

    actions, meddling = [*ACTIONS, *[move_placement] * 5], []

    def __init__(self, aws: Aws, cast: Cast, seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
        super().__init__(aws, cast, seed, monkeypatch)
        self.customers = [cast.cedar]
        self.steady = PullUser.objects.get(customer=cast.birch)
        self.missed: list[str] = []
        self._seen, self._is_looking = len(aws.embedded.calls), False

    def _go_on(self, execute: Any, sql: str, params: Any, many: Any, context: Any) -> Any:
        if not self._is_looking:
            self._is_looking = True
            self._look()
            self._is_looking = False
        return execute(sql, params, many, context)

    def _look(self) -> None:
        new = self.aws.embedded.calls[self._seen :]
        changes = [call.action for call in new if call.is_mutating]
        if changes:
            for repository in self.cast.server.repositories.all():
                if not self.watcher.pulls(self.steady, repository):
                    self.missed.append(f"{repository} after {', '.join(changes)}")
        self._seen = len(self.aws.embedded.calls)


@pytest.mark.timeout(120)
@pytest.mark.parametrize("seed", range(SEEDS))
def test_steady_customer_never_loses_its_pull(
    aws: Aws, cast: Cast, settings: Settings, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    monkeypatch.setattr("botocore.retries.standard.ExponentialBackoff.delay_amount", lambda *_: 0)
    settings.REPOSITORY_WRITE_INTERVAL = timedelta(0)
    approved(cast)
    run_until_settled()
    scenario = Neighbourhood(aws, cast, seed, monkeypatch)
    scenario.run()
    assert not scenario.missed, "\n".join([*scenario.missed, " | ".join(scenario.story)])
