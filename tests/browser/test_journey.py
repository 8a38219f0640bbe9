"""A customer's whole journey through the running site, with its worker and an AWS by AWS's own
names: from the email that invites her to a pull by real clients, and to new keys."""

import re
import shlex
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from provisioning.demo.seed import PASSWORD
from tests.browser.hands import Mouse
from tests.browser.road import confirm, request_product, reveal, sign_in, tool
from tests.stories.browser import chromium, profile
from tests.stories.portal import Revealed
from tests.stories.sandbox import Result, Sandbox
from tests.stories.world import DEAD_KEY, assert_refused, world

pytestmark = [pytest.mark.xdist_group("sandbox"), pytest.mark.timeout(300)]

DANA = "dana@birch.example"
INVITATION = r"http://\S+/account/invitation/[\w-]+/"
WORKER = 60_000  # milliseconds


@dataclass
class Machine:
    """A machine of Dana's with its own keys; it runs what she copied from the page."""

    box: Sandbox
    name: str
    keys: Revealed
    configure: str
    login: str
    pull: str

    def set_up(self) -> None:
        answers = f"{self.keys.access_key_id}\n{self.keys.secret_access_key}\n\n\n"
        stored = self.run(self.configure, answers)
        assert stored.code == 0, stored.words

    def pulls(self) -> None:
        for command in (self.login, self.pull, "ls server/index.json"):
            ran = self.run(command)
            assert ran.code == 0, f"{self.name}: {command}: {ran.words}"

    def is_refused(self) -> None:
        assert_refused(self.run(self.login), DEAD_KEY)

    def run(self, command: str, stdin: str = "") -> Result:
        return self.box.run(command, stdin=stdin, aws="v2", home=self.name)


def test_invited_engineer_gets_from_the_email_to_a_pull_and_later_to_new_keys(
    tmp_path: Path,
) -> None:
    # ECR knows new users late, as in AWS, so there is time to see the steps change.
    with world("--propagation-seconds", "8") as box, chromium(box, tmp_path) as browser:
        alice, dana, sandra = (Mouse(profile(browser).new_page()) for _ in range(3))
        invite(alice, DANA)
        sign_up(dana, invitation_link(box))
        request_product(dana, "Acme Server")
        product = dana.page.url
        approve(sandra, "Acme Server")
        see_steps_move(dana.page)

        first = Machine(box, "first", copy_keys(dana), *copy_commands(dana, product))
        first.set_up()
        first.pulls()

        rotate(dana, product, "works for one more day")
        second = Machine(
            box, "second", copy_keys(dana, has_confirmed=True), *copy_commands(dana, product)
        )
        second.set_up()
        second.pulls()
        first.pulls()

        rotate(dana, product, "stops now", giving_up=first.keys.access_key_id)
        third = Machine(
            box, "third", copy_keys(dana, has_confirmed=True), *copy_commands(dana, product)
        )
        third.set_up()
        third.pulls()
        first.is_refused()
        second.is_refused()
        dana.page.goto(product)
        for secret in (first.keys, second.keys, third.keys):
            assert secret.secret_access_key not in dana.page.content()


# --- The steps, in their order -----------------------------------------------------


def invite(hand: Mouse, email: str) -> None:
    sign_in(hand, "alice@birch.example")
    hand.page.get_by_role("link", name="Organisation").click()
    hand.follow("Invite a colleague")
    confirm(hand)
    hand.fill("Email address", email)
    hand.page.get_by_label("Engineer").check()
    hand.press("Send the invitation")
    expect(hand.page.get_by_text(f"{email} is invited.")).to_be_visible()


def invitation_link(box: Sandbox) -> str:
    """The link in the one email that the worker has sent."""
    mail = box.folder / "portal" / "mail"
    is_sent = shlex.join(["grep", "-rqP", INVITATION, str(mail)])
    box.wait_for(is_sent, box.folder / "worker.log", seconds=WORKER / 1000)
    (sent,) = mail.glob("*.log")
    found = re.search(INVITATION, sent.read_text())
    assert found
    return found[0]


