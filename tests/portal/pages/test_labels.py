"""A customer's further pull users, on a page."""

import pytest
from django.test import Client

from accounts.models import AuditEvent
from provisioning.demo.cast import Cast
from provisioning.models import PullUser
from tests.portal.pages.reading import as_user, confirm, words
from tests.provisioned import approved, provision


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
    told = alice.post(address, {"name": "ci"}, follow=True)
    assert "labelled ci is being made" in words(told)
    assert PullUser.objects.get(label="ci").wanted == "present"
    asked = alice.get(f"{address}?remove=ci")
    assert "Remove ci? Its pull users are deleted with their keys" in words(asked)
    told = alice.post(address, {"remove": "ci"}, follow=True)
    assert "labelled ci are being deleted" in words(told)
    assert PullUser.objects.get(label="ci").wanted == "absent"
    assert list(AuditEvent.objects.filter(deed__contains="labelled").values_list("deed")) == [
        ("unlabelled",),
        ("labelled",),
    ]


def test_label_that_cannot_be_is_said_to_be_so(alice: Client, address: str, cast: Cast) -> None:
    assert "Small letters" in words(alice.post(address, {"name": "C I"}))
    assert "Choose another label" in words(alice.post(address, {"name": "default"}, follow=True))
    assert alice.post(address, {"remove": "nothing"}).status_code == 404
    assert not cast.birch.labels.exists()


def test_viewer_looks_and_changes_nothing(cast: Cast, address: str) -> None:
    bob = as_user(cast.bob)
    assert "can add labels" in words(confirm(bob, address))
    cast.birch.labels.create(name="ci")
    assert "Remove ci?" not in words(bob.get(f"{address}?remove=ci"))
    cast.birch.labels.all().delete()
    assert "Only an engineer or owner" in words(bob.post(address, {"name": "ci"}, follow=True))
    assert not cast.birch.labels.exists()


def test_without_a_fresh_proof_nothing_changes(cast: Cast, address: str) -> None:
    as_user(cast.alice).post(address, {"name": "ci"})
    assert not cast.birch.labels.exists()


def test_other_customers_labels_are_not_there(cast: Cast, address: str) -> None:
    charlie = as_user(cast.charlie)
    confirm(charlie, f"/customers/{cast.cedar.pk}/labels/")
    assert charlie.get(address).status_code == 404
    assert charlie.post(address, {"name": "ci"}).status_code == 404
