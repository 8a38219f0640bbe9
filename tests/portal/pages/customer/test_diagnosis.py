""" "Why can't I pull?": the check, the list of client errors, and pasted error texts."""

from urllib.parse import parse_qs, urlsplit

import pytest
from bs4 import BeautifulSoup
from django.utils import timezone

from provisioning.demo.seed import Cast
from provisioning.diagnosis import client_errors
from provisioning.models import AccessKey, Repository
from tests.entitlements import approved
from tests.portal.pages.captured_state import capture_everything, database
from tests.portal.pages.pages import as_user, words
from tests.provisioned import SECRET, change, collect, days, provision

EXPIRED = "denied: Your authorization token has expired. Reauthenticate and try again."


@pytest.fixture
def page(cast: Cast) -> str:
    entitlement = approved(cast)
    provision(cast.birch)
    return f"/access/{entitlement.pk}/diagnosis/"


def found(content: bytes) -> list[str]:
    """The slugs of the client errors at the top of the page."""
    soup = BeautifulSoup(content, "html.parser")
    return [str(heading["id"]) for heading in soup.select("#found h3")]


def test_pasted_error_is_explained_at_the_top(cast: Cast, page: str) -> None:
    shown = as_user(cast.alice).post(page, {"error_text": EXPIRED})
    assert found(shown.content) == ["expired"]
    assert "A session lasts 12 hours." in words(shown)


def test_unknown_tag_is_answered_with_the_existing_tags(cast: Cast, page: str) -> None:
    for name, tag in (("acme/server", "1.1"), ("acme/agent", "2.3"), ("acme/reports", "0.9")):
        Repository.objects.get(name=name).images.create(
            digest=f"sha256:{tag}", tags=[tag, "latest"], pushed_at=timezone.now()
        )
    client = as_user(cast.alice)
    error_text = "manifest for HOST/acme/server:9 not found: manifest unknown"
    named = words(client.post(page, {"error_text": error_text}))
    assert "acme/server has the tags 1.1, latest, read from ECR now" in named
    assert "acme/agent has" not in named
    of_all = words(client.post(page, {"error_text": "manifest unknown"}))
    assert "acme/server has the tags 1.1" in of_all
    assert "acme/agent has the tags 2.3" in of_all
    # Birch Bank has not bought it.
    assert "acme/reports" not in of_all


def test_every_client_error_is_on_the_page_once(cast: Cast, page: str) -> None:
    client = as_user(cast.alice)
    slugs = sorted(error.slug for error in client_errors.CLIENT_ERRORS)
    for shown in (client.get(page), client.post(page, {"error_text": EXPIRED})):
        soup = BeautifulSoup(shown.content, "html.parser")
        assert sorted(str(heading["id"]) for heading in soup.select("h3")) == slugs


def test_unknown_error_leads_to_support_with_the_check_and_without_the_text(
    cast: Cast, page: str
) -> None:
    shown = as_user(cast.alice).post(page, {"error_text": f"It is broken. {SECRET}"})
    assert found(shown.content) == []
    assert "We do not know this error." in words(shown)
    soup = BeautifulSoup(shown.content, "html.parser")
    (link,) = [each for each in soup.select("#found a") if "support" in each.get_text()]
    address = urlsplit(str(link["href"]))
    mail = parse_qs(address.query)
    assert (address.scheme, address.path) == ("mailto", "support@example.com")
    assert mail["subject"] == ["Cannot pull Acme Server (Birch Bank)"]
    assert "Repository acme/server: open to you" in mail["body"][0]
    assert "broken" not in mail["body"][0]


def test_remedy_is_commands_of_this_product_to_copy(cast: Cast, page: str) -> None:
    Repository.objects.get(name="acme/server").images.create(
        digest="sha256:1", tags=["1.1"], pushed_at=timezone.now()
    )
    error_text = "manifest for HOST/acme/server:9 not found: manifest unknown"
    shown = as_user(cast.alice).post(page, {"error_text": f"{error_text}\n{EXPIRED}"})
    host = "123456789012.dkr.ecr.eu-central-1.amazonaws.com"
    commands = [
        code.get_text()
        for code in BeautifulSoup(shown.content, "html.parser").select("#found figure code")
    ]
    assert commands == [
        (
            "aws ecr get-login-password --region eu-central-1 --profile acme-software | "
            f"docker login --username AWS --password-stdin {host}"
        ),
        f"docker pull {host}/acme/server:1.1",
    ]


