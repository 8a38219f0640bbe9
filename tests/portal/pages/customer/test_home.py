"""Home, and the form that requests a product."""

import pytest
from bs4 import BeautifulSoup
from django.test import Client

from accounts.models import Membership
from provisioning.demo.seed import Cast
from provisioning.flows import Actor
from provisioning.flows.entitlements import approve, request
from provisioning.models import AccessKey, Entitlement, PullUser
from tests.entitlements import approved
from tests.portal.pages.pages import as_user, steps, words
from tests.provisioned import add_key, change, collect, days, provision


def page(entitlement: Entitlement) -> str:
    return f"/access/{entitlement.pk}/"


def form(cast: Cast) -> str:
    return f"/customers/{cast.birch.pk}/request/{cast.server.pk}/"


@pytest.mark.parametrize(
    "address", ["/", "/access/1/", "/customers/1/request/1/", "/credentials/1/reveal/", "/ops/"]
)
def test_anonymous_visitor_is_asked_to_sign_in(client: Client, db: None, address: str) -> None:
    assert client.get(address)["Location"] == f"/account/login/?next={address}"
    assert client.post(address)["Location"] == f"/account/login/?next={address}"


def test_home_shows_what_the_members_own_organisation_has_and_can_request(cast: Cast) -> None:
    entitlement = approved(cast)
    shown = as_user(cast.alice).get("/")
    assert f'href="{page(entitlement)}"' in shown.content.decode()
    # With one organisation its name says nothing, and leads nowhere that the navigation does not.
    assert f'href="/customers/{cast.birch.pk}/"' in shown.content.decode()
    assert "Birch Bank" not in words(shown)
    assert f"/customers/{cast.birch.pk}/request/{cast.reports.pk}/" in shown.content.decode()
    assert form(cast) not in shown.content.decode()
    others = as_user(cast.charlie).get("/")
    assert "Birch Bank" not in words(others)
    assert page(entitlement) not in others.content.decode()


def test_home_has_no_to_do_list_when_there_is_nothing_to_do(cast: Cast) -> None:
    approved(cast)
    key = provision(cast.birch).access_keys.get()
    assert "To do" in words(as_user(cast.alice).get("/"))
    collect(cast, key, days(-1))
    shown = words(as_user(cast.alice).get("/"))
    assert "To do" not in shown
    assert "Ready Ready to pull." in shown


def test_home_links_engineers_to_the_reveal_and_tells_viewers_who_can(cast: Cast) -> None:
    entitlement = approved(cast)
    link = f'href="/credentials/{provision(cast.birch).pk}/reveal/?from={entitlement.pk}"'
    alice, bob = (as_user(user).get("/") for user in (cast.alice, cast.bob))
    for shown in (alice, bob):
        assert "The credentials are waiting to be revealed" in words(shown)
    assert link in alice.content.decode()
    assert "/reveal/" not in bob.content.decode()
    assert "An owner or an engineer of Birch Bank can reveal them." in words(bob)


@pytest.mark.parametrize("who", ["alice", "bob"])
def test_home_links_to_rotation_before_a_key_expires(cast: Cast, who: str) -> None:
    approved(cast)
    key = provision(cast.birch).access_keys.get()
    collect(cast, key, days(-1))
    change(key, expires_at=days(10))
    shown = as_user(getattr(cast, who)).get("/")
    assert f"Access key {key} expires on" in words(shown)
    assert ("/rotate/" in shown.content.decode()) == (who == "alice")
    assert ("can create a new key." in words(shown)) == (who == "bob")


def test_home_says_that_credentials_nobody_revealed_were_destroyed(cast: Cast) -> None:
    approved(cast)
    pull_user = provision(cast.birch)
    AccessKey.objects.update(desired="Deleted", status="Deleted", retires_at=days(-1))
    PullUser.objects.update(unclaimed_at=days(-1))
    shown = as_user(cast.alice).get("/")
    assert "Nobody revealed the credentials in time" in words(shown)
    assert f"/credentials/{pull_user.pk}/rotate/?from=" in shown.content.decode()


def test_home_says_when_an_old_key_was_last_used_and_when_it_stops(cast: Cast) -> None:
    entitlement = approved(cast)
    pull_user = provision(cast.birch)
    old = pull_user.access_keys.get()
    collect(cast, old, days(-80))
    change(old, retires_at=days(5), last_used_at=days(-3))
    collect(cast, add_key(pull_user), days(-4))
    shown = as_user(cast.alice).get("/")
    text = words(shown)
    assert f"The old key {old} was last used 3 days ago , and stops on" in text
    assert f'href="/access/{entitlement.pk}/credentials/"' in shown.content.decode()


