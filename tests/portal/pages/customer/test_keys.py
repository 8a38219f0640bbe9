"""Members create, deactivate and activate keys themselves, after a recent sign-in."""

from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone
from django.utils.formats import date_format

from accounts.models import AuditEvent
from provisioning.demo.seed import Cast
from provisioning.flows import Actor
from provisioning.flows.entitlements import request
from provisioning.models import AccessKey, OneTimeSecret, PullUser
from tests.entitlements import approved
from tests.portal.pages.pages import as_user, confirm, words
from tests.provisioned import add_key, provision


@pytest.fixture
def key(cast: Cast) -> AccessKey:
    approved(cast)
    pull_user = provision(cast.birch)
    reveal_all(cast)
    return pull_user.access_keys.get()


def reveal_all(cast: Cast) -> None:
    OneTimeSecret.objects.update(
        ciphertext=None, revealed_at=timezone.now(), revealed_by=cast.alice
    )


@pytest.fixture
def alice(cast: Cast) -> Client:
    return as_user(cast.alice)


def test_rotation_requires_a_recent_sign_in_and_retires_the_old_key_later(
    alice: Client, key: AccessKey
) -> None:
    address = f"/credentials/{key.pull_user_id}/rotate/"
    assert "reauthenticate" in alice.get(address)["Location"]
    asked = confirm(alice, address)
    assert key.access_key_id in words(asked)
    done = alice.post(address, {"overlap": "7"}, follow=True)
    assert "A new key is being created" in words(done)
    key.refresh_from_db()
    assert key.retires_at is not None
    assert key.retires_at > timezone.now() + timedelta(days=6)
    assert AuditEvent.objects.get(action="rotated").actor_label.startswith("Alice")


def test_without_a_recent_sign_in_nothing_changes(alice: Client, key: AccessKey) -> None:
    alice.post(f"/credentials/{key.pull_user_id}/rotate/", {"overlap": "0"})
    alice.post(f"/keys/{key.pk}/switch/")
    key.refresh_from_db()
    assert (key.retires_at, key.desired) == (None, "Active")


def test_second_rotation_asks_which_key_to_delete(
    cast: Cast, alice: Client, key: AccessKey
) -> None:
    address = f"/credentials/{key.pull_user_id}/rotate/"
    confirm(alice, address)
    alice.post(address, {"overlap": "7"})
    second = add_key(PullUser.objects.get())
    reveal_all(cast)
    assert "AWS allows two keys. Which one should be deleted now?" in words(alice.get(address))
    alice.post(address, {"overlap": "7", "key_to_delete": key.access_key_id})
    key.refresh_from_db()
    second.refresh_from_db()
    assert key.retires_at is not None
    assert key.retires_at <= timezone.now()
    assert second.retires_at is not None


def test_key_is_deactivated_and_activated(alice: Client, key: AccessKey) -> None:
    address = f"/keys/{key.pk}/switch/"
    assert "Deactivate now" in words(confirm(alice, address))
    assert "being deactivated" in words(alice.post(address, follow=True))
    key.refresh_from_db()
    assert key.desired == "Inactive"
    assert "being activated" in words(alice.post(address, follow=True))
    key.refresh_from_db()
    assert key.desired == "Active"


def test_viewer_is_told_who_can_change_keys(cast: Cast, key: AccessKey) -> None:
    bob = as_user(cast.bob)
    for address in (f"/credentials/{key.pull_user_id}/rotate/", f"/keys/{key.pk}/switch/"):
        confirm(bob, address)
        assert "Only an engineer or owner" in words(bob.post(address, follow=True))
    key.refresh_from_db()
    assert (key.retires_at, key.desired) == (None, "Active")


def test_credentials_lead_to_rotation_for_those_who_may(
    cast: Cast, alice: Client, key: AccessKey
) -> None:
    page = f"/access/{cast.birch.entitlements.get().pk}/credentials/"
    assert f"/credentials/{key.pull_user_id}/rotate/" in alice.get(page).content.decode()
    assert "rotate" not in as_user(cast.bob).get(page).content.decode()


def test_rotation_page_says_what_will_happen_and_when(
    cast: Cast, alice: Client, key: AccessKey
) -> None:
    AccessKey.objects.update(last_used_at=timezone.now() - timedelta(days=3))
    asked = words(confirm(alice, f"/credentials/{key.pull_user_id}/rotate/"))
    in_a_week = date_format(timezone.now() + timedelta(days=7), "j F Y")
    assert f"works for 7 more days, until {in_a_week}" in asked
    assert f"AWS refuses {key} , and it is deleted." in asked
    in_ninety_days = date_format(timezone.now() + timedelta(days=90), "j F Y")
    assert f"The new key expires on {in_ninety_days} ," in asked
    assert "Last used 3 days ago" in asked


def test_rotation_without_a_revealed_key_asks_for_no_overlap(
    cast: Cast, alice: Client, key: AccessKey
) -> None:
    address = f"/credentials/{key.pull_user_id}/rotate/"
    AccessKey.objects.update(retires_at=timezone.now(), desired="Deleted", status="Deleted")
    PullUser.objects.update(unclaimed_at=timezone.now())
    assert "works for" not in words(confirm(alice, address))
    assert "A new key is being created" in words(alice.post(address, follow=True))
    assert PullUser.objects.get().unclaimed_at is None


@pytest.mark.parametrize("action", ["rotate", "switch"])
@pytest.mark.parametrize("came_from", ["older", "newer", "foreign"])
def test_action_leads_back_to_the_product_it_was_started_from(
    cast: Cast, alice: Client, key: AccessKey, action: str, came_from: str
) -> None:
    entitlements = {
        "older": cast.birch.entitlements.get(),
        "newer": approved(cast, cast.reports),
        "foreign": request(cast.cedar, cast.server, by=Actor(cast.charlie)),
    }
    address = {
        "rotate": f"/credentials/{key.pull_user_id}/rotate/",
        "switch": f"/keys/{key.pk}/switch/",
    }[action]
    confirm(alice, address)
    done = alice.post(f"{address}?from={entitlements[came_from].pk}", {"overlap": "7"})
    # Another customer's entitlement counts as none: the newest one is taken.
    expected = entitlements["newer" if came_from == "foreign" else came_from]
    assert done["Location"] == f"/access/{expected.pk}/credentials/"


def test_other_customers_keys_are_not_found(cast: Cast, key: AccessKey) -> None:
    charlie = as_user(cast.charlie)
    confirm(charlie, f"/customers/{cast.cedar.pk}/labels/")
    for address in (f"/credentials/{key.pull_user_id}/rotate/", f"/keys/{key.pk}/switch/"):
        assert charlie.get(address).status_code == 404
        assert charlie.post(address, {"overlap": "0"}).status_code == 404
    key.refresh_from_db()
    assert (key.retires_at, key.desired) == (None, "Active")
