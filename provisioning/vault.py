"""The vault: a secret access key is stored encrypted, then revealed once or destroyed. It is bound
to its access key id, so that it cannot be decrypted in any other row."""

from accounts import clock, encryption
from accounts.models import User
from provisioning.models import AccessKey, OneTimeSecret


class VaultError(Exception):
    """A secret cannot be decrypted; the text says what ops can do."""


class NothingToReveal(Exception):
    """The secret was already revealed or destroyed: nothing of it is left."""


def store(secret_access_key: str, *, access_key: AccessKey) -> OneTimeSecret:
    """Store the secret of a saved key, in the transaction that saves the key."""
    ciphertext = _encrypt(secret_access_key, access_key)
    return OneTimeSecret.objects.create(access_key=access_key, ciphertext=ciphertext)


def store_none(*, access_key: AccessKey) -> OneTimeSecret:
    """Record of a key that the portal never had its secret, or no longer has it."""
    return OneTimeSecret.objects.create(access_key=access_key, destroyed_at=clock.now())


def reveal_once(access_key: AccessKey, *, by: User) -> str:
    """The secret in clear, once: the ciphertext is erased by a compare-and-set, so that of any
    number of calls one returns.

    Call it in a transaction, with the audit line. Raises NothingToReveal, or VaultError (and
    then nothing was erased).
    """
    row = OneTimeSecret.objects.select_related("access_key").get(access_key=access_key)
    if row.ciphertext is None:
        raise NothingToReveal
    secret = _decrypt(row)
    erased = OneTimeSecret.objects.filter(pk=row.pk, ciphertext__isnull=False).update(
        ciphertext=None, revealed_at=clock.now(), revealed_by=by
    )
    if erased != 1:
        raise NothingToReveal
    return secret


def read_unrevealed(access_key: AccessKey) -> str | None:
    """The secret for the portal's own test of the key; it stays stored. None where it was
    revealed or destroyed. Raises VaultError."""
    row = OneTimeSecret.objects.select_related("access_key").get(access_key=access_key)
    return _decrypt(row) if row.ciphertext else None


def destroy(*access_keys: AccessKey) -> None:
    """Erase the secrets of these keys that nobody has revealed."""
    OneTimeSecret.objects.filter(access_key__in=access_keys, ciphertext__isnull=False).update(
        ciphertext=None, destroyed_at=clock.now()
    )


def reencrypt() -> tuple[int, int]:
    """Encrypt under the current key what another key encrypted. Returns how many were
    re-encrypted, and how many could not be decrypted. A reveal that happens meanwhile is neither
    hindered nor undone."""
    reencrypted = unreadable = 0
    rows = OneTimeSecret.objects.filter(ciphertext__isnull=False).select_related("access_key")
    for row in rows.iterator():
        if encryption.is_under_current_key(_ciphertext(row)):
            continue
        try:
            again = _encrypt(_decrypt(row), row.access_key)
        except VaultError:
            unreadable += 1
            continue
        unchanged = OneTimeSecret.objects.filter(pk=row.pk, ciphertext=row.ciphertext)
        reencrypted += unchanged.update(ciphertext=again)
    return reencrypted, unreadable


def _encrypt(secret: str, access_key: AccessKey) -> bytes:
    return encryption.encrypt(secret, bound_to=access_key.access_key_id)


def _decrypt(row: OneTimeSecret) -> str:
    try:
        return encryption.decrypt(_ciphertext(row), bound_to=row.access_key.access_key_id)
    except encryption.DecryptionError as error:
        raise VaultError(
            f"The secret of {row.access_key} cannot be decrypted: {error}. Ops can restore the "
            "missing key in VAULT_KEYS, or reissue the credentials."
        ) from None


def _ciphertext(row: OneTimeSecret) -> bytes:
    return bytes(row.ciphertext or b"")
