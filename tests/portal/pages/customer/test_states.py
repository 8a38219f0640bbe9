"""One state, one wording: whatever page shows an entitlement says the same of it, and offers only
what the state allows."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from bs4 import BeautifulSoup
from django.test import Client

from provisioning.demo.seed import Cast
from provisioning.desired import hold
from provisioning.models import Entitlement
from provisioning.queries import wording
from provisioning.queries.wording import State
from tests.entitlements import approved
from tests.portal.pages.customer.in_state import (
    activated_again,
    activated_without_an_answer,
    customer_suspended,
    deactivated,
    deactivated_in_aws,
    ending,
    expired,
    held,
    held_while_ready,
    new_key_on_its_way,
    new_key_unrevealed,
    old_key_retires,
    over,
    paused,
    paused_while_ready,
    planned,
    product_suspended,
    ready,
    rejected,
    rejected_beside_another,
    repository_stuck,
    requested,
    suspending,
    unclaimed,
    unrevealed,
    withdrawn,
    without_room,
)
from tests.portal.pages.pages import as_user, just_signed_in, steps, words

Setting = Callable[[Cast], Entitlement]
TABS = ["", "images/", "credentials/", "diagnosis/", "activity/"]
REVEAL = "Reveal the credentials"


# Setting → the state that it is in, and whether a member may reveal credentials.
STATES: dict[Setting, tuple[State, bool]] = {
    requested: (wording.REQUESTED, False),
    rejected: (wording.REJECTED, False),
    rejected_beside_another: (wording.REJECTED, False),
    planned: (wording.PLANNED, False),
    approved: (wording.SETTING_UP, False),
    held: (wording.HELD, False),
    paused: (wording.PAUSED, False),
    without_room: (wording.ATTENTION, False),
    repository_stuck: (wording.ATTENTION, True),
    unrevealed: (wording.TO_REVEAL, True),
    ready: (wording.READY, False),
    held_while_ready: (wording.READY, False),
    paused_while_ready: (wording.READY, False),
    unclaimed: (wording.UNCLAIMED, False),
    deactivated: (wording.KEY_OFF, False),
    deactivated_in_aws: (wording.ATTENTION, False),
    activated_again: (wording.SETTING_UP, False),
    activated_without_an_answer: (wording.SETTING_UP, False),
    new_key_on_its_way: (wording.REPLACING, False),
    new_key_unrevealed: (wording.ROTATING, True),
    old_key_retires: (wording.ROTATING, False),
    suspending: (wording.SUSPENDING, False),
    product_suspended: (wording.SUSPENDED, False),
    customer_suspended: (wording.SUSPENDED, False),
    ending: (wording.ENDING, False),
    withdrawn: (wording.WITHDRAWN, False),
    over: (wording.ENDING, False),
    expired: (wording.EXPIRED, False),
}

by_name = pytest.mark.parametrize("setting", STATES, ids=lambda setting: setting.__name__)


def page(entitlement: Entitlement) -> str:
    return f"/access/{entitlement.pk}/"


def badge(response: Any, selector: str = ".masthead .state") -> str:
    found = BeautifulSoup(response.content, "html.parser").select_one(selector)
    assert found is not None
    return found.get_text(strip=True)


def test_every_state_is_walked() -> None:
    every = {value for name, value in vars(wording).items() if isinstance(value, State)}
    of_keys = {value for name, value in vars(wording).items() if name.startswith("KEY_")}
    assert {state for state, _ in STATES.values()} == every - of_keys | {wording.KEY_OFF}


@by_name
def test_every_page_says_the_same_of_a_state(cast: Cast, setting: Setting) -> None:
    state, _ = STATES[setting]
    entitlement, alice = setting(cast), as_user(cast.alice)
    assert [badge(alice.get(page(entitlement) + tab)) for tab in TABS] == [state.label] * 5
    shown = [alice.get("/"), alice.get(page(entitlement))]
    for each in shown:
        assert state.words in words(each)
        assert state.remedy in words(each)
    otto = just_signed_in(cast.otto, "mfa")
    assert badge(otto.get("/ops/"), 'h2:-soup-contains("Acme Server") + .state') == state.label
    admin = f"/admin/provisioning/entitlement/{entitlement.pk}/change/"
    assert f"{state.label}. {state.words}." in words(otto.get(admin))


@by_name
def test_no_page_says_what_another_state_says(cast: Cast, setting: Setting) -> None:
    state, _ = STATES[setting]
    entitlement, alice = setting(cast), as_user(cast.alice)
    others = {each.words for each, _ in STATES.values() if each.words not in state.words}
    for tab in TABS:
        shown = words(alice.get(page(entitlement) + tab))
        said = {each for each in others if re.search(rf"{re.escape(each)}\b(?!;)", shown)}
        assert said <= allowed(setting), tab


def allowed(setting: Setting) -> set[str]:
    """What concerns the keys may be said beside the state of the product."""
    return {wording.TO_REVEAL.words} if STATES[setting][1] else set()


@by_name
def test_credentials_are_offered_only_where_they_can_be_revealed(
    cast: Cast, setting: Setting
) -> None:
    _, may_reveal = STATES[setting]
    entitlement, alice = setting(cast), as_user(cast.alice)
    for tab in ["", "credentials/"]:
        shown = alice.get(page(entitlement) + tab)
        assert (REVEAL in words(shown)) is may_reveal
        assert (b"/reveal/" in shown.content) is may_reveal


@by_name
def test_check_finds_a_cause_unless_the_product_can_be_pulled(cast: Cast, setting: Setting) -> None:
    state, _ = STATES[setting]
    entitlement, alice = setting(cast), as_user(cast.alice)
    shown = alice.get(page(entitlement) + "diagnosis/")
    checks = BeautifulSoup(shown.content, "html.parser").select("ul.checks > li")
    troubles = [row for row in checks if row["data-state"] not in {"done", "ready", "waiting"}]
    right = checks[0]["data-state"]
    assert (right == "done") is state.is_live
    if state == wording.READY:
        assert troubles == []
    elif state not in wording.USABLE:
        assert troubles or right == "waiting"


def test_nothing_is_called_closed_before_an_end_was_carried_out(cast: Cast) -> None:
    """A worker may be away, and the portal may be held: AWS still lets the customer pull."""
    entitlement, alice = over(cast), as_user(cast.alice)
    shown = alice.get(page(entitlement))
    assert "closed" not in words(shown)
    assert steps(shown)["Access removed"] == "working"
    hold.begin("A backup was restored.")
    assert wording.HELD.words in words(alice.get(page(entitlement)))


def test_viewer_reads_the_same_and_is_offered_nothing(cast: Cast) -> None:
    entitlement = unrevealed(cast)
    bob: Client = as_user(cast.bob)
    for tab in ["", "credentials/"]:
        shown = bob.get(page(entitlement) + tab)
        assert badge(shown) == wording.TO_REVEAL.label
        assert b"/reveal/" not in shown.content
