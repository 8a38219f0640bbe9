"""The tab “Images”: what the repositories hold, and who sees it."""

from typing import Any

import pytest
from bs4 import BeautifulSoup, Tag
from django.test import Client

from provisioning.demo.seed import Cast
from provisioning.flows import Actor
from provisioning.flows.entitlements import approve, request
from provisioning.models import Entitlement, Repository
from tests.entitlements import approved
from tests.images import HOST, digest, pushed
from tests.portal.pages.pages import as_user, words
from tests.provisioned import provision

SERVER = {"repository": "acme/server"}


@pytest.fixture
def address(cast: Cast) -> str:
    entitlement = approved(cast)
    provision(cast.birch)
    return f"/access/{entitlement.pk}/images/"


@pytest.fixture
def alice(cast: Cast) -> Client:
    return as_user(cast.alice)


def rows(response: Any) -> list[Tag]:
    return BeautifulSoup(response.content, "html.parser").select("#images tbody tr")


def tags(response: Any) -> list[str]:
    return [tag.get_text() for row in rows(response) for tag in row.select(".tag")]


def cell(row: Tag, label: str) -> str:
    found = row.select_one(f"[data-label={label}]")
    assert found is not None
    return found.get_text(" ", strip=True)


def test_image_shows_its_data_from_ecr_and_every_name_can_be_copied(
    alice: Client, address: str
) -> None:
    pushed("acme/server", 2)
    shown = alice.get(address, SERVER)
    newest, older = rows(shown)
    assert "newest" in newest.get_text()
    assert "newest" not in older.get_text()
    assert cell(newest, "Size") == "5.0\xa0MB"
    assert cell(newest, "Platforms") == "linux/amd64, linux/arm64/v8"
    copied = [code.get_text() for code in newest.select(".copyable:has(button) code.unseen")]
    assert copied == [f"{HOST}/acme/server:1.2", f"{HOST}/acme/server@{digest(2)}"]
    assert "Read from ECR 5 minutes ago" in words(shown)


def test_image_with_one_platform_or_unknown_data_says_so(alice: Client, address: str) -> None:
    repository = pushed("acme/server", 2)
    repository.images.filter(tags=["1.2"]).update(platforms=[])
    repository.images.filter(tags=["1.1"]).update(platforms=None, size_bytes=None)
    newest, older = rows(alice.get(address, SERVER))
    assert cell(newest, "Platforms") == "one"
    assert (cell(older, "Platforms"), cell(older, "Size")) == (chr(0x2013), chr(0x2013))


def test_row_leads_to_the_commands_that_pull_it(alice: Client, address: str) -> None:
    pushed("acme/server", 2)
    links = [row.select_one("a.action") for row in rows(alice.get(address, SERVER))]
    shown = words(alice.get(str(links[1]["href"])))  # type: ignore[index]
    assert f"docker pull {HOST}/acme/server:1.1" in shown


def test_older_images_are_on_further_pages(alice: Client, address: str) -> None:
    pushed("acme/server", 43)
    first, last = alice.get(address, SERVER), alice.get(address, SERVER | {"page": "3"})
    assert tags(first)[:2] == ["1.43", "1.42"]
    assert (len(rows(first)), len(rows(last))) == (20, 3)
    (following,) = BeautifulSoup(first.content, "html.parser").select("a[rel=next]")
    assert following["href"] == "?repository=acme%2Fserver&page=2#images"


@pytest.mark.parametrize(("page", "count"), [("0", 1), ("x", 20), ("99", 1), ("-1", 1)])
def test_number_without_a_page_shows_the_nearest_page(
    alice: Client, address: str, page: str, count: int
) -> None:
    pushed("acme/server", 21)
    assert len(rows(alice.get(address, SERVER | {"page": page}))) == count


def test_image_is_found_by_a_part_of_its_tag_or_by_its_digest(alice: Client, address: str) -> None:
    pushed("acme/server", 30)
    assert tags(alice.get(address, SERVER | {"q": "1.29"})) == ["1.29"]
    assert tags(alice.get(address, SERVER | {"q": ".3"})) == ["1.30", "1.3"]
    assert tags(alice.get(address, SERVER | {"q": digest(7)[:80]})) == ["1.7"]
    for nothing in ("%", "_", "latest", "sha256:f", '"]'):
        shown = alice.get(address, SERVER | {"q": nothing})
        assert "Nothing found" in words(shown)
        # What was typed is kept.
        (field,) = BeautifulSoup(shown.content, "html.parser").select("input[name=q]")
        assert field["value"] == nothing


def test_tab_shows_the_first_repository_until_another_is_chosen(
    alice: Client, address: str
) -> None:
    pushed("acme/agent", 1)
    pushed("acme/server", 2)
    assert len(rows(alice.get(address))) == 1
    assert len(rows(alice.get(address, SERVER))) == 2


def test_empty_repository_says_who_fills_it(alice: Client, address: str) -> None:
    Repository.objects.filter(name="acme/agent").update(images_read_at=None)
    assert "Reload this page in a minute." in words(alice.get(address))
    pushed("acme/agent", 0)
    assert "Your vendor has not pushed anything" in words(alice.get(address))


# --- Who sees them -----------------------------------------------------------------


def test_images_are_not_shown_before_access_is_open(cast: Cast, alice: Client) -> None:
    entitlement = request(cast.birch, cast.server, by=Actor(cast.alice))
    pushed("acme/server", 1)
    place = f"/access/{entitlement.pk}/"
    for _ in ("requested", "approved but not open yet"):
        for page in (place, f"{place}images/"):
            shown = alice.get(page, SERVER).content.decode()
            assert 'id="images"' not in shown
            assert digest(1) not in shown
        assert alice.get(f"{place}files/pull.sh").status_code == 404
        if entitlement.state == "requested":
            approve(entitlement, by=Actor(cast.sandra))
    assert entitlement.state == "approved"


def test_images_are_only_shown_for_the_customers_own_product(
    cast: Cast, alice: Client, address: str
) -> None:
    pushed("acme/server", 1)
    pushed("acme/reports", 1)
    shown = words(alice.get(address, {"repository": "acme/reports"}))
    assert "acme/reports" not in shown
    charlie = as_user(cast.charlie)
    assert charlie.get(address, SERVER).status_code == 404
    theirs = request(cast.cedar, cast.server, by=Actor(cast.charlie))
    shown = charlie.get(f"/access/{theirs.pk}/images/", SERVER).content.decode()
    assert digest(1) not in shown


def test_withdrawn_access_no_longer_shows_images(alice: Client, address: str) -> None:
    pushed("acme/server", 1)
    assert len(rows(alice.get(address, SERVER))) == 1
    Entitlement.objects.update(state="withdrawn")
    assert rows(alice.get(address, SERVER)) == []
