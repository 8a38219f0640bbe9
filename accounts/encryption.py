"""Encryption at rest: AES-256-GCM under the first key of ``settings.VAULT_KEYS``. The key's id
stands before the ciphertext; what the text belongs to is bound to it as associated data, so that
it cannot be decrypted anywhere else."""

import base64
import binascii
import os
from functools import cache

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

NONCE_BYTES = 12  # Recommended for GCM by NIST SP 800-38D.
KEY_BYTES = 32


class DecryptionError(Exception):
    """A ciphertext cannot be decrypted; the text tells ops why."""


def encrypt(text: str, *, bound_to: str) -> bytes:
    key_id, key = next(iter(_ring().items()))
    nonce = os.urandom(NONCE_BYTES)
    ciphertext = AESGCM(key).encrypt(nonce, text.encode(), bound_to.encode())
    return key_id.encode() + b":" + nonce + ciphertext


def decrypt(ciphertext: bytes, *, bound_to: str) -> str:
    """Raises DecryptionError."""
    key_id, _, rest = ciphertext.partition(b":")
    key = _ring().get(key_id.decode(errors="replace"))
    if key is None:
        raise DecryptionError(
            f"it is encrypted with vault key {key_id.decode(errors='replace')!r}, which "
            "VAULT_KEYS does not hold"
        )
    try:
        nonce, encrypted = rest[:NONCE_BYTES], rest[NONCE_BYTES:]
        return AESGCM(key).decrypt(nonce, encrypted, bound_to.encode()).decode()
    except (InvalidTag, ValueError):
        raise DecryptionError("it is damaged") from None


def current_key_id() -> str:
    """The id of the key that encrypts."""
    return next(iter(_ring()))


def is_under_current_key(ciphertext: bytes) -> bool:
    return ciphertext.startswith(current_key_id().encode() + b":")


def key_ring(entries: list[str], *, of: str = "VAULT_KEYS") -> dict[str, bytes]:
    """The keys by id; the first one encrypts.

    Each entry is ``id:base64``. Raises ImproperlyConfigured, whose text never holds a key.
    """
    ring: dict[str, bytes] = {}
    for place, entry in enumerate(entries, start=1):
        key_id, _, encoded = entry.partition(":")
        try:
            key = base64.b64decode(encoded, validate=True)
        except binascii.Error:
            key = b""
        if not key_id or key_id in ring or len(key) != KEY_BYTES:
            raise ImproperlyConfigured(
                f"Entry {place} of {of} must be a unique id, a colon, and "
                f"{KEY_BYTES} random bytes in base64 (openssl rand -base64 {KEY_BYTES})."
            )
        ring[key_id] = key
    if not ring:
        raise ImproperlyConfigured(f"{of} is empty: it needs at least one key.")
    return ring


def _ring() -> dict[str, bytes]:
    return _read(tuple(settings.VAULT_KEYS))


@cache
def _read(entries: tuple[str, ...]) -> dict[str, bytes]:
    return key_ring(list(entries))
