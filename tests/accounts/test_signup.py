"""Sign-up open to everyone: what a stranger can do with someone else's address."""

import re

import pytest
from allauth.socialaccount.models import SocialAccount
from django.core import mail
from django.test import Client
from pytest_django import Settings

from accounts.models import User
from accounts.names import require_plain_name
from provisioning.demo.seed import Cast
from tests.portal.pages.pages import words

ADDRESS, CHOSEN = "dana@larch.example", "a-Long-one-7"


@pytest.fixture(autouse=True)
def _everybody_may_sign_up(settings: Settings) -> None:
    settings.SIGNUP = "open"


def sign_up(client: Client, name: str = "Dana") -> None:
    fields = {"email": ADDRESS, "name": name, "password1": CHOSEN, "password2": CHOSEN}
    client.post("/account/signup/", fields)


def verify(client: Client) -> str:
    """Press the button on the page of the link, and return what is shown."""
    link = re.search(r"https?://\S+/confirm-email/\S+/", str(mail.outbox[-1].body))
    assert link is not None
    path = "/" + link[0].split("/", 3)[3]
    return words(client.post(path, follow=True))


def can_sign_in() -> bool:
    client = Client()
    client.post("/account/login/", {"login": ADDRESS, "password": CHOSEN})
    return "_auth_user_id" in client.session


def test_person_who_signs_up_verifies_and_is_in(cast: Cast) -> None:
    client = Client()
    sign_up(client)
    verify(client)
    assert can_sign_in()


def test_password_chosen_in_another_browser_ends_with_the_verification(cast: Cast) -> None:
    sign_up(Client())
    user = User.objects.get(email=ADDRESS)
    SocialAccount.objects.create(user=user, provider="oidc", uid="8")
    shown = verify(Client())
    assert "its password was removed" in shown
    assert not can_sign_in()
    assert not SocialAccount.objects.filter(user=user).exists()


@pytest.mark.parametrize(
    "name",
    [
        "Customer,\n\nyour password expired",
        "portal.evil.example",
        "https://evil",
        "a@b",
        "Dana\u202e",
        "<b>Dana</b>",
    ],
)
def test_name_that_carries_a_message_is_refused(cast: Cast, name: str) -> None:
    sign_up(Client(), name)
    assert not User.objects.filter(email=ADDRESS).exists()
    assert mail.outbox == []


@pytest.mark.parametrize(
    "name", ["Dana M\u00fcller-O'Neil", "J.R.R. Tolkien", "\u0414\u0430\u043d\u0430", "St. John"]
)
def test_name_of_a_person_is_accepted(name: str) -> None:
    require_plain_name(name)


def test_email_to_an_address_that_is_not_verified_repeats_no_name(cast: Cast) -> None:
    sign_up(Client(), "Your account was closed")
    assert len(mail.outbox) == 1
    assert "Your account was closed" not in mail.outbox[0].message().as_string()
