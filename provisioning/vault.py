"""The vault: a secret access key is sealed, then revealed once or burned.

Sealed with AES-256-GCM under the first key of ``settings.VAULT_KEYS``; the key's id
stands before the ciphertext, and the access key id is bound to it as associated data,
so that a ciphertext opens in no other row.
"""

import base64
import binascii
import os
from functools import cache

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.utils import timezone

from accounts.models import User
from provisioning.models import AccessKey, OneTimeSecret

NONCE_BYTES = 12  # What NIST SP 800-38D recommends for GCM.
KEY_BYTES = 32


class VaultError(Exception):
    """A sealed secret cannot be opened; the text says what ops can do."""


class NothingToReveal(Exception):
    """The secret was revealed or burned before: it exists nowhere any more."""


def seal(secret_access_key: str, *, access_key: AccessKey) -> OneTimeSecret:
    """Seal the secret of a key that is saved, in the transaction that saves it."""
    sealed = _encrypt(secret_access_key, access_key.access_key_id)
    return OneTimeSecret.objects.create(access_key=access_key, sealed=sealed)


def reveal_once(access_key: AccessKey, *, by: User) -> str:
    """The secret in clear, and never again: the sealed one is erased by a
    compare-and-set, so that of any number of calls one returns.

    Call it in a transaction, with the audit line. Raises NothingToReveal, or VaultError
    (and then nothing was erased).
    """
    row = OneTimeSecret.objects.get(access_key=access_key)
    if row.sealed is None:
        raise NothingToReveal
    secret = _decrypt(bytes(row.sealed), access_key.access_key_id)
    erased = OneTimeSecret.objects.filter(pk=row.pk, sealed__isnull=False).update(
        sealed=None, revealed_at=timezone.now(), revealed_by=by
    )
    if erased != 1:
        raise NothingToReveal
    return secret


def open_sealed(access_key: AccessKey) -> str | None:
    """The secret for the portal's own try of the key, while it is sealed; it stays so. None
    where it was revealed or burned. Raises VaultError."""
    row = OneTimeSecret.objects.get(access_key=access_key)
    return _decrypt(bytes(row.sealed), access_key.access_key_id) if row.sealed else None


def burn(*access_keys: AccessKey) -> None:
    """Erase, unseen, what is still sealed of these keys."""
    OneTimeSecret.objects.filter(access_key__in=access_keys, sealed__isnull=False).update(
        sealed=None, burned_at=timezone.now()
    )


def key_ring(entries: list[str]) -> dict[str, bytes]:
    """The keys by their id, first the one that seals.

    Each entry is ``id:base64``; raises ImproperlyConfigured, which never tells a key.
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
                f"Entry {place} of VAULT_KEYS must be an id of its own, a colon, and "
                f"{KEY_BYTES} random bytes in base64 (openssl rand -base64 {KEY_BYTES})."
            )
        ring[key_id] = key
    if not ring:
        raise ImproperlyConfigured("VAULT_KEYS is empty: it needs one key at least.")
    return ring


@cache
def _ring() -> dict[str, bytes]:
    return key_ring(settings.VAULT_KEYS)


def _encrypt(secret: str, bound_to: str) -> bytes:
    key_id, key = next(iter(_ring().items()))
    nonce = os.urandom(NONCE_BYTES)
    return (
        key_id.encode()
        + b":"
        + nonce
        + AESGCM(key).encrypt(nonce, secret.encode(), bound_to.encode())
    )


def _decrypt(sealed: bytes, bound_to: str) -> str:
    key_id, _, rest = sealed.partition(b":")
    key = _ring().get(key_id.decode())
    if key is None:
        raise VaultError(
            f"The secret is sealed with vault key {key_id.decode()!r}, which VAULT_KEYS no "
            "longer holds. Ops can put the key back, or reissue the credentials."
        )
    try:
        nonce, ciphertext = rest[:NONCE_BYTES], rest[NONCE_BYTES:]
        return AESGCM(key).decrypt(nonce, ciphertext, bound_to.encode()).decode()
    except InvalidTag:
        raise VaultError(
            "The sealed secret is damaged and cannot be opened. Ops can reissue the credentials."
        ) from None
