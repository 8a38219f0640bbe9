"""What a product's page tells of the images in its repositories, and to whom."""

from datetime import timedelta

import pytest
from bs4 import BeautifulSoup, Tag
from django.utils import timezone

from provisioning.demo.cast import Cast
from provisioning.flows import By
from provisioning.flows.decide import approve
from provisioning.flows.request import request
from provisioning.models import Entitlement, Image, Repository
from tests.portal.pages.reading import as_user, words
from tests.provisioned import approved, provision

HOST = "123456789012.dkr.ecr.eu-central-1.amazonaws.com"


def digest(number: int) -> str:
    return f"sha256:{number:064x}"


def pushed(name: str, count: int) -> Repository:
    """``count`` images, the newest last; each has two platforms."""
    repository = Repository.objects.get(name=name)
    now = timezone.now()
    Image.objects.bulk_create(
        Image(
            repository=repository,
            digest=digest(number),
            tags=[f"1.{number}"],
            size_bytes=5 * 1024 * 1024,
            pushed_at=now - timedelta(days=count - number),
            platforms=["linux/amd64", "linux/arm64/v8"],
        )
        for number in range(1, count + 1)
    )
    repository.newest_tag, repository.images_read_at = f"1.{count}", now - timedelta(minutes=5)
    repository.save()
    return repository


def ready(cast: Cast) -> Entitlement:
    entitlement = approved(cast)
    provision(cast.birch)
    return entitlement


def address(entitlement: Entitlement, name: str) -> str:
    repository = Repository.objects.get(name=name)
    return f"/access/{entitlement.pk}/repositories/{repository.pk}/"


def card(content: bytes, of: str = "images") -> Tag:
    found = BeautifulSoup(content, "html.parser").select_one(f"#{of}")
    assert found is not None
    return found


def rows(content: bytes) -> list[Tag]:
    return card(content).select("tbody tr")


def to_copy(row: Tag) -> list[str]:
    """What the buttons of a row copy, in their order."""
    return [code.get_text() for code in row.select(".copyable:has(button[data-copy]) code")]


def test_image_shows_what_ecr_told_and_copies_each_way_to_name_it(cast: Cast) -> None:
    entitlement = ready(cast)
    pushed("acme/server", 2)
    shown = as_user(cast.alice).get(address(entitlement, "acme/server"))
    newest, older = rows(shown.content)
    said = " ".join(newest.get_text(" ").split())
    assert "Newest" in said
    assert "Newest" not in older.get_text()
    assert "5.0\xa0MB" in newest.get_text()
    assert "linux/amd64, linux/arm64/v8" in said
    assert to_copy(newest) == [
        f"{HOST}/acme/server:1.2",
        digest(2),
        f"{HOST}/acme/server@{digest(2)}",
    ]
    assert "Read from ECR 5 minutes ago" in " ".join(card(shown.content).get_text(" ").split())


def test_image_of_one_platform_or_unknown_ones_claims_nothing_more(cast: Cast) -> None:
    entitlement = ready(cast)
    repository = pushed("acme/server", 2)
    repository.images.filter(tags=["1.2"]).update(platforms=[])
    repository.images.filter(tags=["1.1"]).update(platforms=None, size_bytes=None)
    shown = as_user(cast.alice).get(address(entitlement, "acme/server"))
    newest, older = rows(shown.content)
    assert newest.select_one("[data-label=Platforms]").get_text() == "one"  # type: ignore[union-attr]
    assert older.select_one("[data-label=Platforms]").get_text() == chr(0x2013)  # type: ignore[union-attr]
    assert older.select_one("[data-label=Size]").get_text() == chr(0x2013)  # type: ignore[union-attr]


