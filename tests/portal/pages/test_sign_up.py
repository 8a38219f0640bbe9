"""Signing up: with the link of an invitation, or freely where the vendor allows it."""

import re
from typing import Any

import pytest
from allauth.account.models import EmailAddress
from django.core import mail
from django.test import Client
from pytest_django.fixtures import Settings

from accounts.actor import Actor
from accounts.emails import delivery
from accounts.flows import invitations
from accounts.flows.members import Role
from accounts.models import Invitation, User
from portal.logging import json_formatter
from provisioning.demo.seed import PASSWORD, Cast
from tests.portal.pages.captured_state import database
from tests.portal.pages.pages import as_user, words

DANA = "dana@birch.example"
JOIN = "/account/invitation/"


@pytest.fixture
def link(cast: Cast) -> str:
    """The link in the invitation that Alice sent to Dana."""
    invitations.invite(cast.birch, DANA, Role.ENGINEER, by=Actor(cast.alice))
    delivery.send_due()
    found = re.search(r"/account/invitation/[\w-]+/", str(mail.outbox[0].body))
    assert found
    return found[0]


def sign_up(client: Client, **fields: str) -> Any:
    defaults = {"name": "Dana Diaz", "email": DANA, "password1": PASSWORD, "password2": PASSWORD}
    return client.post("/account/signup/", defaults | fields, follow=True)


# --- By invitation -----------------------------------------------------------------


def test_invited_person_creates_an_account_and_joins_without_another_email(link: str) -> None:
    client = Client()
    shown = client.get(link, follow=True)
    assert shown.redirect_chain == [(JOIN, 302)]
    assert f"Alice Ahlgren invites {DANA} to join Birch Bank as engineer" in words(shown)
    assert f'value="{DANA}" ' in client.get("/account/signup/").content.decode()
    assert "Join" in words(sign_up(client))
    shown = client.post(JOIN, follow=True)
    assert shown.request["PATH_INFO"] == "/"
    assert "You are now a member of Birch Bank." in words(shown)
    dana = User.objects.get(email=DANA)
    assert (dana.name, dana.memberships.get().role) == ("Dana Diaz", "engineer")
    assert len(mail.outbox) == 1


def test_account_from_an_invitation_always_gets_the_invited_address(link: str) -> None:
    client = Client()
    client.get(link)
    sign_up(client, email="mallory@example.com")
    assert not User.objects.filter(email="mallory@example.com").exists()
    assert EmailAddress.objects.get(user__email=DANA, email=DANA).verified


def test_looking_at_a_link_does_not_use_it_up_or_store_its_token_in_the_session(link: str) -> None:
    client = Client()
    for _ in range(3):
        client.get(link)
    assert Invitation.objects.open().exists()
    assert link.split("/")[3] not in str(dict(client.session))


def test_scanner_of_emails_may_ask_for_the_header_alone(
    link: str, caplog: pytest.LogCaptureFixture
) -> None:
    assert Client().head(link)["Location"] == JOIN
    assert Client().post(link).status_code == 405
    logged = "\n".join(json_formatter().format(record) for record in caplog.records)
    assert "405" in logged or "Not Allowed" in logged
    assert link.split("/")[3] not in logged


def test_person_with_an_account_signs_in_and_joins(cast: Cast, link: str) -> None:
    client = as_user(cast.charlie)
    shown = words(client.get(link, follow=True))
    assert "You are signed in as charlie@cedar.example" in shown
    assert "Join" in shown
    before = database()
    shown = words(client.post(JOIN, follow=True))
    assert f"This invitation is for {DANA}." in shown
    assert database() == before
    EmailAddress.objects.create(user=cast.charlie, email=DANA, verified=True)
    client.get(link)
    client.post(JOIN)
    assert cast.charlie.memberships.filter(customer=cast.birch).exists()


def test_person_who_has_an_account_is_asked_to_sign_in(cast: Cast, link: str) -> None:
    EmailAddress.objects.create(user=cast.charlie, email=DANA, verified=True)
    shown = Client().get(link, follow=True)
    assert "You have an account with this address: sign in to join." in words(shown)


@pytest.mark.usefixtures("link")
def test_invalid_link_says_what_to_do() -> None:
    for address in (f"{JOIN}no-such-token/", JOIN):
        shown = Client().get(address)
        assert shown.status_code == 404
        assert "ask an owner of the organisation to send it again" in words(shown)


def test_browser_that_followed_a_link_cannot_join_once_the_invitation_is_withdrawn(
    cast: Cast, link: str
) -> None:
    client = Client()
    client.get(link)
    invitations.revoke(Invitation.objects.get(), by=Actor(cast.alice))
    assert client.get(JOIN).status_code == 404
    assert "Accounts are by invitation" in words(sign_up(client))
    assert not User.objects.filter(email=DANA).exists()


# --- Open sign-up ------------------------------------------------------------------


@pytest.mark.usefixtures("cast")
def test_person_who_signed_up_freely_learns_what_to_do_next(settings: Settings) -> None:
    settings.SIGNUP = "open"
    client = Client()
    fields = {
        "name": "Walter",
        "email": "walter@elm.example",
        "password1": PASSWORD,
        "password2": PASSWORD,
    }
    client.post("/account/signup/", fields)
    (email,) = mail.outbox
    code = re.search(r"^[A-Z0-9]{4}-[A-Z0-9]{4}$", str(email.body), re.MULTILINE)
    assert code
    client.post("/account/confirm-email/", {"code": code[0]})
    shown = words(client.get("/"))
    assert "You do not belong to an organisation yet" in shown
    assert "invite walter@elm.example" in shown


def test_open_sign_up_does_not_reveal_who_has_an_account(cast: Cast, settings: Settings) -> None:
    settings.SIGNUP = "open"
    answers = []
    for email in (cast.alice.email, "walter@elm.example"):
        fields = {"name": "W", "email": email, "password1": PASSWORD, "password2": PASSWORD}
        client = Client()
        answer = client.post("/account/signup/", fields, follow=True)
        answers.append((answer.redirect_chain, words(answer).replace(email, "")))
    assert answers[0] == answers[1]
    assert User.objects.filter(name="W").count() == 1