@pytest.mark.parametrize(
    ("error_text", "about", "remedy"),
    [
        (
            "210987654321.dkr.ecr.eu-central-1.amazonaws.com/x: 401",
            "Registry",
            "Use 123456789012.dkr.ecr.eu-central-1.amazonaws.com",
        ),
        (
            "Could not connect to the endpoint URL: https://api.ecr.us-east-1.amazonaws.com/",
            "Region",
            "Sign in with --region eu-central-1.",
        ),
        (
            "User: arn:aws:iam::210987654321:user/ci is not authorized",
            "Who you are to AWS",
            "Name the profile of arn:aws:iam::123456789012:user/ecr-portal/birch-bank",
        ),
        ("Credential=AKIANOTHEIRS/20261128", "Access key", "Use AKIAEXAMPLE1."),
    ],
)
def test_what_the_error_names_is_compared_with_what_the_portal_knows(
    cast: Cast, page: str, error_text: str, about: str, remedy: str
) -> None:
    collect(cast, AccessKey.objects.get(), days(-1))
    shown = as_user(cast.alice).post(page, {"error_text": error_text})
    known = BeautifulSoup(shown.content, "html.parser").select("#wrong-here li")
    assert [row.get_text(" ", strip=True).partition(" :")[0] for row in known] == [about]
    assert remedy in words(shown)


def test_what_is_right_in_the_error_is_no_answer(cast: Cast, page: str) -> None:
    collect(cast, AccessKey.objects.get(), days(-1))
    arn = "arn:aws:iam::123456789012:user/ecr-portal/birch-bank"
    error_text = f"123456789012.dkr.ecr.eu-central-1.amazonaws.com {arn} AKIAEXAMPLE1"
    shown = as_user(cast.alice).post(page, {"error_text": error_text})
    assert b'id="wrong-here"' not in shown.content


def test_what_the_portal_knows_comes_before_what_the_words_mean(cast: Cast, page: str) -> None:
    change(AccessKey.objects.get(), desired="Inactive", status="Inactive", written="Inactive")
    shown = words(as_user(cast.alice).post(page, {"error_text": EXPIRED}))
    first, second = shown.index("What is wrong here"), shown.index("What your error means")
    assert first < shown.index("deactivated; nobody has revealed it") < second


def test_empty_text_is_refused(cast: Cast, page: str) -> None:
    shown = as_user(cast.alice).post(page, {"error_text": "  "})
    assert "This field is required." in words(shown)
    assert b'id="found"' not in shown.content


@pytest.mark.parametrize("ending", ["", "\0"])
def test_pasted_text_is_neither_shown_nor_stored_nor_logged(
    cast: Cast, page: str, caplog: pytest.LogCaptureFixture, ending: str
) -> None:
    client = as_user(cast.alice)
    before = database()
    error_text = f"AWS_SECRET_ACCESS_KEY={SECRET}\n{EXPIRED} plainly{ending}"
    with capture_everything(caplog) as capture:
        shown = client.post(page, {"error_text": error_text})
    assert shown.status_code == 200
    for pasted in (SECRET, "plainly"):
        assert pasted not in shown.content.decode()
        assert pasted not in capture.text()
    assert "no-store" in shown["Cache-Control"]
    assert database() == before


def test_text_in_a_query_is_ignored(cast: Cast, page: str) -> None:
    shown = as_user(cast.alice).get(page, {"error_text": EXPIRED})
    assert found(shown.content) == []


def test_check_stands_below_the_form(cast: Cast, page: str) -> None:
    shown = words(as_user(cast.bob).get(page))
    assert shown.index("Error message") < shown.index("Repository acme/server : open to you")
