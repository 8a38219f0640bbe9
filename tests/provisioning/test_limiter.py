"""The pace at which all workers together ask AWS."""

import threading
import time
from collections.abc import Iterator

import pytest
from pytest_django.fixtures import Settings

from provisioning import reconcile
from provisioning.aws import errors, limiter
from provisioning.demo.cast import Cast
from provisioning.embedded_aws.faults import Fault, Kind
from provisioning.models import Pace, PullUser
from tests.aws import Aws
from tests.provisioning.test_reconcile import approved
from tests.services import redis
from tests.turns import take_turns


@pytest.fixture(params=["database", "Redis"])
def _keeper(request: pytest.FixtureRequest, settings: Settings, db: None) -> Iterator[None]:
    limiter._redis.cache_clear()
    if request.param == "database":
        settings.LIMITER_URL = "filesystem://"
        yield
    else:
        with redis() as address:
            settings.LIMITER_URL = address
            yield
            limiter._redis().close()
    limiter._redis.cache_clear()


@pytest.mark.usefixtures("_keeper")
def test_quiet_key_lets_a_burst_through_and_then_one_at_a_time() -> None:
    slept: list[float] = []
    original = time.sleep
    time.sleep = slept.append
    try:
        for _ in range(14):
            limiter.wait("1:iam", 10)
    finally:
        time.sleep = original
    # A second's worth goes at once; then each a tenth of a second after the one before.
    assert len(slept) <= 4
    assert 0.2 < max(slept, default=0) < 0.5


@pytest.mark.usefixtures("_keeper")
def test_who_would_wait_too_long_is_told_so_and_takes_no_slot() -> None:
    for _ in range(20):
        limiter.hold_back("1:ecr")
    for _ in range(2):
        with pytest.raises(errors.Throttled, match="holds back"):
            limiter.wait("1:ecr", 10)
    limiter.wait("2:ecr", 10)


def test_threads_together_keep_to_the_pace(settings: Settings) -> None:
    limiter._redis.cache_clear()
    with redis() as address:
        settings.LIMITER_URL = address
        begin = time.monotonic()
        threads = [threading.Thread(target=_wait_ten_times) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        # 40 calls at 20 a second, 20 of them at once.
        assert time.monotonic() - begin > 0.8
        limiter._redis().close()
    limiter._redis.cache_clear()


def _wait_ten_times() -> None:
    for _ in range(10):
        limiter.wait("t", 20)


@pytest.fixture
def _in_database(settings: Settings) -> Iterator[None]:
    settings.LIMITER_URL = "filesystem://"
    limiter._redis.cache_clear()
    yield
    limiter._redis.cache_clear()


@pytest.mark.usefixtures("_in_database")
def test_calls_of_aws_keep_to_it_each_by_its_service(
    aws: Aws, cast: Cast, settings: Settings
) -> None:
    settings.AWS_RATES = {"iam": 1000, "SetRepositoryPolicy": 1000}
    approved(cast)
    take_turns()
    assert set(Pace.objects.values_list("key", flat=True)) == {
        "123456789012:iam",
        "123456789012:eu-central-1:SetRepositoryPolicy",
    }


@pytest.mark.usefixtures("_in_database")
def test_throttled_answer_holds_everybody_back(aws: Aws, cast: Cast, settings: Settings) -> None:
    settings.AWS_RATES = {"iam": 1000}
    # Throttled once at its last try: whoever comes next finds the pace held back.
    throttled = Fault("CreateUser", Kind.REFUSED, 3, 400, "Throttling", "Rate exceeded")
    aws.embedded.faults.lay(throttled)
    approved(cast)
    reconcile.pull_user_turn(PullUser.objects.get().pk)
    held_until = Pace.objects.get(key="123456789012:iam").next_at
    assert held_until > time.time() + limiter.HOLD_BACK / 2
