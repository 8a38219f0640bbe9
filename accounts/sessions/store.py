"""Django's session engine over ``accounts.sessions.models``."""

import json
from datetime import UTC, datetime
from typing import Any

from django.contrib.auth import SESSION_KEY
from django.contrib.sessions.backends.base import CreateError, SessionBase, UpdateError
from django.db import IntegrityError, transaction
from django.utils import timezone

from accounts import encryption
from accounts.sessions.models import Session, hash_of

# Where a session keeps what its row repeats: moments in seconds since 1970.
SIGNED_IN_AT, SEEN_AT = "signed_in_at", "seen_at"
ADDRESS, USER_AGENT = "address", "user_agent"


class SessionStore(SessionBase):
    """Rows are found by the hash of the key in the browser's cookie, and their data is encrypted
    and bound to the row: codes, secrets during a set-up and forms are among it."""

    def load(self) -> dict[str, Any]:
        key = hash_of(self.session_key or "")
        row = Session.objects.filter(pk=key, expires_at__gt=timezone.now()).first()
        if row is not None:
            try:
                return dict(json.loads(encryption.decrypt(bytes(row.data), bound_to=row.pk)))
            except encryption.DecryptionError:
                pass  # Its vault key is gone: the person signs in again.
        self._session_key = None
        return {}

    def exists(self, session_key: str) -> bool:
        return Session.objects.filter(pk=hash_of(session_key)).exists()

    def create(self) -> None:
        self._session_key = self._get_new_session_key()  # type: ignore[attr-defined]
        self.save(must_create=True)
        self.modified = True

    def save(self, must_create: bool = False) -> None:  # noqa: FBT001, FBT002 - Django's signature
        if self.session_key is None:
            return self.create()
        data = self._get_session(no_load=must_create)  # type: ignore[attr-defined]
        pk = hash_of(self.session_key)
        row = {
            "data": encryption.encrypt(json.dumps(data), bound_to=pk),
            "expires_at": self.get_expiry_date(),
            "user_id": data.get(SESSION_KEY),
            "signed_in_at": _moment(data.get(SIGNED_IN_AT)),
            "seen_at": _moment(data.get(SEEN_AT)) or timezone.now(),
            "address": data.get(ADDRESS),
            "user_agent": data.get(USER_AGENT, ""),
        }
        if must_create:
            try:
                with transaction.atomic():
                    Session.objects.create(pk=pk, **row)
            except IntegrityError:
                raise CreateError from None
        elif not Session.objects.filter(pk=pk).update(**row):
            raise UpdateError
        return None

    def delete(self, session_key: str | None = None) -> None:
        key = session_key or self.session_key
        if key is not None:
            Session.objects.filter(pk=hash_of(key)).delete()

    @classmethod
    def clear_expired(cls) -> None:
        Session.objects.filter(expires_at__lt=timezone.now()).delete()


def _moment(seconds: float | None) -> datetime | None:
    return datetime.fromtimestamp(seconds, UTC) if seconds else None
