"""Parts of a customer's path, with the mouse or the keyboard."""

from playwright.sync_api import Locator, expect

from provisioning.demo.seed import PASSWORD
from tests.browser.hands import Mouse


def sign_in(hand: Mouse, email: str) -> None:
    hand.page.goto("/account/login/")
    hand.fill("Email", email)
    hand.fill("Password", PASSWORD)
    hand.press("Sign in")
    expect(hand.page.get_by_role("heading", name="Your products")).to_be_visible()


def request_product(hand: Mouse, product: str) -> None:
    hand.follow(f"Request {product}")
    hand.fill("Order or contract number", "PO-2026-17")
    hand.press("Send the request")
    expect(hand.page.get_by_role("heading", name=product)).to_be_visible()
    expect(hand.page.get_by_text("Waiting for your vendor")).to_be_visible()


def reveal(hand: Mouse, *, has_confirmed: bool = False) -> None:
    """From the product's page to the secret, confirming the identity unless that was just done."""
    hand.follow("Reveal the credentials")
    if not has_confirmed:
        confirm(hand)
    hand.press("Show the secret now")
    expect(hand.page.get_by_role("heading", name="Your credentials")).to_be_visible()


def confirm(hand: Mouse) -> None:
    expect(hand.page.get_by_role("heading", name="Confirm that it is you")).to_be_visible()
    hand.fill("Password", PASSWORD)
    hand.press("Confirm")


def tool(hand: Mouse, repository: str, title: str, *, has_script: bool = True) -> Locator:
    """On the page of a product with several repositories: choose the repository and a tool.
    Returns the commands."""
    hand.select("Repository", repository)
    if not has_script:
        hand.press("Show the commands")
    panel = hand.page.locator("#pull section.panel")
    expect(panel).to_contain_text(f"/{repository}:")
    hand.follow(title, panel)
    expect(panel.locator("[aria-current]")).to_have_text(title)
    return panel
