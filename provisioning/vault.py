"""The vault: a secret access key is sealed, then revealed once or burned. It is bound to its
access key id, so that it opens in no other row."""

from django.utils import timezone

from accounts import sealing
from accounts.models import User
from provisioning.models import AccessKey, OneTimeSecret


class VaultError(Exception):
    """A sealed secret cannot be opened; the text says what ops can do."""


class NothingToReveal(Exception):
    """The secret was revealed or burned before: it exists nowhere any more."""


def seal(secret_access_key: str, *, access_key: AccessKey) -> OneTimeSecret:
    """Seal the secret of a key that is saved, in the transaction that saves it."""
    sealed = _seal(secret_access_key, access_key)
    return OneTimeSecret.objects.create(access_key=access_key, sealed=sealed)


def reveal_once(access_key: AccessKey, *, by: User) -> str:
    """The secret in clear, and never again: the sealed one is erased by a
    compare-and-set, so that of any number of calls one returns.

    Call it in a transaction, with the audit line. Raises NothingToReveal, or VaultError
    (and then nothing was erased).
    """
    row = OneTimeSecret.objects.select_related("access_key").get(access_key=access_key)
    if row.sealed is None:
        raise NothingToReveal
    secret = _unseal(row)
    erased = OneTimeSecret.objects.filter(pk=row.pk, sealed__isnull=False).update(
        sealed=None, revealed_at=timezone.now(), revealed_by=by
    )
    if erased != 1:
        raise NothingToReveal
    return secret


def open_sealed(access_key: AccessKey) -> str | None:
    """The secret for the portal's own try of the key, while it is sealed; it stays so. None
    where it was revealed or burned. Raises VaultError."""
    row = OneTimeSecret.objects.select_related("access_key").get(access_key=access_key)
    return _unseal(row) if row.sealed else None


def burn(*access_keys: AccessKey) -> None:
    """Erase, unseen, what is still sealed of these keys."""
    OneTimeSecret.objects.filter(access_key__in=access_keys, sealed__isnull=False).update(
        sealed=None, burned_at=timezone.now()
    )


def reseal() -> tuple[int, int]:
    """Seal under the first key what another sealed. Returns how many, and how many more
    cannot be opened. A reveal that happens meanwhile is neither hindered nor undone."""
    resealed = unopened = 0
    rows = OneTimeSecret.objects.filter(sealed__isnull=False).select_related("access_key")
    for row in rows.iterator():
        if sealing.is_under_the_first_key(_sealed(row)):
            continue
        try:
            again = _seal(_unseal(row), row.access_key)
        except VaultError:
            unopened += 1
            continue
        unchanged = OneTimeSecret.objects.filter(pk=row.pk, sealed=row.sealed)
        resealed += unchanged.update(sealed=again)
    return resealed, unopened


def _seal(secret: str, access_key: AccessKey) -> bytes:
    return sealing.seal(secret, bound_to=access_key.access_key_id)


def _unseal(row: OneTimeSecret) -> str:
    try:
        return sealing.unseal(_sealed(row), bound_to=row.access_key.access_key_id)
    except sealing.SealError as error:
        raise VaultError(
            f"The secret of {row.access_key} cannot be opened: {error}. Ops can put a missing key "
            "back into VAULT_KEYS, or reissue the credentials."
        ) from None


def _sealed(row: OneTimeSecret) -> bytes:
    return bytes(row.sealed or b"")
