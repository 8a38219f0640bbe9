"""The page of one's own sessions and events, and how long a session of staff lasts."""

from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from accounts.models import Session
from provisioning.demo.seed import PASSWORD, Cast
from tests.portal.pages.pages import as_user, words

SIGN_IN = {"login": "alice@birch.example", "password": PASSWORD}


def test_page_shows_sessions_and_events_and_ends_one_session(cast: Cast) -> None:
    here, elsewhere = Client(), Client()
    here.post("/account/login/", SIGN_IN)
    Client().post("/account/login/", SIGN_IN | {"password": "x"})
    elsewhere.post(
        "/account/login/", SIGN_IN, headers={"user-agent": "Mozilla (iPhone) Safari/605"}
    )
    shown = words(here.get("/account/security/"))
    assert "Safari on iPhone" in shown
    assert "Failed to sign in as: alice@birch.example" in shown
    other = Session.objects.get(user_agent__contains="iPhone")
    ended = here.post("/account/security/", {"session": other.pk}, follow=True)
    assert "Safari on iPhone is signed out." in words(ended)
    assert elsewhere.get("/")["Location"].startswith("/account/login/")
    assert here.get("/").status_code == 200


def test_nobody_ends_another_persons_session(cast: Cast) -> None:
    alice = as_user(cast.alice)
    session = Session.objects.get(user=cast.alice)
    as_user(cast.charlie).post("/account/security/", {"session": session.pk})
    assert alice.get("/").status_code == 200


@pytest.mark.parametrize(
    ("age", "idle", "is_over"),
    [
        (timedelta(hours=11, minutes=59), timedelta(minutes=29), False),
        (timedelta(hours=12), timedelta(0), True),
        (timedelta(hours=1), timedelta(minutes=30), True),
    ],
)
def test_session_of_staff_ends_after_a_working_day_or_a_break(
    cast: Cast, age: timedelta, idle: timedelta, *, is_over: bool
) -> None:
    for person, ends in ((cast.otto, is_over), (cast.alice, False)):
        client = Client()
        client.post("/account/login/", SIGN_IN | {"login": person.email})
        session, now = client.session, timezone.now()
        session["signed_in_at"] = (now - age).timestamp()
        session["seen_at"] = (now - idle).timestamp()
        session.save()
        client.get("/account/security/")
        assert ("_auth_user_id" not in client.session) is ends


def test_limits_come_from_the_settings(cast: Cast, settings: Settings) -> None:
    settings.STAFF_SESSION_AGE = timedelta(0)
    client = Client()
    client.post("/account/login/", SIGN_IN | {"login": cast.otto.email})
    assert "Your session has ended" in words(client.get("/ops/", follow=True))
