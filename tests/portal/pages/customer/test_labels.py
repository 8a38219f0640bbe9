"""The page of a customer's labels, which give it further pull users."""

import pytest
from django.test import Client

from accounts.models import AuditEvent
from provisioning.demo.seed import Cast
from provisioning.models import PullUser
from tests.entitlements import approved
from tests.portal.pages.pages import as_user, confirm, words
from tests.provisioned import provision


@pytest.fixture
def address(cast: Cast) -> str:
    approved(cast)
    provision(cast.birch)
    return f"/customers/{cast.birch.pk}/labels/"


@pytest.fixture
def alice(cast: Cast, address: str) -> Client:
    client = as_user(cast.alice)
    confirm(client, address)
    return client


def test_label_is_added_and_removed(cast: Cast, alice: Client, address: str) -> None:
    done = alice.post(address, {"name": "ci"}, follow=True)
    assert "labelled ci is being created" in words(done)
    assert PullUser.objects.get(label="ci").desired == "present"
    asked = alice.get(f"{address}?remove=ci")
    assert "Remove ci? Its pull users are deleted with their keys" in words(asked)
    done = alice.post(address, {"remove": "ci"}, follow=True)
    assert "labelled ci are being deleted" in words(done)
    assert PullUser.objects.get(label="ci").desired == "absent"
    assert list(AuditEvent.objects.filter(action__contains="labelled").values_list("action")) == [
        ("unlabelled",),
        ("labelled",),
    ]


def test_invalid_label_is_refused_with_a_reason(alice: Client, address: str, cast: Cast) -> None:
    assert "Use lower-case letters" in words(alice.post(address, {"name": "C I"}))
    assert "Choose another one" in words(alice.post(address, {"name": "default"}, follow=True))
    assert alice.post(address, {"remove": "nothing"}).status_code == 404
    assert not cast.birch.labels.exists()


def test_viewer_sees_the_labels_but_cannot_change_them(cast: Cast, address: str) -> None:
    bob = as_user(cast.bob)
    assert "can add labels" in words(confirm(bob, address))
    cast.birch.labels.create(name="ci")
    assert "Remove ci?" not in words(bob.get(f"{address}?remove=ci"))
    cast.birch.labels.all().delete()
    assert "Only an engineer or owner" in words(bob.post(address, {"name": "ci"}, follow=True))
    assert not cast.birch.labels.exists()


def test_without_a_recent_sign_in_nothing_changes(cast: Cast, address: str) -> None:
    as_user(cast.alice).post(address, {"name": "ci"})
    assert not cast.birch.labels.exists()


def test_other_customers_labels_are_not_found(cast: Cast, address: str) -> None:
    charlie = as_user(cast.charlie)
    confirm(charlie, f"/customers/{cast.cedar.pk}/labels/")
    assert charlie.get(address).status_code == 404
    assert charlie.post(address, {"name": "ci"}).status_code == 404
