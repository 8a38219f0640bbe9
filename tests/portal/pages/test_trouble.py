"""Why can't I pull: the check, the list, and what becomes of a pasted text."""

import pytest
from bs4 import BeautifulSoup
from django.utils import timezone

from provisioning import troubles
from provisioning.demo.cast import Cast
from provisioning.models import Repository
from tests.portal.pages.everywhere import database, everything_said
from tests.portal.pages.reading import as_user, words
from tests.provisioned import SECRET, approved, provision

EXPIRED = "denied: Your authorization token has expired. Reauthenticate and try again."


@pytest.fixture
def page(cast: Cast) -> str:
    entitlement = approved(cast)
    provision(cast.birch)
    return f"/access/{entitlement.pk}/trouble/"


def found(content: bytes) -> list[str]:
    """The slugs of the troubles that are put on top."""
    soup = BeautifulSoup(content, "html.parser")
    return [str(heading["id"]) for heading in soup.select("#found h3")]


def test_pasted_words_bring_their_cause_to_the_top(cast: Cast, page: str) -> None:
    shown = as_user(cast.alice).post(page, {"said": EXPIRED})
    assert found(shown.content) == ["expired"]
    assert "A session lasts 12 hours." in words(shown)


def test_unknown_manifest_is_answered_with_the_tags_that_there_are(cast: Cast, page: str) -> None:
    for name, tag in (("acme/server", "1.1"), ("acme/agent", "2.3"), ("acme/reports", "0.9")):
        Repository.objects.get(name=name).images.create(
            digest=f"sha256:{tag}", tags=[tag, "latest"], pushed_at=timezone.now()
        )
    client = as_user(cast.alice)
    said = "manifest for HOST/acme/server:9 not found: manifest unknown"
    named = words(client.post(page, {"said": said}))
    assert "acme/server has the tags 1.1, latest, read from ECR now" in named
    assert "acme/agent has" not in named
    of_all = words(client.post(page, {"said": "manifest unknown"}))
    assert "acme/server has the tags 1.1" in of_all
    assert "acme/agent has the tags 2.3" in of_all
    # Nobody bought that one.
    assert "acme/reports" not in of_all


def test_every_trouble_is_told_once_on_the_page(cast: Cast, page: str) -> None:
    client = as_user(cast.alice)
    slugs = sorted(trouble.slug for trouble in troubles.TROUBLES)
    for shown in (client.get(page), client.post(page, {"said": EXPIRED})):
        soup = BeautifulSoup(shown.content, "html.parser")
        assert sorted(str(heading["id"]) for heading in soup.select("h3")) == slugs


def test_unknown_words_lead_to_the_check_and_to_support(cast: Cast, page: str) -> None:
    shown = as_user(cast.alice).post(page, {"said": "It is broken."})
    assert found(shown.content) == []
    assert "These words are not in the list." in words(shown)
    assert b"mailto:" in shown.content


def test_nothing_pasted_is_asked_for_again(cast: Cast, page: str) -> None:
    shown = as_user(cast.alice).post(page, {"said": "  "})
    assert "This field is required." in words(shown)
    assert b'id="found"' not in shown.content


@pytest.mark.parametrize("ending", ["", "\0"])
def test_pasted_text_is_neither_shown_nor_kept_nor_logged(
    cast: Cast, page: str, caplog: pytest.LogCaptureFixture, ending: str
) -> None:
    client = as_user(cast.alice)
    before = database()
    said = f"AWS_SECRET_ACCESS_KEY={SECRET}\n{EXPIRED} plainly{ending}"
    with everything_said(caplog) as record:
        shown = client.post(page, {"said": said})
    assert shown.status_code == 200
    for telling in (SECRET, "plainly"):
        assert telling not in shown.content.decode()
        assert telling not in record.text()
    assert "no-store" in shown["Cache-Control"]
    assert database() == before


def test_words_in_an_address_are_not_looked_at(cast: Cast, page: str) -> None:
    shown = as_user(cast.alice).get(page, {"said": EXPIRED})
    assert found(shown.content) == []


def test_access_page_has_the_check_and_the_form(cast: Cast, page: str) -> None:
    shown = as_user(cast.bob).get(page.removesuffix("trouble/"))
    soup = BeautifulSoup(shown.content, "html.parser")
    card = soup.select_one("#trouble")
    assert card is not None
    assert "Repository acme/server : open to you" in " ".join(card.get_text(" ").split())
    form = card.select_one("form")
    assert form is not None
    assert (form["method"], form["action"]) == ("post", page)
