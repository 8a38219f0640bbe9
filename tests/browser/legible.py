"""Whether a page can be read on any screen."""

from pathlib import Path

from playwright.sync_api import Page

from tests.browser.looking import DESK, PHONE

# Returns what overlaps, is cut off, or has too little contrast.
MEASURE = Path(__file__).with_name("measure.js").read_text()


def check_legible(page: Page, address: str) -> None:
    """The page at the address is legible on a phone and a desktop, light and dark."""
    page.goto(address)
    for size in (PHONE, DESK):
        page.set_viewport_size(size)
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
            assert page.evaluate(MEASURE) == [], f"{address} {size} {scheme}"
