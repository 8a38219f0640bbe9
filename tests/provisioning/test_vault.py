"""A secret is stored encrypted, bound to its row, and revealed at most once."""

import base64
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from io import StringIO
from threading import Barrier
from typing import Any

import pytest
from allauth.mfa.adapter import get_adapter
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.internal.auth import TOTP
from django.core.exceptions import ImproperlyConfigured
from django.core.management import CommandError, call_command
from django.db import IntegrityError, connection
from django.utils import timezone
from pytest_django import Settings

from accounts import encryption
from accounts.models import AuditEvent
from provisioning import vault
from provisioning.demo.seed import Cast, seed
from provisioning.flows import Actor, Refused
from provisioning.flows.credentials import reveal
from provisioning.models import AccessKey, OneTimeSecret, PullUser
from provisioning.vault import NothingToReveal, VaultError
from tests.provisioned import SECRET

OLD, NEW = (base64.b64encode(bytes([number]) * 32).decode() for number in (1, 2))


@pytest.fixture
def pull_user(cast: Cast) -> PullUser:
    return create_pull_user(cast)


@pytest.fixture
def key(pull_user: PullUser) -> AccessKey:
    return create_key(pull_user, "AKIAONE")


def create_pull_user(cast: Cast) -> PullUser:
    return PullUser.objects.create(
        customer=cast.birch, account_id="123456789012", name="birch", arn="arn", status="ready"
    )


def create_key(pull_user: PullUser, access_key_id: str, **fields: object) -> AccessKey:
    return AccessKey.objects.create(
        pull_user=pull_user, access_key_id=access_key_id, tested_at=timezone.now(), **fields
    )


def use_keys(settings: Settings, *entries: str) -> None:
    settings.VAULT_KEYS = list(entries)


# --- Storing and revealing ---------------------------------------------------------


def test_stored_secret_is_revealed_unchanged(cast: Cast, key: AccessKey) -> None:
    vault.store(SECRET, access_key=key)
    assert vault.reveal_once(key, by=cast.alice) == SECRET
    row = OneTimeSecret.objects.get()
    assert (row.ciphertext, row.revealed_by) == (None, cast.alice)
    assert row.revealed_at is not None


def test_second_reveal_finds_nothing(cast: Cast, key: AccessKey) -> None:
    vault.store(SECRET, access_key=key)
    vault.reveal_once(key, by=cast.alice)
    with pytest.raises(NothingToReveal):
        vault.reveal_once(key, by=cast.alice)


def test_destroyed_secret_is_gone(cast: Cast, key: AccessKey) -> None:
    vault.store(SECRET, access_key=key)
    vault.destroy(key)
    with pytest.raises(NothingToReveal):
        vault.reveal_once(key, by=cast.alice)
    row = OneTimeSecret.objects.get()
    assert (row.ciphertext, row.revealed_at) == (None, None)
    assert row.destroyed_at is not None


def test_destroying_does_not_touch_a_revealed_secret(cast: Cast, key: AccessKey) -> None:
    vault.store(SECRET, access_key=key)
    vault.reveal_once(key, by=cast.alice)
    vault.destroy(key)
    assert OneTimeSecret.objects.get().destroyed_at is None


def test_same_secret_stored_twice_has_two_ciphertexts(key: AccessKey) -> None:
    first = vault.store(SECRET, access_key=key)
    first.delete()
    second = vault.store(SECRET, access_key=key)
    assert first.ciphertext != second.ciphertext
    assert SECRET.encode() not in bytes(second.ciphertext or b"")


def test_ciphertext_cannot_be_decrypted_in_another_row(
    cast: Cast, pull_user: PullUser, key: AccessKey
) -> None:
    other = create_key(pull_user, "AKIATWO", retires_at=timezone.now())
    stolen = vault.store(SECRET, access_key=key).ciphertext
    OneTimeSecret.objects.create(access_key=other, ciphertext=stolen)
    with pytest.raises(VaultError, match=r"damaged.*reissue"):
        vault.reveal_once(other, by=cast.alice)
    assert OneTimeSecret.objects.get(access_key=other).is_unrevealed


def test_damaged_ciphertext_cannot_be_decrypted(cast: Cast, key: AccessKey) -> None:
    row = vault.store(SECRET, access_key=key)
    ciphertext = bytes(row.ciphertext or b"")
    OneTimeSecret.objects.update(ciphertext=ciphertext[:-1] + bytes([ciphertext[-1] ^ 1]))
    with pytest.raises(VaultError, match="damaged"):
        vault.reveal_once(key, by=cast.alice)


# --- The key ring ------------------------------------------------------------------


