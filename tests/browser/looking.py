"""Looking at the page that a browser shows: axe checks it, its width is measured, and a picture is
taken where asked for. On a phone and a desktop, light and dark."""

import os
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any

from axe_playwright_python.sync_playwright import Axe
from django.utils.text import slugify
from playwright.sync_api import Page, ViewportSize

PHONE: ViewportSize = {"width": 390, "height": 844}
DESK: ViewportSize = {"width": 1280, "height": 800}
# WCAG 2.2, levels A and AA, including the rules of 2.0 and 2.1.
STANDARD = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
# Between light and dark only colours change, and between the sizes all but colours.
OF_COLOURS = ["color-contrast", "link-in-text-block"]
Rules = dict[str, Any]
ALL: Rules = {"runOnly": STANDARD}
LAYOUT: Rules = {"runOnly": STANDARD, "rules": {rule: {"enabled": False} for rule in OF_COLOURS}}
COLOURS: Rules = {"runOnly": OF_COLOURS}
VIEWS = [(PHONE, "light", LAYOUT), (DESK, "light", ALL), (DESK, "dark", COLOURS)]
SCROLLS_SIDEWAYS = "document.documentElement.scrollWidth > innerWidth"
# Faults of Django's admin that only its own scripts could mend: rule → what the element's HTML
# holds. Both parts can be worked with by keyboard, and are for the vendor's people alone.
KNOWN = {
    # The magnifying glass of the two lists between which one moves choices has a label, but
    # no role (admin/js/SelectFilter2.js).
    "aria-prohibited-attr": 'class="help-tooltip search-label-icon"',
    # A field with completion is drawn by Select2 4.0, which names its box after what is chosen
    # in it: nothing, at first.
    "aria-input-field-name": 'class="select2-selection',
}
RUN = "options => axe.run(options).then((found) => found.violations)"
# Ends transitions: a colour on its way from light to dark is neither.
END_TRANSITIONS = """() => document.getAnimations()
  .filter((one) => one instanceof CSSTransition).forEach((one) => one.finish())"""
# The folder that `make pictures` fills; else nothing is written.
PICTURES = os.environ.get("PICTURES", "")
# Then only pages whose name has this word are looked at.
PAGE = os.environ.get("PAGE", "") if PICTURES else ""


def look(page: Page, name: str) -> list[str]:
    """What is wrong with the page; empty if nothing is. ``name`` is that of the picture."""
    if PAGE not in _file_name(name):
        return []
    # As the browser's developer tools would: the page's content security policy, which holds
    # all the same, knows of no script but the site's own files.
    page.evaluate(Axe().axe_script)
    wrong = []
    for size, scheme, rules in VIEWS:
        page.set_viewport_size(size)
        _dress(page, scheme)
        view = f"{size['width']}-{scheme}"
        wrong += [f"{view}: {fault}" for fault in _faults(page, rules)]
        if page.evaluate(SCROLLS_SIDEWAYS):
            wrong.append(f"{view}: scrolls sideways")
    if PICTURES:
        _take_pictures(page, name)
    return wrong


def _take_pictures(page: Page, name: str) -> None:
    for size, scheme in product((PHONE, DESK), ("light", "dark")):
        page.set_viewport_size(size)
        _dress(page, scheme)
        file = f"{_file_name(name)}-{size['width']}-{scheme}.png"
        page.screenshot(path=Path(PICTURES) / file, full_page=True)


def _file_name(name: str) -> str:
    return slugify(name.replace("/", "-")) or "home"


def _dress(page: Page, scheme: str) -> None:
    is_dark = scheme == "dark"
    page.emulate_media(color_scheme="dark" if is_dark else "light", reduced_motion="reduce")
    page.evaluate(END_TRANSITIONS)


def _faults(page: Page, rules: Rules) -> Iterator[str]:
    """What axe finds. Without its preload, which copies style sheets into the page: the policy
    forbids that, and none of these rules needs them."""
    options = rules | {"resultTypes": ["violations"], "preload": False}
    for violation in page.evaluate(RUN, options):
        rule = violation["id"]
        for node in violation["nodes"]:
            if KNOWN.get(rule, "no HTML") not in node["html"]:
                yield f"{rule} {node['target']} {node['html'][:160]}"
