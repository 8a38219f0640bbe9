"""How fast all workers together call AWS."""

import threading
import time
from collections.abc import Iterator

import pytest
from pytest_django.fixtures import Settings
from redis import Redis

from provisioning import reconciler
from provisioning.aws import errors, rate_limit
from provisioning.demo.seed import Cast
from provisioning.embedded_aws.faults import Fault, Kind
from provisioning.models import PullUser
from tests.aws import Aws
from tests.entitlements import approved
from tests.services import redis
from tests.worker import take_turns

PREFIX = "ecr-portal:rate:"


@pytest.fixture
def slots(settings: Settings) -> Iterator[Redis]:
    """The Redis in which the workers keep the next free slot of each key."""
    with redis() as address:
        settings.RATE_LIMIT_URL = address
        rate_limit.reset()
        with Redis.from_url(address, decode_responses=True) as client:
            yield client
        rate_limit._redis().close()
        rate_limit.reset()


@pytest.mark.usefixtures("slots")
def test_unused_key_lets_a_burst_through_and_then_one_call_at_a_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    slept: list[float] = []
    with monkeypatch.context() as clock:
        clock.setattr(time, "sleep", slept.append)
        for _ in range(14):
            rate_limit.wait("1:iam", 10)
    # A second's worth goes at once; then each call a tenth of a second after the one before.
    assert len(slept) <= 4
    assert 0.2 < max(slept, default=0) < 0.5


@pytest.mark.usefixtures("slots")
def test_call_that_would_wait_too_long_is_throttled_and_takes_no_slot() -> None:
    for _ in range(20):
        rate_limit.hold_back("1:ecr")
    for _ in range(2):
        with pytest.raises(errors.Throttled, match="holds back"):
            rate_limit.wait("1:ecr", 10)
    rate_limit.wait("2:ecr", 10)


@pytest.mark.usefixtures("slots")
def test_threads_together_keep_to_the_rate() -> None:
    start = time.monotonic()
    threads = [threading.Thread(target=_wait_ten_times) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    # 40 calls at 20 a second, 20 of them at once.
    assert time.monotonic() - start > 0.8


def _wait_ten_times() -> None:
    for _ in range(10):
        rate_limit.wait("t", 20)


def test_calls_to_aws_keep_to_the_rate_of_their_service(
    aws: Aws, cast: Cast, settings: Settings, slots: Redis
) -> None:
    settings.AWS_RATES = {"iam": 1000, "SetRepositoryPolicy": 1000}
    approved(cast)
    take_turns()
    assert {str(key).removeprefix(PREFIX) for key in slots.scan_iter()} == {
        "123456789012:iam",
        "123456789012:eu-central-1:SetRepositoryPolicy",
    }


def test_throttled_call_holds_all_workers_back(
    aws: Aws, cast: Cast, settings: Settings, slots: Redis
) -> None:
    settings.AWS_RATES = {"iam": 1000}
    # Throttled at every try, the last one included: the next call finds the rate held back.
    throttled = Fault("CreateUser", Kind.REFUSED, 3, 400, "Throttling", "Rate exceeded")
    aws.embedded.faults.lay(throttled)
    approved(cast)
    reconciler.pull_user_turn(PullUser.objects.get().pk)
    held_until = float(slots.get(f"{PREFIX}123456789012:iam") or 0)
    assert held_until > time.time() + rate_limit.HOLD_BACK / 2
