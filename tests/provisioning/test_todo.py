"""What a member should know of first, and in which order."""

from datetime import datetime, timedelta

import pytest
from django.utils import timezone

from accounts.models import Customer
from provisioning import queries
from provisioning.demo.cast import Cast
from provisioning.models import (
    AccessKey,
    Entitlement,
    OneTimeSecret,
    PullUser,
    Repository,
)
from provisioning.queries import Kind, Todo
from tests.provisioned import add_key, approved, provision


@pytest.fixture
def key(cast: Cast) -> AccessKey:
    """Alice's, collected a week ago and in use."""
    approved(cast)
    key = provision(cast.birch).access_keys.get()
    collect(cast, key, days(-7))
    change(key, created_at=days(-7), last_used_at=days(-1))
    return key


def days(number: float) -> datetime:
    return timezone.now() + timedelta(days=number)


def collect(cast: Cast, key: AccessKey, at: datetime) -> None:
    secrets = OneTimeSecret.objects.filter(access_key=key)
    secrets.update(sealed=None, revealed_at=at, revealed_by=cast.alice)


def change(key: AccessKey, **changes: object) -> None:
    AccessKey.objects.filter(pk=key.pk).update(**changes)


def todo(cast: Cast) -> list[Todo]:
    return queries.todo(queries.of_user(cast.alice))


def kinds(cast: Cast) -> list[Kind]:
    return [row.kind for row in todo(cast)]


def replace(cast: Cast, key: AccessKey) -> AccessKey:
    """A new key, collected yesterday; the old one retires in five days."""
    change(key, retires_at=days(5))
    new = add_key(PullUser.objects.get())
    collect(cast, new, days(-1))
    return new


def test_nothing_is_to_be_done_where_all_is_well(cast: Cast, key: AccessKey) -> None:
    assert todo(cast) == []


def test_waiting_secret_is_told_with_the_day_it_is_destroyed(cast: Cast) -> None:
    approved(cast)
    provision(cast.birch)
    (row,) = todo(cast)
    assert (row.kind, row.key) == (Kind.REVEAL, AccessKey.objects.get())
    assert row.at == OneTimeSecret.objects.get().made_at + timedelta(days=7)


def test_key_that_is_still_being_tested_is_not_told_of(cast: Cast) -> None:
    approved(cast)
    provision(cast.birch)
    AccessKey.objects.update(tested_at=None)
    assert todo(cast) == []


def test_credentials_that_nobody_collected_are_told_of(cast: Cast, key: AccessKey) -> None:
    change(key, wanted="Deleted", status="Deleted", retires_at=days(-1))
    PullUser.objects.update(unclaimed_at=days(-1))
    assert kinds(cast) == [Kind.UNCLAIMED]


@pytest.mark.parametrize(("left", "is_told"), [(29, True), (31, False)])
def test_key_is_told_of_thirty_days_before_it_expires(
    cast: Cast, key: AccessKey, left: int, *, is_told: bool
) -> None:
    change(key, expires_at=days(left))
    assert kinds(cast) == ([Kind.KEY_EXPIRES] if is_told else [])


@pytest.mark.parametrize(("left", "is_told"), [(29, True), (31, False)])
def test_term_is_told_of_thirty_days_before_it_ends(
    cast: Cast, key: AccessKey, left: int, *, is_told: bool
) -> None:
    Entitlement.objects.update(starts_at=days(-300), ends_at=days(left))
    assert kinds(cast) == ([Kind.TERM_ENDS] if is_told else [])


@pytest.mark.parametrize(
    ("old_used", "new_used", "is_told"),
    [
        (-0.5, -0.1, True),
        (-3, -0.1, False),
        (-3, None, True),
        (None, None, False),
    ],
    ids=["since then", "before, and now the new one", "and the new one never", "never"],
)
def test_retiring_key_is_told_of_while_something_needs_it(
    cast: Cast, key: AccessKey, old_used: float | None, new_used: float | None, *, is_told: bool
) -> None:
    new = replace(cast, key)
    change(key, last_used_at=old_used and days(old_used))
    change(new, last_used_at=new_used and days(new_used))
    assert kinds(cast) == ([Kind.OLD_KEY_IN_USE] if is_told else [])


def test_retiring_key_that_is_switched_off_is_not_told_of(cast: Cast, key: AccessKey) -> None:
    replace(cast, key)
    change(key, wanted="Inactive", last_used_at=days(-0.5))
    assert kinds(cast) == []


def test_what_needs_the_vendor_is_told_of(cast: Cast, key: AccessKey) -> None:
    PullUser.objects.update(attention="The role lacks a permission.")
    assert kinds(cast) == [Kind.STUCK]


def test_what_stops_pulling_comes_first_and_the_rest_by_its_day(cast: Cast, key: AccessKey) -> None:
    new = replace(cast, key)
    change(key, last_used_at=days(-0.5))
    change(new, expires_at=days(2))
    Entitlement.objects.update(starts_at=days(-300), ends_at=days(3))
    Repository.objects.filter(name="acme/server").update(attention="The role lacks a permission.")
    cast.server.repositories.get(name="acme/server").grants.update(status="waiting")
    assert kinds(cast) == [Kind.STUCK, Kind.KEY_EXPIRES, Kind.TERM_ENDS, Kind.OLD_KEY_IN_USE]
    collected = OneTimeSecret.objects.get(access_key=new)
    collected.delete()
    OneTimeSecret.objects.create(access_key=new, sealed=b"sealed")
    assert kinds(cast) == [Kind.REVEAL, Kind.STUCK, Kind.TERM_ENDS]


def test_key_that_serves_many_products_is_told_of_once(cast: Cast, key: AccessKey) -> None:
    approved(cast, cast.reports)
    provision(cast.birch)
    change(key, expires_at=days(3))
    assert kinds(cast) == [Kind.KEY_EXPIRES]


def test_nothing_is_told_of_what_is_suspended_or_over(cast: Cast, key: AccessKey) -> None:
    change(key, expires_at=days(3))
    Customer.objects.filter(pk=cast.birch.pk).update(suspended_at=timezone.now())
    assert todo(cast) == []
    Customer.objects.filter(pk=cast.birch.pk).update(suspended_at=None)
    Entitlement.objects.update(state="withdrawn")
    assert todo(cast) == []
