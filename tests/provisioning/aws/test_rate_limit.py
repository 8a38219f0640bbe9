"""How fast all workers together call AWS."""

import threading
import time
from collections.abc import Iterator
from datetime import timedelta

import pytest
from django.utils import timezone
from pytest_django.fixtures import Settings
from redis import Redis

from provisioning import reconciler
from provisioning.aws import errors, rate_limit
from provisioning.aws.rate_limit import PREFIX
from provisioning.demo.seed import Cast
from provisioning.desired import schedule
from provisioning.embedded_aws.faults import Fault, Kind
from provisioning.models import PullUser
from tests.aws import Aws
from tests.entitlements import approved
from tests.services import redis
from tests.worker import take_turns


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


def test_call_that_would_wait_too_long_is_throttled_and_takes_no_slot(slots: Redis) -> None:
    far = time.time() + 20
    slots.hset(PREFIX + "1:ecr", "slot", far)
    for _ in range(2):
        with pytest.raises(errors.Throttled, match="holds back"):
            rate_limit.wait("1:ecr", 10)
    assert float(slots.hget(PREFIX + "1:ecr", "slot") or 0) == far
    rate_limit.wait("2:ecr", 10)


# --- The rate is learnt ----------------------------------------------------------------


def rate(slots: Redis, key: str = "k") -> float:
    return float(slots.hget(PREFIX + key, "rate") or 0)


def call(slots: Redis, monkeypatch: pytest.MonkeyPatch, *, waiting: bool) -> None:
    """As if the call before had been a second ago, and as if calls waited, or none did."""
    now = time.time()
    slots.hset(PREFIX + "k", mapping={"slot": now + waiting, "grown": now - 1})
    with monkeypatch.context() as clock:
        clock.setattr(time, "sleep", lambda seconds: None)
        rate_limit.wait("k", 10)


def test_rate_grows_steadily_while_calls_wait_for_it(
    slots: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(5):
        call(slots, monkeypatch, waiting=True)
    assert rate(slots) == pytest.approx(15, abs=0.1)


def test_rate_stays_while_nothing_waits_for_it(
    slots: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(5):
        call(slots, monkeypatch, waiting=False)
    assert rate(slots) == 10


def test_rate_is_halved_once_for_all_that_aws_throttles_in_one_moment(slots: Redis) -> None:
    for _ in range(8):
        rate_limit.slow_down("k", 10)
    assert rate(slots) == 5
    slots.hset(PREFIX + "k", "throttled", time.time() - 2)
    rate_limit.slow_down("k", 10)
    assert rate(slots) == 2.5


def test_rate_has_limits(slots: Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    slots.hset(PREFIX + "k", "rate", 1.1)
    rate_limit.slow_down("k", 10)
    assert rate(slots) == 1
    slots.hset(PREFIX + "k", "rate", 199.9)
    call(slots, monkeypatch, waiting=True)
    assert rate(slots) == 200


def test_observation_takes_its_share_and_leaves_the_rest(
    slots: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    slept: list[float] = []
    monkeypatch.setattr(time, "sleep", slept.append)
    with rate_limit.observation():
        for _ in range(6):
            rate_limit.wait("k", 10)
    # Three of ten each second: the burst is a second's worth, and then a third of a second each.
    assert len(slept) == 2
    slept.clear()
    rate_limit.wait("k", 10)
    assert slept == []


def test_turn_that_observes_takes_the_share_of_observation(
    aws: Aws, cast: Cast, settings: Settings, slots: Redis
) -> None:
    approved(cast)
    take_turns()
    settings.AWS_RATES = {"iam": 1000}
    row = PullUser.objects.get()
    key = f"{PREFIX}123456789012:iam"
    schedule.wake_row(row)
    reconciler.pull_user_turn(row.pk)
    assert (slots.hexists(key, "slot"), slots.hexists(key, "observation")) == (True, False)
    PullUser.objects.update(due_at=timezone.now())
    reconciler.pull_user_turn(row.pk)
    assert slots.hexists(key, "observation")


def test_what_was_learnt_is_listed(slots: Redis) -> None:
    rate_limit.wait("1:iam", 10)
    rate_limit.wait("2:iam", 10)
    rate_limit.slow_down("2:iam", 10)
    first, second = rate_limit.learnt() or []
    assert (first.key, first.per_second, first.throttled_at) == ("1:iam", 10, None)
    assert (second.key, second.per_second) == ("2:iam", 5)
    assert second.throttled_at
    assert abs(second.throttled_at - timezone.now()) < timedelta(minutes=1)


def test_nothing_is_listed_where_redis_is_away(settings: Settings) -> None:
    settings.RATE_LIMIT_URL = "redis://127.0.0.1:1/0"
    rate_limit.reset()
    assert rate_limit.learnt() is None
    rate_limit.reset()


# --- All workers together --------------------------------------------------------------


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
    key = "123456789012:iam"
    held_until = float(slots.hget(PREFIX + key, "slot") or 0)
    assert held_until > time.time() + rate_limit.HOLD_BACK / 2
    assert rate(slots, key) <= 500
