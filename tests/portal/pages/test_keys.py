"""A customer changes her keys by herself, after a fresh proof of who she is."""

from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from accounts.models import AuditEvent
from provisioning.demo.cast import Cast
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
    assert "give up" in words(alice.get(address))
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
