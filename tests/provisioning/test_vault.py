"""A secret is sealed, bound to its row, and comes out once at the most."""

import base64
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from io import StringIO
from threading import Barrier
from typing import Any

import pytest
from allauth.mfa.adapter import get_adapter
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.internal.auth import TOTP
from django.apps import apps
from django.core.exceptions import ImproperlyConfigured
from django.core.management import CommandError, call_command
from django.db import IntegrityError, connection
from django.utils import timezone
from pytest_django import Settings

from accounts import sealing
from accounts.models import AuditEvent
from provisioning import vault
from provisioning.demo.cast import Cast, seed
from provisioning.flows import By, Refused
from provisioning.flows.reveal import reveal
from provisioning.models import AccessKey, OneTimeSecret, PullUser
from provisioning.vault import NothingToReveal, VaultError

SECRET = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
OLD, NEW = (base64.b64encode(bytes([number]) * 32).decode() for number in (1, 2))


@pytest.fixture
def pull_user(cast: Cast) -> PullUser:
    return make_pull_user(cast)


@pytest.fixture
def key(pull_user: PullUser) -> AccessKey:
    return make_key(pull_user, "AKIAONE")


def make_pull_user(cast: Cast) -> PullUser:
    return PullUser.objects.create(
        customer=cast.birch, account_id="123456789012", name="birch", arn="arn", status="ready"
    )


def make_key(pull_user: PullUser, access_key_id: str, **fields: object) -> AccessKey:
    return AccessKey.objects.create(
        pull_user=pull_user, access_key_id=access_key_id, tested_at=timezone.now(), **fields
    )


def turn_to(settings: Settings, *entries: str) -> None:
    settings.VAULT_KEYS = list(entries)


# --- Sealing and opening -----------------------------------------------------------


def test_what_is_sealed_is_revealed_as_it_was(cast: Cast, key: AccessKey) -> None:
    vault.seal(SECRET, access_key=key)
    assert vault.reveal_once(key, by=cast.alice) == SECRET
    row = OneTimeSecret.objects.get()
    assert (row.sealed, row.revealed_by) == (None, cast.alice)
    assert row.revealed_at is not None


def test_second_reveal_finds_nothing(cast: Cast, key: AccessKey) -> None:
    vault.seal(SECRET, access_key=key)
    vault.reveal_once(key, by=cast.alice)
    with pytest.raises(NothingToReveal):
        vault.reveal_once(key, by=cast.alice)


def test_burned_secret_is_gone(cast: Cast, key: AccessKey) -> None:
    vault.seal(SECRET, access_key=key)
    vault.burn(key)
    with pytest.raises(NothingToReveal):
        vault.reveal_once(key, by=cast.alice)
    row = OneTimeSecret.objects.get()
    assert (row.sealed, row.revealed_at) == (None, None)
    assert row.burned_at is not None


def test_burning_does_not_touch_what_was_revealed(cast: Cast, key: AccessKey) -> None:
    vault.seal(SECRET, access_key=key)
    vault.reveal_once(key, by=cast.alice)
    vault.burn(key)
    assert OneTimeSecret.objects.get().burned_at is None


def test_same_secret_sealed_twice_looks_different(key: AccessKey) -> None:
    first = vault.seal(SECRET, access_key=key)
    first.delete()
    second = vault.seal(SECRET, access_key=key)
    assert first.sealed != second.sealed
    assert SECRET.encode() not in bytes(second.sealed or b"")


def test_ciphertext_does_not_open_in_another_row(
    cast: Cast, pull_user: PullUser, key: AccessKey
) -> None:
    other = make_key(pull_user, "AKIATWO", retires_at=timezone.now())
    stolen = vault.seal(SECRET, access_key=key).sealed
    OneTimeSecret.objects.create(access_key=other, sealed=stolen)
    with pytest.raises(VaultError, match=r"damaged.*reissue"):
        vault.reveal_once(other, by=cast.alice)
    assert OneTimeSecret.objects.get(access_key=other).is_sealed


def test_damaged_ciphertext_does_not_open(cast: Cast, key: AccessKey) -> None:
    row = vault.seal(SECRET, access_key=key)
    sealed = bytes(row.sealed or b"")
    OneTimeSecret.objects.update(sealed=sealed[:-1] + bytes([sealed[-1] ^ 1]))
    with pytest.raises(VaultError, match="damaged"):
        vault.reveal_once(key, by=cast.alice)


