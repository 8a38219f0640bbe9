"""The product's page in each state: its badge, its words, and the steps, which move."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from bs4 import BeautifulSoup
from django.utils import timezone

from provisioning.demo.seed import Cast
from provisioning.desired import hold
from provisioning.flows import Actor
from provisioning.flows.entitlements import withdraw
from provisioning.models import Entitlement, PullUser, Repository
from tests.entitlements import approved
from tests.images import pushed
from tests.portal.pages.customer.in_state import (
    ending,
    planned,
    rejected,
    repository_stuck,
    requested,
    unrevealed,
    withdrawn,
)
from tests.portal.pages.pages import as_user, steps, words
from tests.provisioned import end, provision

HTMX = {"HX-Request": "true", "HX-Target": "progress"}


def page(entitlement: Entitlement) -> str:
    return f"/access/{entitlement.pk}/"


def badge(response: Any) -> str:
    """The state beside the title."""
    found = BeautifulSoup(response.content, "html.parser").select_one(".masthead .state")
    assert found is not None
    return found.get_text(strip=True)


# State → its setting, the words, the steps after "Requested", seconds until the page refreshes.
STATES: dict[str, tuple[Callable[[Cast], Entitlement], str, dict[str, str], int]] = {
    "Requested": (
        requested,
        "Waiting for your vendor's sales team to approve the request made now .",
        {"Approved": "waiting"},
        5,
    ),
    "Rejected": (rejected, "Please renew the contract first.", {"Rejected": "done"}, 0),
    "Approved for later": (
        planned,
        "Access starts 2 days, 23 hours from now .",
        {"Approved": "done", "Starts": "waiting"},
        0,
    ),
    "Being set up": (
        approved,
        "Being set up in AWS; this usually takes less than a minute.",
        {
            "Approved": "done",
            "Pull user created": "working",
            "Access key created": "working",
            "Repository acme/agent opened": "waiting",
            "Repository acme/server opened": "waiting",
        },
        2,
    ),
    "Needs attention": (
        repository_stuck,
        "Your vendor needs to look at this, and can see what is wrong.",
        {
            "Approved": "done",
            "Pull user created": "done",
            "Access key created": "done",
            "Access key tested": "done",
            "Repository acme/agent opened": "attention",
            "Repository acme/server opened": "done",
        },
        2,
    ),
    "Credentials to reveal": (
        unrevealed,
        "The credentials are waiting to be revealed.",
        {
            "Approved": "done",
            "Pull user created": "done",
            "Access key created": "done",
            "Access key tested": "done",
            "Repository acme/agent opened": "done",
            "Repository acme/server opened": "done",
        },
        0,
    ),
    "Being removed": (
        ending,
        "Access is being removed.",
        {
            "Withdrawn": "done",
            "Repository acme/agent closed": "working",
            "Repository acme/server closed": "working",
            "Pull user and access keys deleted": "working",
        },
        2,
    ),
    "Ended": (
        withdrawn,
        "Your vendor withdrew access now .",
        {
            "Withdrawn": "done",
            "Repository acme/agent closed": "done",
            "Repository acme/server closed": "done",
            "Pull user and access keys deleted": "done",
        },
        0,
    ),
}

WITH_CREDENTIALS = {"Needs attention", "Credentials to reveal"}


@pytest.mark.parametrize("label", STATES)
def test_product_page_shows_the_progress_of_each_state(cast: Cast, label: str) -> None:
    prepare, text, later_steps, seconds = STATES[label]
    entitlement = prepare(cast)
    client = as_user(cast.alice)
    shown = client.get(page(entitlement))
    assert badge(shown) == label
    assert text in words(shown)
    assert steps(shown) == {"Requested": "done"} | later_steps
    # Credentials are offered as soon as they can be revealed, on the first tab, too.
    assert ("are waiting to be revealed" in words(shown)) is (label in WITH_CREDENTIALS)
    # While something will change, the page refreshes its fragment, and at the end all of it.
    intervals = re.findall(r'hx-trigger="every (\d+)s"', shown.content.decode())
    assert intervals == ([str(seconds)] if seconds else [])
    fragment = client.get(page(entitlement), headers=HTMX)
    assert fragment.headers.get("HX-Refresh") == (None if seconds else "true")
    if seconds:
        assert steps(fragment) == steps(shown)
        assert b"<html" not in fragment.content


def test_page_says_that_a_held_portal_goes_on_later(cast: Cast) -> None:
    entitlement = approved(cast)
    hold.begin("A backup was restored.")
    shown = words(as_user(cast.alice).get(page(entitlement)))
    assert "Your vendor has stopped all changes for a while, to check them." in shown
    assert "less than a minute" not in shown
    # What is there already works on.
    provision(cast.birch)
    assert badge(as_user(cast.alice).get(page(entitlement))) == "Credentials to reveal"


def test_errors_of_aws_are_only_for_the_vendor(cast: Cast) -> None:
    shown = as_user(cast.alice).get(page(repository_stuck(cast)))
    assert "Create it in ECR." not in shown.content.decode()
    assert "Your vendor can see this." in words(shown)


def test_page_says_that_a_failed_step_will_be_retried(cast: Cast) -> None:
    entitlement = approved(cast)
    PullUser.objects.update(failures=1, last_error="the words of AWS", due_at=timezone.now())
    shown = as_user(cast.alice).get(page(entitlement))
    assert "AWS has not done this yet; it will be retried." in words(shown)
    assert "the words of AWS" not in shown.content.decode()


def test_repository_that_another_product_still_opens_counts_as_closed(cast: Cast) -> None:
    agent = Repository.objects.get(name="acme/agent")
    cast.reports.repositories.set([agent])
    entitlement = approved(cast)
    approved(cast, cast.reports)
    provision(cast.birch)
    withdraw(entitlement, by=Actor(cast.sandra), reason="Only reports from now on")
    end(cast.birch)
    assert "Your vendor withdrew access now ." in words(as_user(cast.alice).get(page(entitlement)))


@pytest.mark.parametrize("prepare", [approved, planned, rejected, ending, withdrawn])
def test_page_has_no_commands_unless_access_is_open(
    cast: Cast, prepare: Callable[[Cast], Entitlement]
) -> None:
    pushed("acme/agent", 1)
    shown = as_user(cast.alice).get(page(prepare(cast)))
    assert b"<pre" not in shown.content


def test_open_repositories_can_be_pulled_while_the_rest_is_stuck(cast: Cast) -> None:
    shown = words(as_user(cast.alice).get(page(repository_stuck(cast))))
    assert "docker pull" in shown
    assert "Repository acme/agent opened" in shown
    assert "/acme/agent" not in shown
