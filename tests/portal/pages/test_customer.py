"""What a customer's page says at each point on the way, and how to pull."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from bs4 import BeautifulSoup
from django.test import Client
from django.utils import timezone

from accounts.models import Membership
from provisioning.demo.cast import Cast
from provisioning.flows import By
from provisioning.flows.decide import approve, reject, withdraw
from provisioning.flows.request import request
from provisioning.models import Entitlement, PullUser, Repository
from tests.portal.pages.reading import as_user, steps, words
from tests.provisioned import approved, end, provision

HTMX = {"HX-Request": "true"}


def page(entitlement: Entitlement) -> str:
    return f"/access/{entitlement.pk}/"


def form(cast: Cast) -> str:
    return f"/customers/{cast.birch.pk}/request/{cast.server.pk}/"


# --- Home and request --------------------------------------------------------------


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


# --- The access page, state by state -----------------------------------------------


def planned(cast: Cast) -> Entitlement:
    entitlement = request(cast.birch, cast.server, by=By(cast.alice))
    approve(entitlement, by=By(cast.sandra), starts_at=timezone.now() + timedelta(days=3))
    return entitlement


def rejected(cast: Cast) -> Entitlement:
    entitlement = request(cast.birch, cast.server, by=By(cast.alice))
    reject(entitlement, by=By(cast.sandra), note="Please renew the contract first.")
    return entitlement


def troubled(cast: Cast) -> Entitlement:
    entitlement = approved(cast)
    provision(cast.birch)
    agent = Repository.objects.filter(name="acme/agent")
    agent.update(attention="Create it in ECR.", failures=1)
    PullUser.objects.get().grants.filter(repository__in=agent).update(status="waiting")
    return entitlement


def ready(cast: Cast) -> Entitlement:
    entitlement = approved(cast)
    provision(cast.birch)
    return entitlement


def ending(cast: Cast) -> Entitlement:
    entitlement = ready(cast)
    withdraw(entitlement, by=By(cast.sandra), reason="Contract ended")
    return entitlement


def ended(cast: Cast) -> Entitlement:
    entitlement = ending(cast)
    end(cast.birch)
    return entitlement


# State → how to come to it, what is said, the steps after "Requested", whether it moves.
STATES: dict[str, tuple[Callable[[Cast], Entitlement], str, dict[str, str], bool]] = {
    "Requested": (
        lambda cast: request(cast.birch, cast.server, by=By(cast.alice)),
        "Waiting for your vendor to approve the request.",
        {"Approved": "waiting"},
        False,
    ),
    "Rejected": (rejected, "Please renew the contract first.", {"Rejected": "done"}, False),
    "Approved for later": (
        planned,
        "Access begins at its start date.",
        {"Approved": "done", "Begins": "waiting"},
        False,
    ),
    "Being set up": (
        approved,
        "This usually takes less than a minute.",
        {
            "Approved": "done",
            "Pull user made": "working",
            "Access key made": "working",
            "Repository acme/agent opened": "waiting",
            "Repository acme/server opened": "waiting",
        },
        True,
    ),
    "Needs attention": (
        troubled,
        "Something needs your vendor's attention; they can see what.",
        {
            "Approved": "done",
            "Pull user made": "done",
            "Access key made": "done",
            "Repository acme/agent opened": "attention",
            "Repository acme/server opened": "done",
        },
        True,
    ),
    "Ready": (
        ready,
        "Ready to pull.",
        {
            "Approved": "done",
            "Pull user made": "done",
            "Access key made": "done",
            "Repository acme/agent opened": "done",
            "Repository acme/server opened": "done",
        },
        False,
    ),
    "Being taken away": (
        ending,
        "Access is being taken away.",
        {
            "Withdrawn": "done",
            "Repository acme/agent closed": "working",
            "Repository acme/server closed": "working",
            "Pull user and access keys deleted": "working",
        },
        True,
    ),
    "Ended": (
        ended,
        "Access has ended.",
        {
            "Withdrawn": "done",
            "Repository acme/agent closed": "done",
            "Repository acme/server closed": "done",
            "Pull user and access keys deleted": "done",
        },
        False,
    ),
}


WITH_CREDENTIALS = {"Needs attention", "Ready"}


@pytest.mark.parametrize("label", STATES)
def test_access_page_says_what_is_so(cast: Cast, label: str) -> None:
    scene, said, later_steps, moves = STATES[label]
    entitlement = scene(cast)
    client = as_user(cast.alice)
    shown = client.get(page(entitlement))
    assert f"Progress {label}" in words(shown)
    assert said in words(shown)
    assert steps(shown) == {"Requested": "done"} | later_steps
    # Credentials are there from the moment that they can be revealed.
    assert ('id="credentials"' in shown.content.decode()) is (label in WITH_CREDENTIALS)
    # While it moves, the page asks for its fragment again, and at the end for all of it.
    assert ('hx-trigger="every 2s"' in shown.content.decode()) is moves
    fragment = client.get(page(entitlement), headers=HTMX)
    assert fragment.headers.get("HX-Refresh") == (None if moves else "true")
    if moves:
        assert steps(fragment) == steps(shown)
        assert b"<html" not in fragment.content


def test_errors_of_aws_are_for_the_vendor_alone(cast: Cast) -> None:
    shown = as_user(cast.alice).get(page(troubled(cast)))
    assert "Create it in ECR." not in shown.content.decode()
    assert "Your vendor has been told." in words(shown)


def test_failed_try_is_said_to_be_tried_again(cast: Cast) -> None:
    entitlement = approved(cast)
    PullUser.objects.update(failures=1, last_error="the words of AWS", due_at=timezone.now())
    shown = as_user(cast.alice).get(page(entitlement))
    assert "AWS did not do it yet; it is tried again." in words(shown)
    assert "the words of AWS" not in shown.content.decode()


def test_repository_that_another_product_opens_too_counts_as_closed(cast: Cast) -> None:
    agent = Repository.objects.get(name="acme/agent")
    cast.reports.repositories.set([agent])
    entitlement = approved(cast)
    approved(cast, cast.reports)
    provision(cast.birch)
    withdraw(entitlement, by=By(cast.sandra), reason="Only reports from now on")
    end(cast.birch)
    assert "Access has ended." in words(as_user(cast.alice).get(page(entitlement)))


# --- Instructions ------------------------------------------------------------------


def commands(cast: Cast, entitlement: Entitlement) -> list[str]:
    shown = as_user(cast.alice).get(page(entitlement))
    soup = BeautifulSoup(shown.content, "html.parser")
    return [code.get_text() for code in soup.select("figure.command code")]


def test_instructions_are_filled_in(cast: Cast) -> None:
    cast.registry.endpoint_url = ""
    cast.registry.save()
    found = commands(cast, ready(cast))
    host = "123456789012.dkr.ecr.eu-central-1.amazonaws.com"
    where = "--profile acme-software --region eu-central-1"
    sign_in = f"aws ecr get-login-password {where} | docker login --username AWS "
    assert "aws configure --profile acme-software" in found
    assert f"{sign_in}--password-stdin {host}" in found
    assert f"$(aws ecr get-login --no-include-email {where})" in found
    assert f"docker pull {host}/acme/server:1.1" in found
    assert f"docker pull {host}/acme/agent:1.1" in found
    assert not any("--endpoint-url" in command for command in found)


def test_registry_with_an_address_of_its_own_is_named_in_the_commands(cast: Cast) -> None:
    cast.registry.endpoint_url = "http://127.0.0.1:5000"
    cast.registry.save()
    found = commands(cast, ready(cast))
    get_logins = [command for command in found if "aws ecr get-login" in command]
    assert get_logins
    assert all("--endpoint-url http://127.0.0.1:5000" in command for command in get_logins)


@pytest.mark.parametrize("scene", [approved, planned, rejected, ending, ended])
def test_nothing_is_said_about_pulling_from_what_is_not_open(
    cast: Cast, scene: Callable[[Cast], Entitlement]
) -> None:
    assert commands(cast, scene(cast)) == []


def test_what_is_open_already_can_be_pulled_while_the_rest_is_stuck(cast: Cast) -> None:
    found = commands(cast, troubled(cast))
    assert any("docker pull" in command and "acme/server" in command for command in found)
    assert not any("acme/agent" in command for command in found)
