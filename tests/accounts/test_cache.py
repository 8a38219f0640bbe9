"""What web processes share for a while is in the database, as JSON."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier

import pytest
from django.core.cache import caches
from django.core.cache.backends.base import BaseCache
from django.db import connection
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from accounts.cache import CacheEntry, clear_expired
from provisioning.demo.seed import PASSWORD, Cast

BACKEND = {"default": {"BACKEND": "accounts.cache.DatabaseCache"}}


@pytest.fixture
def cache(db: None, settings: Settings) -> BaseCache:
    settings.CACHES = BACKEND
    return caches["default"]


def expire_all() -> None:
    CacheEntry.objects.update(expires_at=timezone.now() - timedelta(seconds=1))


def test_value_is_found_until_it_expires(cache: BaseCache) -> None:
    cache.set("tries", [1.5, 2.5], 60)
    assert cache.get("tries") == [1.5, 2.5]
    cache.set("tries", [3.5], 60)
    assert cache.get("tries") == [3.5]
    expire_all()
    assert cache.get("tries", "none") == "none"
    assert not cache.has_key("tries")


def test_only_the_first_adds(cache: BaseCache) -> None:
    assert cache.add("code", "", 60)
    assert not cache.add("code", "", 60)
    expire_all()
    assert cache.add("code", "", 60)


def test_value_without_timeout_stays(cache: BaseCache) -> None:
    cache.set("always", 1, None)
    clear_expired()
    assert cache.get("always") == 1


def test_value_is_deleted_touched_and_cleared(cache: BaseCache) -> None:
    cache.set("a", 1, 60)
    cache.set("b", 2, 60)
    assert cache.delete("a")
    assert not cache.delete("a")
    expire_all()
    assert cache.touch("b", 60)
    assert cache.get("b") == 2
    cache.clear()
    assert cache.get("b") is None


def test_expired_values_are_removed(cache: BaseCache) -> None:
    cache.set("a", 1, 60)
    expire_all()
    cache.set("b", 2, 60)
    clear_expired()
    assert [entry.pk for entry in CacheEntry.objects.all()] == [":1:b"]


def test_what_is_stored_is_json(cache: BaseCache) -> None:
    """Who can write there runs no code here."""
    cache.set("a", {"b": [1, None, "x"]}, 60)
    with connection.cursor() as cursor:
        cursor.execute("SELECT value FROM accounts_cacheentry")
        assert cursor.fetchone() == ('{"b": [1, null, "x"]}',)
    with pytest.raises(TypeError):
        cache.set("a", object(), 60)


@pytest.mark.django_db(transaction=True)
def test_of_eight_that_add_at_once_one_succeeds(settings: Settings) -> None:
    settings.CACHES = BACKEND
    start = Barrier(8)

    def add(number: int) -> bool:
        start.wait()
        try:
            return bool(caches["default"].add("code", number, 60))
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as pool:
        assert sorted(pool.map(add, range(8))) == [False] * 7 + [True]


def test_attempts_are_limited_and_counted_in_the_database(cast: Cast, cache: BaseCache) -> None:
    for _ in range(6):
        last = Client().post("/account/login/", {"login": cast.alice.email, "password": "x"})
    assert "Too many attempts" in last.content.decode()
    assert CacheEntry.objects.exists()
    right = {"login": cast.alice.email, "password": PASSWORD}
    assert Client().post("/account/login/", right).status_code == 200
    expire_all()
    assert Client().post("/account/login/", right).status_code == 302
