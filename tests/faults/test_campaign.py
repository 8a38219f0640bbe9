"""Whatever happens, in the end AWS has what is desired and the portal says what is so."""

import os
from datetime import timedelta

import pytest
from pytest_django.fixtures import Settings

from provisioning.demo.seed import Cast
from tests.aws import Aws
from tests.faults.scenario import Scenario

SEEDS = 1_000 if os.environ.get("DEEP") == "1" else 100


@pytest.mark.timeout(120)
@pytest.mark.parametrize("seed", range(SEEDS))
def test_scenario_ends_as_desired(
    aws: Aws, cast: Cast, settings: Settings, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    monkeypatch.setattr("botocore.retries.standard.ExponentialBackoff.delay_amount", lambda *_: 0)
    settings.REPOSITORY_WRITE_INTERVAL = timedelta(0)
    scenario = Scenario(aws, cast, seed, monkeypatch)
    scenario.run()
    wrong = scenario.watcher.faults(scenario.explained, scenario.has_foreign)
    assert not wrong, "\n".join([*wrong, " | ".join(scenario.story)])