# --- The key ring ------------------------------------------------------------------


def test_rotated_ring_opens_the_old_and_seals_with_the_new(
    cast: Cast, pull_user: PullUser, key: AccessKey, settings: Settings
) -> None:
    turn_to(settings, f"old:{OLD}")
    vault.seal(SECRET, access_key=key)
    turn_to(settings, f"new:{NEW}", f"old:{OLD}")
    later = vault.seal(
        SECRET[::-1], access_key=make_key(pull_user, "AKIATWO", retires_at=timezone.now())
    )
    assert bytes(later.sealed or b"").startswith(b"new:")
    assert vault.reveal_once(key, by=cast.alice) == SECRET


def test_secret_under_a_key_that_is_missing_is_said_to_ops_and_kept(
    cast: Cast,
    pull_user: PullUser,
    key: AccessKey,
    settings: Settings,
    caplog: pytest.LogCaptureFixture,
) -> None:
    turn_to(settings, f"old:{OLD}")
    vault.seal(SECRET, access_key=key)
    turn_to(settings, f"new:{NEW}")
    with pytest.raises(Refused, match="cannot be opened") as refused:
        reveal(pull_user, by=By(cast.alice))
    assert "'old'" not in str(refused.value)
    assert "vault key 'old', which VAULT_KEYS does not hold. Ops can put" in caplog.text
    assert OneTimeSecret.objects.get().is_sealed
    assert not AuditEvent.objects.exists()
    turn_to(settings, f"new:{NEW}", f"old:{OLD}")
    assert reveal(pull_user, by=By(cast.alice)).secret_access_key == SECRET


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
def test_ring_that_is_none_is_refused_without_telling_a_key(entries: list[str], words: str) -> None:
    with pytest.raises(ImproperlyConfigured, match=words) as refused:
        sealing.key_ring(entries)
    for part in (OLD, NEW, "c2hvcnQ", "not base64"):
        assert part not in str(refused.value)


# --- Another key -------------------------------------------------------------------


def rotate() -> str:
    out = StringIO()
    call_command("rotate_vault_key", stdout=out)
    return out.getvalue()


def test_rotation_seals_everything_under_the_new_key(
    cast: Cast, pull_user: PullUser, key: AccessKey, settings: Settings
) -> None:
    turn_to(settings, f"old:{OLD}")
    vault.seal(SECRET, access_key=key)
    revealed = make_key(pull_user, "AKIATWO", retires_at=timezone.now())
    vault.seal(SECRET, access_key=revealed)
    vault.reveal_once(revealed, by=cast.alice)
    totp = TOTP.activate(cast.alice, "JBSWY3DPEHPK3PXP")
    codes = RecoveryCodes.activate(cast.alice)
    unused = codes.get_unused_codes()

    turn_to(settings, f"new:{NEW}", f"old:{OLD}")
    assert "'new': 1 secret access keys and 2 second factors" in rotate()
    assert "'new': 0 secret access keys and 0 second factors" in rotate()

    turn_to(settings, f"new:{NEW}")
    assert vault.reveal_once(key, by=cast.alice) == SECRET
    totp.instance.refresh_from_db()
    codes.instance.refresh_from_db()
    assert get_adapter().decrypt(totp.instance.data["secret"]) == "JBSWY3DPEHPK3PXP"
    assert RecoveryCodes(codes.instance).get_unused_codes() == unused


def test_rotation_says_what_it_cannot_open_and_seals_the_rest(
    cast: Cast, pull_user: PullUser, key: AccessKey, settings: Settings
) -> None:
    turn_to(settings, f"lost:{OLD}")
    vault.seal(SECRET, access_key=key)
    turn_to(settings, f"old:{NEW}")
    later = make_key(pull_user, "AKIATWO", retires_at=timezone.now())
    vault.seal(SECRET, access_key=later)
    turn_to(settings, f"new:{OLD}", f"old:{NEW}")
    with pytest.raises(CommandError, match=r"1 secret access keys and 0 second factors cannot"):
        rotate()
    turn_to(settings, f"new:{OLD}")
    assert vault.reveal_once(later, by=cast.alice) == SECRET
    assert OneTimeSecret.objects.get(access_key=key).is_sealed


