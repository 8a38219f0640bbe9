"""Every page can be read and used by everyone: axe finds no violation of WCAG 2.2 AA, and nothing
is wider than the window."""

import re
from pathlib import Path

import pytest
from django.conf import settings
from playwright.sync_api import Page
from pytest_django.fixtures import Settings

from accounts.emails.samples import samples
from provisioning.aws import rate_limit
from provisioning.demo.seed import seed
from tests.browser import scenes
from tests.browser.every_page import NO_PAGES, opening, reached_by_scenes
from tests.browser.looking import SCROLLS_SIDEWAYS, look
from tests.browser.scenes import SCENES, Scene
from tests.portal.access_matrix import table
from tests.portal.site import Site, build_site
from tests.services import redis

pytestmark = pytest.mark.timeout(300)
PARTS = ["ours", "account", "admin"]


@pytest.fixture
def site(page: Page, transactional_db: None) -> Site:
    return build_site(seed())


def sign_in_as(page: Page, site: Site, role: str) -> None:
    """The browser is now signed in with the role, after a recent sign-in."""
    client = site.sign_in(role)
    page.context.clear_cookies()
    session = client.cookies.get(settings.SESSION_COOKIE_NAME)
    if session is not None:
        address = page.evaluate("location.origin")
        page.context.add_cookies(
            [{"name": settings.SESSION_COOKIE_NAME, "value": session.value, "url": address}]
        )


@pytest.mark.parametrize("part", PARTS)
def test_page_can_be_read_and_used_by_everyone(page: Page, site: Site, part: str) -> None:
    page.goto("/account/login/")
    wrong: list[str] = []
    for role in ("nobody", "owner", "root"):
        sign_in_as(page, site, role)
        client = site.sign_in(role)
        for route, looker in opening().items():
            if looker != role or part_of(route) != part:
                continue
            address = site.address(route)
            if not client.get(address).headers["Content-Type"].startswith("text/html"):
                continue
            page.goto(address)
            wrong += [f"{route}: {fault}" for fault in look(page, route)]
    assert not wrong, "\n".join(wrong)


def part_of(route: str) -> str:
    first = route.partition("/")[0]
    return first if first in PARTS else "ours"


def test_every_address_is_looked_at_or_known_to_be_no_page() -> None:
    walked = set(re.findall(r'yield "(.+?)"', Path(scenes.__file__).read_text()))
    assert reached_by_scenes() <= walked
    assert set(table()) >= NO_PAGES


@pytest.mark.urls("tests.browser.style_sheet")  # It has addresses that fail.
@pytest.mark.usefixtures("authenticator", "person")
@pytest.mark.parametrize("scene", SCENES, ids=lambda scene: scene.__name__)
def test_page_on_the_way_can_be_read_and_used_by_everyone(
    page: Page, site: Site, scene: Scene
) -> None:
    page.goto("/account/login/")
    sign_in_as(page, site, SCENES[scene])
    wrong = [f"{name}: {fault}" for name in scene(page, site) for fault in look(page, name)]
    assert not wrong, "\n".join(wrong)


def test_page_with_the_rates_of_aws_can_be_read_by_everyone(
    page: Page, site: Site, settings: Settings
) -> None:
    settings.AWS_RATES = {"iam": 10}
    page.goto("/account/login/")
    sign_in_as(page, site, "root")
    with redis() as address:
        settings.RATE_LIMIT_URL = address
        rate_limit.reset()
        rate_limit.wait("123456789012:iam", 10)
        rate_limit.slow_down("123456789012:eu-central-1:SetRepositoryPolicy", 1)
        page.goto("/ops/capacity/")
        assert look(page, "capacity with rates") == []
    rate_limit.reset()


def test_every_email_can_be_read_by_everyone_on_the_narrowest_screen(page: Page) -> None:
    for sample in samples():
        page.set_content(sample.html)
        assert look(page, f"email {sample.slug}") == []
        page.set_viewport_size({"width": 320, "height": 640})
        assert not page.evaluate(SCROLLS_SIDEWAYS), sample.slug
