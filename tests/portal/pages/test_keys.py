"""A customer changes her keys by herself, after a fresh proof of who she is."""

from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone
from django.utils.formats import date_format

from accounts.models import AuditEvent
from provisioning.demo.cast import Cast
from provisioning.flows import By
from provisioning.flows.request import request
from provisioning.models import AccessKey, OneTimeSecret, PullUser
from tests.portal.pages.reading import as_user, confirm, words
from tests.provisioned import add_key, approved, provision


@pytest.fixture
def key(cast: Cast) -> AccessKey:
    approved(cast)
    pull_user = provision(cast.birch)
    reveal_all(cast)
    return pull_user.access_keys.get()


def reveal_all(cast: Cast) -> None:
    OneTimeSecret.objects.update(sealed=None, revealed_at=timezone.now(), revealed_by=cast.alice)


@pytest.fixture
def alice(cast: Cast) -> Client:
    return as_user(cast.alice)


def test_rotation_asks_who_she_is_and_retires_the_old_key_later(
    alice: Client, key: AccessKey
) -> None:
    address = f"/credentials/{key.pull_user_id}/rotate/"
    assert "reauthenticate" in alice.get(address)["Location"]
    asked = confirm(alice, address)
    assert key.access_key_id in words(asked)
    told = alice.post(address, {"overlap": "7"}, follow=True)
    assert "A new key is being made" in words(told)
    key.refresh_from_db()
    assert key.retires_at is not None
    assert key.retires_at > timezone.now() + timedelta(days=6)
    assert AuditEvent.objects.get(deed="rotated").actor_label.startswith("Alice")


def test_rotation_without_a_fresh_proof_changes_nothing(alice: Client, key: AccessKey) -> None:
    alice.post(f"/credentials/{key.pull_user_id}/rotate/", {"overlap": "0"})
    alice.post(f"/keys/{key.pk}/switch/")
    key.refresh_from_db()
    assert (key.retires_at, key.wanted) == (None, "Active")


def test_second_rotation_asks_which_key_goes(cast: Cast, alice: Client, key: AccessKey) -> None:
    address = f"/credentials/{key.pull_user_id}/rotate/"
    confirm(alice, address)
    alice.post(address, {"overlap": "7"})
    second = add_key(PullUser.objects.get())
    reveal_all(cast)
    assert "Which one goes now?" in words(alice.get(address))
    alice.post(address, {"overlap": "7", "give_up": key.access_key_id})
    key.refresh_from_db()
    second.refresh_from_db()
    assert key.retires_at is not None
    assert key.retires_at <= timezone.now()
    assert second.retires_at is not None


def test_key_is_switched_off_and_on(alice: Client, key: AccessKey) -> None:
    address = f"/keys/{key.pk}/switch/"
    assert "Deactivate now" in words(confirm(alice, address))
    assert "being deactivated" in words(alice.post(address, follow=True))
    key.refresh_from_db()
    assert key.wanted == "Inactive"
    assert "being activated" in words(alice.post(address, follow=True))
    key.refresh_from_db()
    assert key.wanted == "Active"


def test_viewer_is_told_who_can(cast: Cast, key: AccessKey) -> None:
    bob = as_user(cast.bob)
    for address in (f"/credentials/{key.pull_user_id}/rotate/", f"/keys/{key.pk}/switch/"):
        confirm(bob, address)
        assert "Only an engineer or owner" in words(bob.post(address, follow=True))
    key.refresh_from_db()
    assert (key.retires_at, key.wanted) == (None, "Active")


def test_page_of_the_product_leads_there(cast: Cast, alice: Client, key: AccessKey) -> None:
    page = f"/access/{cast.birch.entitlements.get().pk}/"
    assert f"/credentials/{key.pull_user_id}/rotate/" in alice.get(page).content.decode()
    assert "rotate" not in as_user(cast.bob).get(page).content.decode()


def test_rotation_says_what_will_happen_with_its_days(
    cast: Cast, alice: Client, key: AccessKey
) -> None:
    AccessKey.objects.update(last_used_at=timezone.now() - timedelta(days=3))
    asked = words(confirm(alice, f"/credentials/{key.pull_user_id}/rotate/"))
    in_a_week = date_format(timezone.now() + timedelta(days=7), "j F Y")
    assert f"works on for 7 days, until {in_a_week}" in asked
    assert f"AWS refuses {key} , and it is deleted." in asked
    in_ninety_days = date_format(timezone.now() + timedelta(days=90), "j F Y")
    assert f"The new key expires itself on {in_ninety_days} ," in asked
    assert "Last used 3 days ago" in asked


def test_rotation_of_what_nobody_has_asks_for_no_overlap(
    cast: Cast, alice: Client, key: AccessKey
) -> None:
    address = f"/credentials/{key.pull_user_id}/rotate/"
    AccessKey.objects.update(retires_at=timezone.now(), wanted="Deleted", status="Deleted")
    PullUser.objects.update(unclaimed_at=timezone.now())
    assert "works on for" not in words(confirm(alice, address))
    assert "A new key is being made" in words(alice.post(address, follow=True))
    assert PullUser.objects.get().unclaimed_at is None


@pytest.mark.parametrize("deed", ["rotate", "switch"])
def test_deed_leads_back_to_the_product_she_came_from(
    cast: Cast, alice: Client, key: AccessKey, deed: str
) -> None:
    older = cast.birch.entitlements.get()
    newer = approved(cast, cast.reports)
    address = {
        "rotate": f"/credentials/{key.pull_user_id}/rotate/",
        "switch": f"/keys/{key.pk}/switch/",
    }[deed]
    confirm(alice, address)
    for came_from in (older, newer):
        done = alice.post(f"{address}?from={came_from.pk}", {"overlap": "7"})
        assert done["Location"] == f"/access/{came_from.pk}/#credentials"
    foreign = request(cast.cedar, cast.server, by=By(cast.charlie))
    done = alice.post(f"{address}?from={foreign.pk}", {"overlap": "7"})
    assert done["Location"] == f"/access/{newer.pk}/#credentials"


def test_other_customers_keys_are_not_found(cast: Cast, key: AccessKey) -> None:
    charlie = as_user(cast.charlie)
    confirm(charlie, f"/customers/{cast.cedar.pk}/labels/")
    for address in (f"/credentials/{key.pull_user_id}/rotate/", f"/keys/{key.pk}/switch/"):
        assert charlie.get(address).status_code == 404
        assert charlie.post(address, {"overlap": "0"}).status_code == 404
    key.refresh_from_db()
    assert (key.retires_at, key.wanted) == (None, "Active")
