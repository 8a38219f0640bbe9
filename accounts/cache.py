"""What all web processes must know for a while: how often a sign-in was tried, and which codes
were used. It is in the database, so that people can sign in while the broker is down, and as JSON,
so that nobody who can write there runs code here."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from django.core.cache.backends.base import DEFAULT_TIMEOUT, BaseCache
from django.db import IntegrityError, models, transaction
from django.db.models import QuerySet
from django.utils import timezone


class CacheEntry(models.Model):
    """``expires_at`` is NULL for what stays."""

    key = models.CharField(max_length=250, primary_key=True)
    value = models.JSONField()
    expires_at = models.DateTimeField(null=True, db_index=True)

    def __str__(self) -> str:
        return self.key


class DatabaseCache(BaseCache):
    """Django's cache over ``CacheEntry``. Values are whatever JSON can say."""

    def __init__(self, location: str, params: Mapping[str, Any]) -> None:
        super().__init__(dict(params))

    def add(
        self, key: str, value: Any, timeout: Any = DEFAULT_TIMEOUT, version: int | None = None
    ) -> bool:
        """One of any number that add the same key at the same time succeeds."""
        key = self.make_and_validate_key(key, version)
        _expired().filter(pk=key).delete()
        try:
            with transaction.atomic():
                CacheEntry.objects.create(pk=key, value=value, expires_at=self._expires_at(timeout))
        except IntegrityError:
            return False
        return True

    def get(self, key: str, default: Any = None, version: int | None = None) -> Any:
        key = self.make_and_validate_key(key, version)
        entry = CacheEntry.objects.filter(pk=key).first()
        if entry is None or (entry.expires_at and entry.expires_at <= timezone.now()):
            return default
        return entry.value

    def set(
        self, key: str, value: Any, timeout: Any = DEFAULT_TIMEOUT, version: int | None = None
    ) -> None:
        key = self.make_and_validate_key(key, version)
        entry = CacheEntry(pk=key, value=value, expires_at=self._expires_at(timeout))
        CacheEntry.objects.bulk_create(
            [entry],
            update_conflicts=True,
            unique_fields=["key"],
            update_fields=["value", "expires_at"],
        )

    def touch(self, key: str, timeout: Any = DEFAULT_TIMEOUT, version: int | None = None) -> bool:
        key = self.make_and_validate_key(key, version)
        found = CacheEntry.objects.filter(pk=key)
        return bool(found.update(expires_at=self._expires_at(timeout)))

    def delete(self, key: str, version: int | None = None) -> bool:
        key = self.make_and_validate_key(key, version)
        return bool(CacheEntry.objects.filter(pk=key).delete()[0])

    def clear(self) -> None:
        CacheEntry.objects.all().delete()

    def _expires_at(self, timeout: Any) -> datetime | None:
        moment = self.get_backend_timeout(timeout)
        return datetime.fromtimestamp(moment, UTC) if moment is not None else None


def clear_expired() -> None:
    _expired().delete()


def _expired() -> QuerySet[CacheEntry]:
    return CacheEntry.objects.filter(expires_at__lte=timezone.now())