def test_rotated_key_ring_decrypts_with_the_old_key_and_encrypts_with_the_new(
    cast: Cast, pull_user: PullUser, key: AccessKey, settings: Settings
) -> None:
    use_keys(settings, f"old:{OLD}")
    vault.store(SECRET, access_key=key)
    use_keys(settings, f"new:{NEW}", f"old:{OLD}")
    later = vault.store(
        SECRET[::-1], access_key=create_key(pull_user, "AKIATWO", retires_at=timezone.now())
    )
    assert bytes(later.ciphertext or b"").startswith(b"new:")
    assert vault.reveal_once(key, by=cast.alice) == SECRET


def test_secret_under_a_missing_key_is_reported_to_ops_and_kept(
    cast: Cast,
    pull_user: PullUser,
    key: AccessKey,
    settings: Settings,
    caplog: pytest.LogCaptureFixture,
) -> None:
    use_keys(settings, f"old:{OLD}")
    vault.store(SECRET, access_key=key)
    use_keys(settings, f"new:{NEW}")
    with pytest.raises(Refused, match="cannot be decrypted") as refused:
        reveal(pull_user, by=Actor(cast.alice))
    assert "'old'" not in str(refused.value)
    assert "vault key 'old', which VAULT_KEYS does not hold. Ops can restore" in caplog.text
    assert OneTimeSecret.objects.get().is_unrevealed
    assert not AuditEvent.objects.exists()
    use_keys(settings, f"new:{NEW}", f"old:{OLD}")
    assert reveal(pull_user, by=Actor(cast.alice)).secret_access_key == SECRET


@pytest.mark.parametrize(
    ("entries", "words"),
    [
        ([], "VAULT_KEYS is empty"),
        (["c2hvcnQ="], "Entry 1"),
        ([f":{NEW}"], "Entry 1"),
        ([f"one:{NEW}", "two:c2hvcnQ="], "Entry 2"),
        ([f"one:{NEW}", "two:not base64"], "Entry 2"),
        ([f"one:{NEW}", f"one:{OLD}"], "Entry 2"),
        ([f"one:{NEW}!"], "Entry 1"),
    ],
)
def test_invalid_key_ring_is_refused_without_disclosing_a_key(
    entries: list[str], words: str
) -> None:
    with pytest.raises(ImproperlyConfigured, match=words) as refused:
        encryption.key_ring(entries)
    for part in (OLD, NEW, "c2hvcnQ", "not base64"):
        assert part not in str(refused.value)


# --- Rotating the vault key --------------------------------------------------------


def rotate() -> str:
    out = StringIO()
    call_command("rotate_vault_key", stdout=out)
    return out.getvalue()


def test_rotation_encrypts_everything_under_the_new_key(
    cast: Cast, pull_user: PullUser, key: AccessKey, settings: Settings
) -> None:
    use_keys(settings, f"old:{OLD}")
    vault.store(SECRET, access_key=key)
    revealed = create_key(pull_user, "AKIATWO", retires_at=timezone.now())
    vault.store(SECRET, access_key=revealed)
    vault.reveal_once(revealed, by=cast.alice)
    totp = TOTP.activate(cast.alice, "JBSWY3DPEHPK3PXP")
    codes = RecoveryCodes.activate(cast.alice)
    unused = codes.get_unused_codes()

    use_keys(settings, f"new:{NEW}", f"old:{OLD}")
    assert "'new': 1 secret access keys and 2 second factors" in rotate()
    assert "'new': 0 secret access keys and 0 second factors" in rotate()

    use_keys(settings, f"new:{NEW}")
    assert vault.reveal_once(key, by=cast.alice) == SECRET
    totp.instance.refresh_from_db()
    codes.instance.refresh_from_db()
    assert get_adapter().decrypt(totp.instance.data["secret"]) == "JBSWY3DPEHPK3PXP"
    assert RecoveryCodes(codes.instance).get_unused_codes() == unused


def test_rotation_reports_what_it_cannot_decrypt_and_encrypts_the_rest(
    cast: Cast, pull_user: PullUser, key: AccessKey, settings: Settings
) -> None:
    use_keys(settings, f"lost:{OLD}")
    vault.store(SECRET, access_key=key)
    use_keys(settings, f"old:{NEW}")
    later = create_key(pull_user, "AKIATWO", retires_at=timezone.now())
    vault.store(SECRET, access_key=later)
    use_keys(settings, f"new:{OLD}", f"old:{NEW}")
    with pytest.raises(CommandError, match=r"1 secret access keys and 0 second factors cannot"):
        rotate()
    use_keys(settings, f"new:{OLD}")
    assert vault.reveal_once(later, by=cast.alice) == SECRET
    assert OneTimeSecret.objects.get(access_key=key).is_unrevealed


