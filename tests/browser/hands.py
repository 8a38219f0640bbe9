"""How a person uses a page: with a mouse, or with the keyboard alone. Elements are found by their
names on the page, so both can follow the same path."""

import re
from dataclasses import dataclass
from typing import Any, Literal

from playwright.sync_api import Locator, Page, expect

Role = Literal["button", "link"]
# More stops than any page has: after so many the focus goes round in circles, or is trapped.
STOPS = 300
# What is wrong with the focus, or nothing: it must be in the window and visible, on the element
# itself or, where that is hidden below its label, on the label.
WHERE = """() => {
  const focused = document.activeElement;
  const name = focused.outerHTML.slice(0, 120);
  const isDrawn = (element) => {
    const style = getComputedStyle(element);
    const outline = style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2;
    const box = element.getBoundingClientRect();
    const isHigh = box.height > 1 && box.bottom > 0 && box.top < innerHeight;
    const isWide = box.width > 1 && box.right > 0 && box.left < innerWidth;
    return outline && isHigh && isWide;
  };
  return [focused, ...(focused.labels ?? [])].some(isDrawn) ? "" : `focus is not visible: ${name}`;
}"""


def named(words: str) -> re.Pattern[str]:
    """A name that begins with these words; more may follow."""
    # Playwright writes the pattern between slashes, and does not escape those within it.
    pattern = re.escape(words).replace("/", r"\/")
    return re.compile(rf"^{pattern}\b", re.IGNORECASE)


@dataclass
class Mouse:
    """Points, clicks and types."""

    page: Page

    def find(self, role: Role, name: str, within: Locator | None = None) -> Locator:
        scope: Any = within or self.page.get_by_role("main")
        return scope.get_by_role(role, name=named(name)).first

    def fill(self, label: str, text: str) -> None:
        self.page.get_by_label(named(label)).first.fill(text)

    def press(self, name: str, within: Locator | None = None) -> None:
        self.find("button", name, within).click()

    def follow(self, name: str, within: Locator | None = None) -> None:
        self.find("link", name, within).click()

    def select(self, label: str, option: str) -> None:
        self.page.get_by_label(named(label)).first.select_option(label=option)


class Keyboard(Mouse):
    """Uses keys only, and checks at each stop that the focus is visible."""

    def fill(self, label: str, text: str) -> None:
        self.reach(self.page.get_by_label(named(label)).first)
        self.page.keyboard.type(text)

    def press(self, name: str, within: Locator | None = None) -> None:
        self.reach(self.find("button", name, within))
        self.page.keyboard.press("Space")

    def follow(self, name: str, within: Locator | None = None) -> None:
        self.reach(self.find("link", name, within))
        self.page.keyboard.press("Enter")

    def select(self, label: str, option: str) -> None:
        """A closed list goes to what one types."""
        field = self.page.get_by_label(named(label)).first
        self.reach(field)
        self.page.keyboard.type(option)
        expect(field.locator("option:checked")).to_have_text(option)

    def reach(self, desired: Locator) -> None:
        expect(desired).to_be_attached()
        for _ in range(STOPS):
            if desired.evaluate("element => element === document.activeElement"):
                return
            self.step()
        raise AssertionError(f"Tab does not lead to {desired}")

    def step(self, key: str = "Tab") -> None:
        """Go to the next stop."""
        self.page.keyboard.press(key)
        self.see()

    def see(self) -> None:
        # Between the last stop and the first the focus is in the browser's own window.
        if not self.page.evaluate("document.activeElement === document.body"):
            assert self.page.evaluate(WHERE) == ""
