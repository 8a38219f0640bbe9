"""The credentials on the product's page: every living key, and what can be done with it."""

import pytest

from accounts.models import Membership
from provisioning.demo.seed import Cast
from provisioning.flows import Actor
from provisioning.flows.labels import add_label
from provisioning.models import AccessKey, Entitlement, PullUser
from tests.entitlements import approved
from tests.portal.pages.pages import as_user, words
from tests.provisioned import add_key, change, collect, days, provision


@pytest.fixture
def key(cast: Cast) -> AccessKey:
    approved(cast)
    key = provision(cast.birch).access_keys.get()
    collect(cast, key, days(-7))
    change(key, created_at=days(-7))
    return key


@pytest.fixture
def address(key: AccessKey) -> str:
    return f"/access/{Entitlement.objects.get().pk}/credentials/"


def rotate(cast: Cast, key: AccessKey) -> AccessKey:
    change(key, retires_at=days(5.1))
    return add_key(PullUser.objects.get())


def test_both_keys_show_while_they_overlap(cast: Cast, key: AccessKey, address: str) -> None:
    new = rotate(cast, key)
    shown = as_user(cast.alice).get(address)
    text = words(shown)
    assert text.index(f"{new} Copy") < text.index("Waiting to be revealed")
    assert text.index(f"{key} Copy") < text.index("Retires in 5 days")
    assert "Your machines need it until the new key is revealed" in text
    assert f"/keys/{key.pk}/switch/?from=" in shown.content.decode()
    change(new, tested_at=None)
    assert f"/keys/{new.pk}/switch/" not in as_user(cast.alice).get(address).content.decode()


def test_last_use_is_shown_with_service_and_region(
    cast: Cast, key: AccessKey, address: str
) -> None:
    assert "Not used yet. AWS reports uses some hours late." in words(
        as_user(cast.alice).get(address)
    )
    change(key, last_used_at=days(-3), last_used_for="ecr in eu-central-1")
    text = words(as_user(cast.alice).get(address))
    assert "3 days ago for ecr in eu-central-1." in text


def test_key_that_is_being_created_is_shown_beside_the_old_one(
    cast: Cast, key: AccessKey, address: str
) -> None:
    change(key, retires_at=days(5))
    text = words(as_user(cast.alice).get(address))
    assert "Being created A new access key is being created and tested." in text
    assert str(key) in text


def test_deactivated_key_can_be_activated_from_the_page(
    cast: Cast, key: AccessKey, address: str
) -> None:
    change(key, desired="Inactive", status="Inactive")
    text = words(as_user(cast.alice).get(address))
    assert "Deactivated" in text
    assert f"Activate again {key}" in text


def test_page_says_what_to_do_about_a_lost_secret_once_it_was_revealed(
    cast: Cast, key: AccessKey, address: str
) -> None:
    assert "Lost: nobody can show it again." in words(as_user(cast.alice).get(address))
    bob = words(as_user(cast.bob).get(address))
    assert "An owner or an engineer of Birch Bank can do both." in bob
    change(key, retires_at=days(-1), desired="Deleted", status="Deleted")
    add_key(PullUser.objects.get())
    assert "Lost:" not in words(as_user(cast.alice).get(address))


def test_viewer_sees_the_keys_but_no_buttons(cast: Cast, key: AccessKey, address: str) -> None:
    new = rotate(cast, key)
    shown = as_user(cast.bob).get(address)
    assert str(key) in words(shown)
    assert str(new) in words(shown)
    for part in ("/reveal/", "/rotate/", "/switch/"):
        assert part not in shown.content.decode()
    Membership.objects.filter(user=cast.bob).update(role="engineer")
    assert "/reveal/" in as_user(cast.bob).get(address).content.decode()


def test_credentials_of_a_label_are_headed_by_it(cast: Cast, key: AccessKey, address: str) -> None:
    add_label(cast.birch, "ci", by=Actor(cast.alice))
    PullUser.objects.filter(label="ci").update(status="ready", arn="arn:aws:iam::1:user/ci")
    add_key(PullUser.objects.get(label="ci"))
    assert "Credentials labelled ci" in words(as_user(cast.alice).get(address))
