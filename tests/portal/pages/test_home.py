"""Home, and the form that asks for a product."""

import pytest
from django.test import Client

from accounts.models import Membership
from provisioning.demo.cast import Cast
from provisioning.flows import By
from provisioning.flows.request import request
from provisioning.models import Entitlement
from tests.portal.pages.reading import as_user, steps, words
from tests.provisioned import approved


def page(entitlement: Entitlement) -> str:
    return f"/access/{entitlement.pk}/"


def form(cast: Cast) -> str:
    return f"/customers/{cast.birch.pk}/request/{cast.server.pk}/"


@pytest.mark.parametrize(
    "address", ["/", "/access/1/", "/customers/1/request/1/", "/credentials/1/reveal/", "/ops/"]
)
def test_stranger_is_asked_to_sign_in(client: Client, db: None, address: str) -> None:
    assert client.get(address)["Location"] == f"/account/login/?next={address}"
    assert client.post(address)["Location"] == f"/account/login/?next={address}"


def test_home_shows_what_the_members_own_organisation_has_and_can_have(cast: Cast) -> None:
    entitlement = approved(cast)
    shown = as_user(cast.alice).get("/")
    assert f'href="{page(entitlement)}"' in shown.content.decode()
    assert "Acme Server Birch Bank" in words(shown)
    assert f"/customers/{cast.birch.pk}/request/{cast.reports.pk}/" in shown.content.decode()
    assert form(cast) not in shown.content.decode()
    others = as_user(cast.charlie).get("/")
    assert "Birch Bank" not in words(others)
    assert page(entitlement) not in others.content.decode()


def test_viewer_is_told_who_can_request(cast: Cast) -> None:
    shown = as_user(cast.bob).get("/")
    assert "An owner or an engineer of Birch Bank can request these." in words(shown)
    assert "/request/" not in shown.content.decode()


def test_member_of_nothing_is_told_whom_to_ask(cast: Cast) -> None:
    Membership.objects.filter(user=cast.bob).delete()
    assert "You belong to no organisation yet" in words(as_user(cast.bob).get("/"))


@pytest.mark.parametrize(("who", "where"), [("otto", "/ops/"), ("sandra", "/admin/")])
def test_home_of_staff_is_where_they_work(cast: Cast, who: str, where: str) -> None:
    assert as_user(getattr(cast, who)).get("/")["Location"] == where


def test_request_is_sent_and_followed(cast: Cast) -> None:
    client = as_user(cast.alice)
    assert "Request Acme Server" in words(client.get(form(cast)))
    shown = client.post(form(cast), {"reference": "PO-7", "note": "Soon?"}, follow=True)
    entitlement = Entitlement.objects.get()
    assert (entitlement.reference, entitlement.note) == ("PO-7", "Soon?")
    assert shown.request["PATH_INFO"] == page(entitlement)
    assert "Requested: Acme Server." in words(shown)
    assert steps(shown) == {"Requested": "done", "Approved": "waiting"}


def test_second_request_is_refused_in_words(cast: Cast) -> None:
    request(cast.birch, cast.server, by=By(cast.alice))
    shown = as_user(cast.alice).post(form(cast), {"note": ""}, follow=True)
    assert "Birch Bank has already requested Acme Server, or has it." in words(shown)
    assert Entitlement.objects.count() == 1


def test_request_of_a_viewer_is_refused_in_words(cast: Cast) -> None:
    shown = as_user(cast.bob).post(form(cast), {"note": ""}, follow=True)
    assert "Only an engineer or owner of Birch Bank can request products." in words(shown)
    assert not Entitlement.objects.exists()


def test_too_long_a_reference_is_said_beside_its_field(cast: Cast) -> None:
    shown = as_user(cast.alice).post(form(cast), {"reference": "x" * 81})
    assert "at most 80 characters" in words(shown)
    assert not Entitlement.objects.exists()


def test_product_that_is_unknown_or_not_listed_is_not_found(cast: Cast) -> None:
    client = as_user(cast.alice)
    cast.server.is_listed = False
    cast.server.save()
    for address in (form(cast), f"/customers/{cast.birch.pk}/request/999/"):
        assert client.get(address).status_code == 404
        assert client.post(address, {"note": ""}).status_code == 404
    assert not Entitlement.objects.exists()