def test_home_links_to_the_vendor_before_a_term_ends(cast: Cast) -> None:
    approved(cast)
    Entitlement.objects.update(ends_at=days(10))
    shown = as_user(cast.alice).get("/")
    assert "Acme Server ends on" in words(shown)
    assert 'href="mailto:support@example.com">Ask Acme Software' in shown.content.decode()


def test_home_shows_nothing_of_other_customers(cast: Cast) -> None:
    approved(cast)
    provision(cast.birch)
    request(cast.cedar, cast.server, by=Actor(cast.charlie))
    shown = as_user(cast.charlie).get("/")
    assert "To do" not in words(shown)
    assert "Waiting for your vendor's sales team to approve the request made now" in words(shown)


def test_home_names_the_organisation_where_there_are_several(cast: Cast) -> None:
    Membership.objects.create(user=cast.alice, customer=cast.cedar, role="viewer")
    approved(cast)
    provision(cast.birch)
    theirs = request(cast.cedar, cast.server, by=Actor(cast.charlie))
    approve(theirs, by=Actor(cast.sandra))
    provision(cast.cedar)
    shown = words(as_user(cast.alice).get("/"))
    assert "Birch Bank: The credentials are waiting" in shown
    assert "Cedar Clinic: The credentials are waiting" in shown
    assert shown.count("Reveal the credentials") == 1
    assert "An owner or an engineer of Cedar Clinic can reveal them." in shown
    assert "An owner or an engineer of Cedar Clinic can request these." in shown


def test_ended_products_are_listed_separately(cast: Cast) -> None:
    ended, current = approved(cast), approved(cast, cast.reports)
    Entitlement.objects.filter(pk=ended.pk).update(state="withdrawn", ended_at=days(-1))
    soup = BeautifulSoup(as_user(cast.alice).get("/").content, "html.parser")
    (past,) = soup.select("details:has(table)")
    assert "Ended or rejected (1)" in past.get_text()
    for entitlement, is_past in ((ended, True), (current, False)):
        links = past.select(f'a[href="{page(entitlement)}"]')
        assert bool(links) == is_past


def test_viewer_is_told_who_can_request(cast: Cast) -> None:
    shown = as_user(cast.bob).get("/")
    assert "An owner or an engineer of Birch Bank can request these." in words(shown)
    assert "/request/" not in shown.content.decode()


def test_person_without_an_organisation_is_told_who_to_ask(cast: Cast) -> None:
    Membership.objects.filter(user=cast.bob).delete()
    assert "You do not belong to an organisation yet" in words(as_user(cast.bob).get("/"))


@pytest.mark.parametrize(("who", "where"), [("otto", "/ops/"), ("sandra", "/admin/")])
def test_home_redirects_staff_to_their_work(cast: Cast, who: str, where: str) -> None:
    assert as_user(getattr(cast, who)).get("/")["Location"] == where


def test_request_is_sent_and_its_progress_shown(cast: Cast) -> None:
    client = as_user(cast.alice)
    assert "Request Acme Server" in words(client.get(form(cast)))
    shown = client.post(form(cast), {"reference": "PO-7", "note": "Soon?"}, follow=True)
    entitlement = Entitlement.objects.get()
    assert (entitlement.reference, entitlement.note) == ("PO-7", "Soon?")
    assert shown.request["PATH_INFO"] == page(entitlement)
    assert "Requested: Acme Server." in words(shown)
    assert steps(shown) == {"Requested": "done", "Approved": "waiting"}


def test_second_request_is_refused_with_a_reason(cast: Cast) -> None:
    request(cast.birch, cast.server, by=Actor(cast.alice))
    shown = as_user(cast.alice).post(form(cast), {"note": ""}, follow=True)
    assert "Birch Bank has already requested Acme Server, or has it." in words(shown)
    assert Entitlement.objects.count() == 1


def test_request_by_a_viewer_is_refused_with_a_reason(cast: Cast) -> None:
    shown = as_user(cast.bob).post(form(cast), {"note": ""}, follow=True)
    assert "Only an engineer or owner of Birch Bank can request products." in words(shown)
    assert not Entitlement.objects.exists()


def test_reference_that_is_too_long_is_an_error_of_its_field(cast: Cast) -> None:
    shown = as_user(cast.alice).post(form(cast), {"reference": "x" * 81})
    assert "at most 80 characters" in words(shown)
    assert not Entitlement.objects.exists()


def test_unknown_or_unlisted_product_is_not_found(cast: Cast) -> None:
    client = as_user(cast.alice)
    cast.server.is_listed = False
    cast.server.save()
    for address in (form(cast), f"/customers/{cast.birch.pk}/request/999/"):
        assert client.get(address).status_code == 404
        assert client.post(address, {"note": ""}).status_code == 404
    assert not Entitlement.objects.exists()