def test_ten_images_show_and_the_older_ones_on_further_pages(cast: Cast) -> None:
    entitlement = ready(cast)
    pushed("acme/server", 23)
    client, place = as_user(cast.alice), address(entitlement, "acme/server")
    first, last = client.get(place), client.get(place, {"page": "3"})
    assert [row.select_one(".badge").get_text() for row in rows(first.content)][:2] == [  # type: ignore[union-attr]
        "1.23",
        "1.22",
    ]
    assert (len(rows(first.content)), len(rows(last.content))) == (10, 3)
    (following,) = card(first.content).select("a[rel=next]")
    assert following["href"] == "?page=2#images"


def test_page_is_about_the_first_repository_and_leads_to_the_others(cast: Cast) -> None:
    entitlement = ready(cast)
    client = as_user(cast.alice)
    first = client.get(f"/access/{entitlement.pk}/")
    assert "Pull acme/agent" in words(first)
    assert "Pull acme/server" not in words(first)
    links = card(first.content, "repositories").select("a")
    assert [link.get_text() for link in links] == ["acme/agent", "acme/server"]
    assert [link.get("aria-current") for link in links] == ["true", None]
    server = client.get(str(links[1]["href"]).partition("#")[0])
    assert "Pull acme/server" in words(server)
    assert "Pull acme/agent" not in words(server)


def test_product_of_one_repository_has_nothing_to_choose(cast: Cast) -> None:
    entitlement = approved(cast, cast.reports)
    provision(cast.birch)
    shown = as_user(cast.alice).get(f"/access/{entitlement.pk}/")
    assert "Pull acme/reports" in words(shown)
    assert b'id="repositories"' not in shown.content


def test_repository_in_which_nothing_is_says_who_fills_it(cast: Cast) -> None:
    entitlement = ready(cast)
    shown = as_user(cast.alice).get(f"/access/{entitlement.pk}/")
    assert "Your vendor has pushed nothing to this repository so far." in words(shown)
    Repository.objects.update(images_read_at=None)
    shown = as_user(cast.alice).get(f"/access/{entitlement.pk}/")
    assert "Load this page again in a minute." in words(shown)


# --- To whom -----------------------------------------------------------------------


def test_before_access_is_open_nothing_of_the_images_is_told(cast: Cast) -> None:
    entitlement = request(cast.birch, cast.server, by=By(cast.alice))
    pushed("acme/server", 1)
    client = as_user(cast.alice)
    for _ in ("requested", "approved, and not opened yet"):
        shown = client.get(f"/access/{entitlement.pk}/").content.decode()
        assert 'id="images"' not in shown
        assert digest(1) not in shown
        assert client.get(address(entitlement, "acme/server")).status_code == 404
        if entitlement.state == "requested":
            approve(entitlement, by=By(cast.sandra))
    assert entitlement.state == "approved"


def test_images_are_shown_by_the_own_product_alone(cast: Cast) -> None:
    entitlement = ready(cast)
    pushed("acme/server", 1)
    pushed("acme/reports", 1)
    assert as_user(cast.alice).get(address(entitlement, "acme/reports")).status_code == 404
    charlie = as_user(cast.charlie)
    assert charlie.get(address(entitlement, "acme/server")).status_code == 404
    theirs = request(cast.cedar, cast.server, by=By(cast.charlie))
    assert charlie.get(address(theirs, "acme/server")).status_code == 404
    assert digest(1) not in charlie.get(f"/access/{theirs.pk}/").content.decode()


def test_withdrawn_access_shows_no_images_any_more(cast: Cast) -> None:
    entitlement = ready(cast)
    pushed("acme/server", 1)
    place = address(entitlement, "acme/server")
    assert as_user(cast.alice).get(place).status_code == 200
    Entitlement.objects.update(state="withdrawn")
    assert as_user(cast.alice).get(place).status_code == 404


@pytest.mark.parametrize("page", ["0", "x", "99", "-1"])
def test_page_of_images_that_is_not_there_is_the_nearest(cast: Cast, page: str) -> None:
    entitlement = ready(cast)
    pushed("acme/server", 11)
    shown = as_user(cast.alice).get(address(entitlement, "acme/server"), {"page": page})
    assert len(rows(shown.content)) == (10 if page == "x" else 1)