@pytest.mark.parametrize("deed", ["reveal", "burn"])
def test_rotation_brings_nothing_back_that_is_erased_meanwhile(
    cast: Cast, key: AccessKey, settings: Settings, deed: str
) -> None:
    turn_to(settings, f"old:{OLD}")
    vault.seal(SECRET, access_key=key)
    turn_to(settings, f"new:{NEW}", f"old:{OLD}")
    erased: list[str] = []

    def erase_first(execute: Any, sql: str, *rest: Any) -> Any:
        if sql.startswith('UPDATE "provisioning_onetimesecret"') and not erased:
            erased.append(sql)
            if deed == "burn":
                vault.burn(key)
            else:
                assert vault.reveal_once(key, by=cast.alice) == SECRET
        return execute(sql, *rest)

    with connection.execute_wrapper(erase_first):
        assert vault.reseal() == (0, 0)
    assert OneTimeSecret.objects.get().sealed is None


def test_reveal_that_began_before_the_rotation_ends_as_if_there_were_none(
    cast: Cast, key: AccessKey, settings: Settings
) -> None:
    turn_to(settings, f"old:{OLD}")
    vault.seal(SECRET, access_key=key)
    turn_to(settings, f"new:{NEW}", f"old:{OLD}")
    rotated: list[str] = []

    def rotate_first(execute: Any, sql: str, *rest: Any) -> Any:
        if sql.startswith('UPDATE "provisioning_onetimesecret"') and not rotated:
            rotated.append(sql)
            assert vault.reseal() == (1, 0)
        return execute(sql, *rest)

    with connection.execute_wrapper(rotate_first):
        assert vault.reveal_once(key, by=cast.alice) == SECRET
    assert OneTimeSecret.objects.get().sealed is None


# --- What cannot be stored ---------------------------------------------------------


@pytest.mark.parametrize(
    "stamps",
    [
        {},
        {"sealed": b"x", "revealed": True},
        {"sealed": b"x", "burned": True},
        {"revealed": True, "burned": True},
        {"revealed": True, "by": False},
    ],
)
def test_secret_is_sealed_or_revealed_or_burned_and_never_two(
    cast: Cast, key: AccessKey, stamps: dict[str, object]
) -> None:
    now = timezone.now()
    row = OneTimeSecret(
        access_key=key,
        sealed=stamps.get("sealed"),
        revealed_at=now if stamps.get("revealed") else None,
        revealed_by=cast.alice if stamps.get("revealed") and stamps.get("by", True) else None,
        burned_at=now if stamps.get("burned") else None,
    )
    with pytest.raises(IntegrityError, match="secret_is_sealed_or_revealed_or_burned"):
        row.save()


# --- A race ------------------------------------------------------------------------


def race(reveal_it: Callable[[], str]) -> list[str]:
    """What eight get who reveal at once, each on a connection of its own."""
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


@pytest.fixture
def committed(transactional_db: None) -> None:
    """A database that other connections see. What migrations put in may have been flushed by
    an earlier test of this kind: the groups are made anew."""
    migration = import_module("provisioning.migrations.0002_staff_groups")
    migration.make_groups(apps, None)


@pytest.mark.usefixtures("committed")
def test_of_eight_who_reveal_at_once_one_gets_it() -> None:
    people = seed()
    pull_user = make_pull_user(people)
    vault.seal(SECRET, access_key=make_key(pull_user, "AKIAONE"))
    got = race(lambda: reveal(pull_user, by=By(people.alice)).secret_access_key)
    assert got == ["refused"] * 7 + [SECRET]
    assert AuditEvent.objects.filter(deed="revealed").count() == 1


@pytest.mark.usefixtures("committed")
def test_of_eight_who_have_all_read_the_sealed_secret_one_gets_it() -> None:
    people = seed()
    key = make_key(make_pull_user(people), "AKIAONE")
    vault.seal(SECRET, access_key=key)
    all_have_read = Barrier(8)

    def wait_before_writing(execute: Any, sql: str, *rest: Any) -> Any:
        if sql.startswith("UPDATE"):
            all_have_read.wait(timeout=30)
        return execute(sql, *rest)

    def reveal_it() -> str:
        with connection.execute_wrapper(wait_before_writing):
            return vault.reveal_once(key, by=people.alice)

    assert race(reveal_it) == ["refused"] * 7 + [SECRET]
