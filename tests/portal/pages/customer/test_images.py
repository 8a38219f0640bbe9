"""The images that a product's page shows, and to whom."""

from datetime import timedelta

import pytest
from bs4 import BeautifulSoup, Tag
from django.utils import timezone

from provisioning.demo.seed import Cast
from provisioning.flows import Actor
from provisioning.flows.entitlements import approve, request
from provisioning.models import Entitlement, Image, Repository
from tests.entitlements import approved
from tests.portal.pages.pages import as_user, words
from tests.provisioned import provision

HOST = "123456789012.dkr.ecr.eu-central-1.amazonaws.com"


def digest(number: int) -> str:
    return f"sha256:{number:064x}"


def pushed(name: str, count: int) -> Repository:
    """The repository with ``count`` images of two platforms each, the newest last."""
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


def copied_by(row: Tag) -> list[str]:
    """What the buttons of a row copy, in order."""
    return [code.get_text() for code in row.select(".copyable:has(button[data-copy]) code")]


def test_image_shows_its_data_from_ecr_and_every_name_can_be_copied(cast: Cast) -> None:
    entitlement = ready(cast)
    pushed("acme/server", 2)
    shown = as_user(cast.alice).get(address(entitlement, "acme/server"))
    newest, older = rows(shown.content)
    text = " ".join(newest.get_text(" ").split())
    assert "Newest" in text
    assert "Newest" not in older.get_text()
    assert "5.0\xa0MB" in newest.get_text()
    assert "linux/amd64, linux/arm64/v8" in text
    assert copied_by(newest) == [
        f"{HOST}/acme/server:1.2",
        digest(2),
        f"{HOST}/acme/server@{digest(2)}",
    ]
    assert "Read from ECR 5 minutes ago" in " ".join(card(shown.content).get_text(" ").split())


def test_image_with_one_platform_or_unknown_data_says_so(cast: Cast) -> None:
    entitlement = ready(cast)
    repository = pushed("acme/server", 2)
    repository.images.filter(tags=["1.2"]).update(platforms=[])
    repository.images.filter(tags=["1.1"]).update(platforms=None, size_bytes=None)
    shown = as_user(cast.alice).get(address(entitlement, "acme/server"))
    newest, older = rows(shown.content)
    assert newest.select_one("[data-label=Platforms]").get_text() == "one"  # type: ignore[union-attr]
    assert older.select_one("[data-label=Platforms]").get_text() == chr(0x2013)  # type: ignore[union-attr]
    assert older.select_one("[data-label=Size]").get_text() == chr(0x2013)  # type: ignore[union-attr]


def test_older_images_are_on_further_pages(cast: Cast) -> None:
    entitlement = ready(cast)
    pushed("acme/server", 23)
    client, page = as_user(cast.alice), address(entitlement, "acme/server")
    first, last = client.get(page), client.get(page, {"page": "3"})
    assert [row.select_one(".badge").get_text() for row in rows(first.content)][:2] == [  # type: ignore[union-attr]
        "1.23",
        "1.22",
    ]
    assert (len(rows(first.content)), len(rows(last.content))) == (10, 3)
    (following,) = card(first.content).select("a[rel=next]")
    assert following["href"] == "?page=2#images"


def test_page_shows_the_first_repository_and_links_to_the_others(cast: Cast) -> None:
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


def test_product_with_one_repository_has_no_list_of_repositories(cast: Cast) -> None:
    entitlement = approved(cast, cast.reports)
    provision(cast.birch)
    shown = as_user(cast.alice).get(f"/access/{entitlement.pk}/")
    assert "Pull acme/reports" in words(shown)
    assert b'id="repositories"' not in shown.content


def test_empty_repository_says_who_fills_it(cast: Cast) -> None:
    entitlement = ready(cast)
    shown = as_user(cast.alice).get(f"/access/{entitlement.pk}/")
    assert "Your vendor has not pushed anything to this repository." in words(shown)
    Repository.objects.update(images_read_at=None)
    shown = as_user(cast.alice).get(f"/access/{entitlement.pk}/")
    assert "Reload this page in a minute." in words(shown)


# --- Who sees them -----------------------------------------------------------------


def test_images_are_not_shown_before_access_is_open(cast: Cast) -> None:
    entitlement = request(cast.birch, cast.server, by=Actor(cast.alice))
    pushed("acme/server", 1)
    client = as_user(cast.alice)
    for _ in ("requested", "approved but not open yet"):
        shown = client.get(f"/access/{entitlement.pk}/").content.decode()
        assert 'id="images"' not in shown
        assert digest(1) not in shown
        assert client.get(address(entitlement, "acme/server")).status_code == 404
        if entitlement.state == "requested":
            approve(entitlement, by=Actor(cast.sandra))
    assert entitlement.state == "approved"


def test_images_are_only_shown_for_the_customers_own_product(cast: Cast) -> None:
    entitlement = ready(cast)
    pushed("acme/server", 1)
    pushed("acme/reports", 1)
    assert as_user(cast.alice).get(address(entitlement, "acme/reports")).status_code == 404
    charlie = as_user(cast.charlie)
    assert charlie.get(address(entitlement, "acme/server")).status_code == 404
    theirs = request(cast.cedar, cast.server, by=Actor(cast.charlie))
    assert charlie.get(address(theirs, "acme/server")).status_code == 404
    assert digest(1) not in charlie.get(f"/access/{theirs.pk}/").content.decode()


def test_withdrawn_access_no_longer_shows_images(cast: Cast) -> None:
    entitlement = ready(cast)
    pushed("acme/server", 1)
    page = address(entitlement, "acme/server")
    assert as_user(cast.alice).get(page).status_code == 200
    Entitlement.objects.update(state="withdrawn")
    assert as_user(cast.alice).get(page).status_code == 404


@pytest.mark.parametrize("page", ["0", "x", "99", "-1"])
def test_number_without_a_page_shows_the_nearest_page(cast: Cast, page: str) -> None:
    entitlement = ready(cast)
    pushed("acme/server", 11)
    shown = as_user(cast.alice).get(address(entitlement, "acme/server"), {"page": page})
    assert len(rows(shown.content)) == (10 if page == "x" else 1)
