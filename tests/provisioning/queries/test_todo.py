"""What a member should do, and in which order."""

from datetime import timedelta

import pytest
from django.utils import timezone

from accounts.models import Customer, Membership
from provisioning import queries
from provisioning.demo.seed import Cast
from provisioning.models import (
    AccessKey,
    Entitlement,
    OneTimeSecret,
    PullUser,
    Repository,
)
from provisioning.queries import Todo, TodoKind
from tests.entitlements import approved
from tests.portal.pages.pages import as_user, words
from tests.provisioned import add_key, change, collect, days, provision


@pytest.fixture
def key(cast: Cast) -> AccessKey:
    """Birch Bank's, revealed by Alice a week ago and in use."""
    approved(cast)
    key = provision(cast.birch).access_keys.get()
    collect(cast, key, days(-7))
    change(key, created_at=days(-7), last_used_at=days(-1))
    return key


def todo(cast: Cast) -> list[Todo]:
    return queries.todo(queries.of_user(cast.alice))


def kinds(cast: Cast) -> list[TodoKind]:
    return [row.kind for row in todo(cast)]


def replace(cast: Cast, key: AccessKey) -> AccessKey:
    """Add a new key, revealed yesterday; the old one retires in five days."""
    change(key, retires_at=days(5))
    new = add_key(PullUser.objects.get())
    collect(cast, new, days(-1))
    return new


def test_there_is_nothing_to_do_when_all_is_well(cast: Cast, key: AccessKey) -> None:
    assert todo(cast) == []


def test_unrevealed_secret_is_listed_with_the_day_it_is_destroyed(cast: Cast) -> None:
    approved(cast)
    provision(cast.birch)
    (row,) = todo(cast)
    assert (row.kind, row.key) == (TodoKind.REVEAL, AccessKey.objects.get())
    assert row.at == OneTimeSecret.objects.get().created_at + timedelta(days=7)


def test_key_that_is_still_being_tested_is_not_listed(cast: Cast) -> None:
    approved(cast)
    provision(cast.birch)
    AccessKey.objects.update(tested_at=None)
    assert todo(cast) == []


def test_credentials_that_nobody_revealed_in_time_are_listed(cast: Cast, key: AccessKey) -> None:
    change(key, desired="Deleted", status="Deleted", retires_at=days(-1))
    PullUser.objects.update(unclaimed_at=days(-1))
    assert kinds(cast) == [TodoKind.UNCLAIMED]


@pytest.mark.parametrize(("left", "is_listed"), [(29, True), (31, False)])
def test_key_is_listed_thirty_days_before_it_expires(
    cast: Cast, key: AccessKey, left: int, *, is_listed: bool
) -> None:
    change(key, expires_at=days(left))
    assert kinds(cast) == ([TodoKind.KEY_EXPIRES] if is_listed else [])


@pytest.mark.parametrize(("left", "is_listed"), [(29, True), (31, False)])
def test_term_is_listed_thirty_days_before_it_ends(
    cast: Cast, key: AccessKey, left: int, *, is_listed: bool
) -> None:
    Entitlement.objects.update(starts_at=days(-300), ends_at=days(left))
    assert kinds(cast) == ([TodoKind.TERM_ENDS] if is_listed else [])


@pytest.mark.parametrize(
    ("old_used", "new_used", "is_listed"),
    [
        (-0.5, -0.1, True),
        (-3, -0.1, False),
        (-3, None, True),
        (None, None, False),
    ],
    ids=["old key used since", "new key in use", "new key never used", "neither used"],
)
def test_retiring_key_is_listed_while_something_needs_it(
    cast: Cast, key: AccessKey, old_used: float | None, new_used: float | None, *, is_listed: bool
) -> None:
    new = replace(cast, key)
    change(key, last_used_at=old_used and days(old_used))
    change(new, last_used_at=new_used and days(new_used))
    assert kinds(cast) == ([TodoKind.OLD_KEY_IN_USE] if is_listed else [])


def test_retiring_key_that_is_deactivated_is_not_listed(cast: Cast, key: AccessKey) -> None:
    replace(cast, key)
    change(key, desired="Inactive", last_used_at=days(-0.5))
    assert kinds(cast) == []


def test_key_that_a_former_member_revealed_is_listed(cast: Cast, key: AccessKey) -> None:
    OneTimeSecret.objects.update(revealed_by=cast.bob)
    assert kinds(cast) == []
    Membership.objects.filter(user=cast.bob).delete()
    assert kinds(cast) == [TodoKind.HOLDER_LEFT]
    shown = words(as_user(cast.alice).get("/"))
    assert "Bob Berger, who revealed the access key" in shown
    assert "is no longer a member of Birch Bank" in shown


def test_product_that_needs_the_vendor_is_listed(cast: Cast, key: AccessKey) -> None:
    PullUser.objects.update(attention="The role lacks a permission.")
    assert kinds(cast) == [TodoKind.STUCK]


def test_what_prevents_pulling_comes_first_and_the_rest_by_deadline(
    cast: Cast, key: AccessKey
) -> None:
    new = replace(cast, key)
    change(key, last_used_at=days(-0.5))
    change(new, expires_at=days(2))
    Entitlement.objects.update(starts_at=days(-300), ends_at=days(3))
    Repository.objects.filter(name="acme/server").update(attention="The role lacks a permission.")
    cast.server.repositories.get(name="acme/server").grants.update(in_repository_policy=False)
    assert kinds(cast) == [
        TodoKind.STUCK,
        TodoKind.KEY_EXPIRES,
        TodoKind.TERM_ENDS,
        TodoKind.OLD_KEY_IN_USE,
    ]
    OneTimeSecret.objects.get(access_key=new).delete()
    OneTimeSecret.objects.create(access_key=new, ciphertext=b"ciphertext")
    assert kinds(cast) == [TodoKind.REVEAL, TodoKind.STUCK, TodoKind.TERM_ENDS]


def test_key_of_two_products_is_listed_once(cast: Cast, key: AccessKey) -> None:
    approved(cast, cast.reports)
    provision(cast.birch)
    change(key, expires_at=days(3))
    assert kinds(cast) == [TodoKind.KEY_EXPIRES]


def test_nothing_is_listed_for_what_is_suspended_or_has_ended(cast: Cast, key: AccessKey) -> None:
    change(key, expires_at=days(3))
    Customer.objects.filter(pk=cast.birch.pk).update(suspended_at=timezone.now())
    assert todo(cast) == []
    Customer.objects.filter(pk=cast.birch.pk).update(suspended_at=None)
    Entitlement.objects.update(state="withdrawn")
    assert todo(cast) == []
