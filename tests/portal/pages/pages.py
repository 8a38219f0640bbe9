"""Browsers of people, and what a page shows."""

import time
from typing import Any

from allauth.account.internal.flows.login import AUTHENTICATION_METHODS_SESSION_KEY as RECORDS
from bs4 import BeautifulSoup
from django.test import Client

from accounts.models import User
from provisioning.demo.seed import PASSWORD


def as_user(user: User) -> Client:
    """A browser in which the person signed in some time ago."""
    client = Client()
    client.force_login(user)
    return client


def just_signed_in(user: User, method: str = "password", **record: Any) -> Client:
    """A browser in which the person confirmed a moment ago, by this method, who they are."""
    client = as_user(user)
    session = client.session
    confirmed = {"method": method, "at": time.time(), "reauthenticated": True}
    session[RECORDS] = [confirmed | record]
    session[f"{RECORDS}_user"] = str(user.pk)
    session.save()
    return client


def confirm(client: Client, address: str) -> Any:
    """Go to a page that needs a recent sign-in, give the password, and follow the redirects."""
    asked = client.get(address)
    assert asked.status_code == 302, asked
    return client.post(asked["Location"], {"password": PASSWORD, "next": address}, follow=True)


def words(response: Any) -> str:
    """The text of a page or a fragment, without markup."""
    soup = BeautifulSoup(response.content, "html.parser")
    return " ".join((soup.body or soup).get_text(" ").split())


def steps(response: Any) -> dict[str, str]:
    """The state of each step that the page shows."""
    soup = BeautifulSoup(response.content, "html.parser")
    shown = {}
    for item in soup.select("ol.steps > li"):
        name = item.select_one(".step-name")
        assert name is not None
        shown[name.get_text().partition(":")[0]] = str(item["data-state"])
    return shown
