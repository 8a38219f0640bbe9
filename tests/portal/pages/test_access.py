"""What the access page says at each point on the way, and how to pull."""

import re
from collections.abc import Callable
from datetime import timedelta

import pytest
from bs4 import BeautifulSoup
from django.utils import timezone

from provisioning.demo.cast import Cast
from provisioning.flows import By
from provisioning.flows.decide import approve, reject, withdraw
from provisioning.flows.request import request
from provisioning.instructions.proofs import proofs
from provisioning.models import Entitlement, PullUser, Repository
from tests.portal.pages.reading import as_user, steps, words
from tests.provisioned import approved, end, provision

HTMX = {"HX-Request": "true"}


def page(entitlement: Entitlement) -> str:
    return f"/access/{entitlement.pk}/"


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
STATES: dict[str, tuple[Callable[[Cast], Entitlement], str, dict[str, str], int]] = {
    "Requested": (
        lambda cast: request(cast.birch, cast.server, by=By(cast.alice)),
        "Waiting for your vendor to approve the request.",
        {"Approved": "waiting"},
        5,
    ),
    "Rejected": (rejected, "Please renew the contract first.", {"Rejected": "done"}, 0),
    "Approved for later": (
        planned,
        "Access begins at its start date.",
        {"Approved": "done", "Begins": "waiting"},
        0,
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
        2,
    ),
    "Needs attention": (
        troubled,
        "Something needs your vendor's attention; they can see what.",
        {
            "Approved": "done",
            "Pull user made": "done",
            "Access key made": "done",
            "Access key tested": "done",
            "Repository acme/agent opened": "attention",
            "Repository acme/server opened": "done",
        },
        2,
    ),
    "Ready": (
        ready,
        "Ready to pull.",
        {
            "Approved": "done",
            "Pull user made": "done",
            "Access key made": "done",
            "Access key tested": "done",
            "Repository acme/agent opened": "done",
            "Repository acme/server opened": "done",
        },
        0,
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
        2,
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
        0,
    ),
}


WITH_CREDENTIALS = {"Needs attention", "Ready"}


@pytest.mark.parametrize("label", STATES)
def test_access_page_says_what_is_so(cast: Cast, label: str) -> None:
    scene, said, later_steps, seconds = STATES[label]
    entitlement = scene(cast)
    client = as_user(cast.alice)
    shown = client.get(page(entitlement))
    assert f"Progress {label}" in words(shown)
    assert said in words(shown)
    assert steps(shown) == {"Requested": "done"} | later_steps
    # Credentials are there from the moment that they can be revealed.
    assert ('id="credentials"' in shown.content.decode()) is (label in WITH_CREDENTIALS)
    # While something is awaited, the page asks for its fragment again, and then for all of it.
    asks = re.findall(r'hx-trigger="every (\d+)s"', shown.content.decode())
    assert asks == ([str(seconds)] if seconds else [])
    fragment = client.get(page(entitlement), headers=HTMX)
    assert fragment.headers.get("HX-Refresh") == (None if seconds else "true")
    if seconds:
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


def commands(cast: Cast, entitlement: Entitlement, name: str = "") -> list[str]:
    place = page(entitlement)
    if name:
        place += f"repositories/{Repository.objects.get(name=name).pk}/"
    shown = as_user(cast.alice).get(place)
    soup = BeautifulSoup(shown.content, "html.parser")
    return [code.get_text() for code in soup.select("figure.command code")]


def test_instructions_are_filled_in(cast: Cast) -> None:
    cast.registry.endpoint_url = ""
    cast.registry.save()
    entitlement = ready(cast)
    found = commands(cast, entitlement, "acme/server")
    host = "123456789012.dkr.ecr.eu-central-1.amazonaws.com"
    where = "--profile acme-software --region eu-central-1"
    sign_in = f"aws ecr get-login-password {where} | docker login --username AWS "
    assert "aws configure --profile acme-software" in found
    assert f"{sign_in}--password-stdin {host}" in found
    assert f"$(aws ecr get-login --no-include-email {where})" in found
    assert f"docker pull {host}/acme/server:1.1" in found
    assert f"docker pull {host}/acme/agent:1.1" in commands(cast, entitlement, "acme/agent")
    assert not any("--endpoint-url" in command for command in found)


def test_each_tool_says_when_it_was_last_run_or_why_it_was_not(cast: Cast) -> None:
    said = words(as_user(cast.alice).get(page(ready(cast))))
    proof = proofs()["docker-aws-cli-2"]
    assert f"Run as it stands on {proof.on:%-d %B %Y} with {proof.tools}." in said
    assert "Not run by our tests. It needs Windows; our tests run on Linux." in said


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