@pytest.mark.parametrize("action", ["reveal", "destroy"])
def test_rotation_does_not_restore_a_secret_that_is_erased_meanwhile(
    cast: Cast, key: AccessKey, settings: Settings, action: str
) -> None:
    use_keys(settings, f"old:{OLD}")
    vault.store(SECRET, access_key=key)
    use_keys(settings, f"new:{NEW}", f"old:{OLD}")
    erased: list[str] = []

    def erase_first(execute: Any, sql: str, *rest: Any) -> Any:
        if sql.startswith('UPDATE "provisioning_onetimesecret"') and not erased:
            erased.append(sql)
            if action == "destroy":
                vault.destroy(key)
            else:
                assert vault.reveal_once(key, by=cast.alice) == SECRET
        return execute(sql, *rest)

    with connection.execute_wrapper(erase_first):
        assert vault.reencrypt() == (0, 0)
    assert OneTimeSecret.objects.get().ciphertext is None


def test_reveal_that_began_before_the_rotation_succeeds(
    cast: Cast, key: AccessKey, settings: Settings
) -> None:
    use_keys(settings, f"old:{OLD}")
    vault.store(SECRET, access_key=key)
    use_keys(settings, f"new:{NEW}", f"old:{OLD}")
    rotated: list[str] = []

    def rotate_first(execute: Any, sql: str, *rest: Any) -> Any:
        if sql.startswith('UPDATE "provisioning_onetimesecret"') and not rotated:
            rotated.append(sql)
            assert vault.reencrypt() == (1, 0)
        return execute(sql, *rest)

    with connection.execute_wrapper(rotate_first):
        assert vault.reveal_once(key, by=cast.alice) == SECRET
    assert OneTimeSecret.objects.get().ciphertext is None


# --- What cannot be stored ---------------------------------------------------------


@pytest.mark.parametrize(
    "stamps",
    [
        {},
        {"ciphertext": b"x", "revealed": True},
        {"ciphertext": b"x", "destroyed": True},
        {"revealed": True, "destroyed": True},
        {"revealed": True, "by": False},
    ],
)
def test_secret_is_either_encrypted_or_revealed_or_destroyed(
    cast: Cast, key: AccessKey, stamps: dict[str, object]
) -> None:
    now = timezone.now()
    row = OneTimeSecret(
        access_key=key,
        ciphertext=stamps.get("ciphertext"),
        revealed_at=now if stamps.get("revealed") else None,
        revealed_by=cast.alice if stamps.get("revealed") and stamps.get("by", True) else None,
        destroyed_at=now if stamps.get("destroyed") else None,
    )
    with pytest.raises(IntegrityError, match="secret_is_encrypted_or_revealed_or_destroyed"):
        row.save()


# --- A race ------------------------------------------------------------------------


def race(reveal_it: Callable[[], str]) -> list[str]:
    """What eight threads get that reveal at once, each on its own connection."""
    start = Barrier(8)

    def one(_: int) -> str:
        try:
            start.wait(timeout=30)
            return reveal_it()
        except (Refused, NothingToReveal):
            return "refused"
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as threads:
        return sorted(threads.map(one, range(8)))


@pytest.mark.usefixtures("transactional_db")
def test_only_one_of_eight_simultaneous_reveals_succeeds() -> None:
    cast = seed()
    pull_user = create_pull_user(cast)
    vault.store(SECRET, access_key=create_key(pull_user, "AKIAONE"))
    got = race(lambda: reveal(pull_user, by=Actor(cast.alice)).secret_access_key)
    assert got == ["refused"] * 7 + [SECRET]
    assert AuditEvent.objects.filter(action="revealed").count() == 1


@pytest.mark.usefixtures("transactional_db")
def test_only_one_of_eight_that_have_all_read_the_ciphertext_succeeds() -> None:
    cast = seed()
    key = create_key(create_pull_user(cast), "AKIAONE")
    vault.store(SECRET, access_key=key)
    all_have_read = Barrier(8)

    def wait_before_writing(execute: Any, sql: str, *rest: Any) -> Any:
        if sql.startswith("UPDATE"):
            all_have_read.wait(timeout=30)
        return execute(sql, *rest)

    def reveal_it() -> str:
        with connection.execute_wrapper(wait_before_writing):
            return vault.reveal_once(key, by=cast.alice)

    assert race(reveal_it) == ["refused"] * 7 + [SECRET]