def sign_up(hand: Mouse, link: str) -> None:
    hand.page.goto(link)
    hand.follow("Create your account")
    hand.fill("Your name", "Dana Diaz")
    hand.fill("Password", PASSWORD)
    hand.page.get_by_label("Password (again)").fill(PASSWORD)
    hand.press("Create the account")
    hand.press("Join")
    expect(hand.page.get_by_text("You are now a member of Birch Bank.")).to_be_visible()


def approve(hand: Mouse, product: str) -> None:
    page = hand.page
    page.goto("/admin/login/?next=/admin/provisioning/entitlement/")
    hand.fill("Email", "sandra@acme.example")
    hand.fill("Password", PASSWORD)
    hand.press("Sign in")
    row = page.get_by_role("row").filter(has_text=product)
    row.get_by_role("link", name="Birch Bank").click()
    page.get_by_role("link", name="Approve").click()
    page.get_by_role("button", name="Approve (1)").click()
    confirm(hand)
    hand.press("Send the form")
    expect(page.get_by_text("1 approved.")).to_be_visible()


def see_steps_move(page: Page) -> None:
    """The open page updates itself, and is reloaded only when everything is ready, because the
    rest of the page has changed by then as well."""
    page.evaluate("document.title = 'as it was loaded'")
    progress = page.locator("#progress")
    expect(progress).to_contain_text("Being set up", timeout=WORKER)
    expect(progress).to_contain_text("Access key tested", timeout=WORKER)
    assert page.title() == "as it was loaded"
    expect(page.locator(".masthead .state")).to_have_text("Credentials to reveal", timeout=WORKER)
    # The images are read by a task of their own.
    page.wait_for_function(
        "async () => (await (await fetch(location.href)).text()).includes('pull.sh')",
        timeout=WORKER,
    )
    page.reload()


def copy_keys(hand: Mouse, *, has_confirmed: bool = False) -> Revealed:
    """The keys from the clipboard, copied on the one page that shows the secret."""
    reveal(hand, has_confirmed=has_confirmed)
    keys = Revealed(copied(hand, "the access key id"), copied(hand, "Secret access key"))
    hand.follow("I have stored it")
    expect(hand.page.get_by_role("heading", name="Store the credentials")).to_be_visible()
    assert keys.secret_access_key not in hand.page.content()
    return keys


def copy_commands(hand: Mouse, product: str) -> tuple[str, str, str]:
    """The page's commands for the AWS CLI and Skopeo: set up, sign in, pull."""
    hand.page.goto(product)
    part = tool(hand, "acme/server", "Skopeo")
    # They say “Copied” for a moment.
    buttons = part.locator("figure").get_by_role("button", name=re.compile("^Cop(y|ied)"))
    configure, login, pull = (copied_by(hand, buttons.nth(at)) for at in range(3))
    return configure, login, pull


def rotate(hand: Mouse, product: str, overlap: str, giving_up: str = "") -> None:
    hand.page.goto(f"{product}credentials/")
    hand.follow("Rotate")
    option = hand.page.get_by_role("option", name=re.compile(overlap)).text_content()
    hand.page.get_by_label("The old key").select_option(label=option)
    if giving_up:
        hand.page.get_by_label(giving_up).check()
    hand.press("Create the new key")
    hand.page.goto(product)
    # It is tested before it is offered.
    expect(hand.page.get_by_role("link", name="Reveal the credentials")).to_be_visible(
        timeout=WORKER
    )


def copied(hand: Mouse, what: str) -> str:
    return copied_by(hand, hand.find("button", f"Copy {what}"))


def copied_by(hand: Mouse, button: Locator) -> str:
    """What is in the clipboard after the button was pressed."""
    hand.page.evaluate("navigator.clipboard.writeText('')")
    button.click()
    hand.page.wait_for_function("async () => await navigator.clipboard.readText()")
    text: str = hand.page.evaluate("navigator.clipboard.readText()")
    return text
