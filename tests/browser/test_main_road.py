"""A customer's main path, from signing in to a command in the clipboard: without JavaScript, and
with the keyboard alone."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect
from pytest_django.live_server_helper import LiveServer

from provisioning.demo.seed import Cast, seed
from provisioning.flows import Actor
from provisioning.flows.entitlements import approve
from provisioning.models import Entitlement
from tests.browser.hands import STOPS, Keyboard, Mouse
from tests.browser.road import request_product, reveal, sign_in, tool
from tests.images import pushed
from tests.provisioned import SECRET, provision

SIGN_IN = "aws ecr get-login-password"
# An element's place in the page.
PLACE = """(element) => element === document.body ? "BODY"
  : `${[...document.querySelectorAll("*")].indexOf(element)} ${element.localName}`"""
# The places of all that can be seen and worked, in their order. Of the radio buttons of a group
# the one that is chosen is a stop; arrows lead to the others.
STOPS_OF_THE_PAGE = f"""() => [...document.querySelectorAll(
    "a, button, input, select, textarea, summary, iframe, [contenteditable], [tabindex='0']"
  )]
  .filter((one) => !one.disabled && one.checkVisibility())
  .filter((one) => one.type !== "radio" || one.checked)
  .map({PLACE})"""


@pytest.fixture
def cast(page: Page, transactional_db: None) -> Cast:
    return seed()


@pytest.fixture
def plain(browser: Browser, cast: Cast, live_server: LiveServer) -> Iterator[Page]:
    """A page in a browser that runs no script."""
    context = browser.new_context(base_url=live_server.url, java_script_enabled=False)
    context.set_default_timeout(15_000)
    yield context.new_page()
    context.close()


def provisioned(cast: Cast) -> Entitlement:
    """What Alice requested is approved, and the worker has provisioned it."""
    entitlement = Entitlement.objects.get(customer=cast.birch)
    approve(entitlement, by=Actor(cast.sandra))
    provision(cast.birch)
    pushed("acme/agent", 1)
    pushed("acme/server", 1)
    return entitlement


def test_main_road_can_be_walked_without_script(plain: Page, cast: Cast) -> None:
    hand = Mouse(plain)
    sign_in(hand, cast.alice.email)
    request_product(hand, "Acme Server")
    provisioned(cast)
    plain.reload()
    expect(plain.get_by_text("are waiting to be revealed").first).to_be_visible()
    address = plain.url
    reveal(hand)
    expect(plain.get_by_text(SECRET, exact=True)).to_be_visible()
    plain.goto(address)
    part = tool(hand, "acme/server", "Podman", has_script=False)
    expect(part.locator("figure", has_text=SIGN_IN)).to_contain_text("podman login")
    # Nothing is offered that only a script could do.
    expect(plain.get_by_role("button", name="Copy")).to_have_count(0)


def test_main_road_can_be_walked_with_the_keyboard_alone(page: Page, cast: Cast) -> None:
    hand = Keyboard(page)
    sign_in(hand, cast.alice.email)
    request_product(hand, "Acme Server")
    provisioned(cast)
    page.reload()
    expect(page.get_by_text("are waiting to be revealed").first).to_be_visible()
    address = page.url
    reveal(hand)
    hand.press("Copy Secret access key")
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    assert page.evaluate("navigator.clipboard.readText()") == SECRET
    page.goto(address)
    part = tool(hand, "acme/server", "Podman")
    hand.press("Copy", part.locator("figure", has_text=SIGN_IN))
    assert "podman login" in page.evaluate("navigator.clipboard.readText()")


def test_keyboard_passes_every_stop_of_a_page_and_comes_out_again(page: Page, cast: Cast) -> None:
    hand = Keyboard(page)
    sign_in(hand, cast.alice.email)
    request_product(hand, "Acme Server")
    entitlement = provisioned(cast)
    page.goto(f"/access/{entitlement.pk}/")
    hand.step()
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    stops = round_trip(hand)
    assert len(set(stops)) == len(stops)
    assert stops == page.evaluate(STOPS_OF_THE_PAGE)
    # Those that the page is for are among them.
    main = page.get_by_role("main")
    for desired in (
        main.get_by_role("link", name="Reveal the credentials"),
        main.get_by_label("Repository"),
        main.get_by_label("Version"),
        main.get_by_label("Where it runs"),
        main.get_by_role("link", name="Podman", exact=True),
        main.locator("figure", has_text=SIGN_IN).get_by_role("button"),
        main.get_by_role("button", name="Copy all steps"),
        main.get_by_role("link", name="Credentials", exact=True),
    ):
        assert desired.evaluate(PLACE) in stops
    # And back: from the first stop to the last.
    hand.step("Shift+Tab")
    assert here(page) == stops[-1]


def round_trip(hand: Keyboard) -> list[str]:
    """Each stop from where the focus is until it leaves the page."""
    stops: list[str] = []
    while (stop := here(hand.page)) != "BODY":
        assert len(stops) < STOPS, f"trapped at {stop}"
        stops.append(stop)
        hand.step()
    return stops


def here(page: Page) -> str:
    """Where the focus is: an element's place in the page."""
    place: str = page.evaluate(f"({PLACE})(document.activeElement)")
    return place


def test_skip_link_leads_past_the_header_to_the_content(page: Page, cast: Cast) -> None:
    hand = Keyboard(page)
    sign_in(hand, cast.alice.email)
    hand.page.reload()
    hand.step()
    page.keyboard.press("Enter")
    expect(page.get_by_role("main")).to_be_focused()
    hand.step()
    assert page.evaluate("document.activeElement.closest('main') !== null")


def test_account_menu_opens_and_closes_by_keys_and_gives_the_focus_back(
    page: Page, cast: Cast
) -> None:
    hand = Keyboard(page)
    sign_in(hand, cast.alice.email)
    menu = page.get_by_role("button", name=re.compile("account menu"))
    hand.reach(menu)
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Sign out")).to_be_visible()
    hand.step()
    expect(page.get_by_role("link", name="Name and time zone")).to_be_focused()
    page.keyboard.press("Escape")
    expect(page.get_by_role("button", name="Sign out")).to_be_hidden()
    expect(menu).to_be_focused()
