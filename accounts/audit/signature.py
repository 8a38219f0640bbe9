"""What only the portal's processes can write: signatures (HMAC-SHA256) under ``AUDIT_KEYS``, which
the database does not hold. The first key signs; the others only verify what they once signed."""

import hashlib
import hmac
import json
from functools import cache
from typing import Any

from django.conf import settings

from accounts.encryption import key_ring


def sign(content: dict[str, Any]) -> str:
    """``key id:hexadecimal``, over JSON with sorted names."""
    key_id, key = next(iter(_keys().items()))
    return f"{key_id}:{_mac(key, content)}"


def is_signed(content: dict[str, Any], signature: str) -> bool:
    """Whether ``sign`` returned this for this content, under a key that AUDIT_KEYS still holds."""
    key_id, _, mac = signature.partition(":")
    key = _keys().get(key_id)
    return key is not None and hmac.compare_digest(_mac(key, content).encode(), mac.encode())


def _mac(key: bytes, content: dict[str, Any]) -> str:
    text = json.dumps(content, sort_keys=True)
    return hmac.new(key, text.encode(), hashlib.sha256).hexdigest()


def _keys() -> dict[str, bytes]:
    return _read(tuple(settings.AUDIT_KEYS))


@cache
def _read(entries: tuple[str, ...]) -> dict[str, bytes]:
    return key_ring(list(entries), of="AUDIT_KEYS")
