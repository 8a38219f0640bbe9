"""An account that is deactivated loses all that was under way: activated again, it opens to nobody
who was in it before."""

import re
from typing import Any

import pytest
from django.core import mail
from django.test import Client

from accounts.models import User
from provisioning.demo.seed import PASSWORD, Cast
from tests.accounts.outbox import code_by_email
from tests.portal.pages.pages import as_user, just_signed_in, words

NEW = "quite-another-password"
PAGE = "/account/security/"


@pytest.fixture(params=["admin", "shell"])
def by(request: pytest.FixtureRequest) -> str:
    """Where the account is deactivated and activated."""
    return str(request.param)


def set_active(user: User, by: str, *, is_active: bool) -> None:
    if by == "shell":
        row = User.objects.get(pk=user.pk)
        row.is_active = is_active
        row.save(update_fields=["is_active"])
        return
    root = just_signed_in(_root())
    form: dict[str, Any] = {"name": user.name} | ({"is_active": "on"} if is_active else {})
    if user.is_staff:
        form |= {"is_staff": "on", "groups": [group.pk for group in user.groups.all()]}
    answer = root.post(f"/admin/accounts/user/{user.pk}/change/", form)
    assert answer.status_code == 302, words(answer)


def _root() -> User:
    found = User.objects.filter(is_superuser=True).first()
    return found or User.objects.create_superuser("root@acme.example", PASSWORD)


def off_and_on(user: User, by: str) -> None:
    set_active(user, by, is_active=False)
    set_active(user, by, is_active=True)


def test_sessions_end_for_good(cast: Cast, by: str) -> None:
    thief = just_signed_in(cast.alice)
    assert thief.get(PAGE).status_code == 200
    off_and_on(cast.alice, by)
    assert thief.get(PAGE).status_code == 302
    assert not cast.alice.sessions.exists()


def test_session_of_staff_ends_for_good(cast: Cast, by: str) -> None:
    thief = as_user(cast.otto)
    assert thief.get("/ops/").status_code == 200
    off_and_on(cast.otto, by)
    assert thief.get("/ops/").status_code == 302


def test_password_of_before_opens_nothing(cast: Cast, by: str) -> None:
    off_and_on(cast.alice, by)
    thief = Client()
    thief.post("/account/login/", {"login": cast.alice.email, "password": PASSWORD})
    assert thief.get(PAGE).status_code == 302


@pytest.mark.parametrize("is_active", [False, True])
def test_link_of_before_sets_no_password(cast: Cast, by: str, *, is_active: bool) -> None:
    thief = Client()
    thief.post("/account/password/reset/", {"email": cast.alice.email})
    found = re.search(r"/account/password/reset/key/\S+", str(mail.outbox[-1].body))
    assert found
    set_active(cast.alice, by, is_active=False)
    if is_active:
        set_active(cast.alice, by, is_active=True)
    shown = thief.get(found[0], follow=True)
    assert "no longer valid" in words(shown)
    thief.post(shown.request["PATH_INFO"], {"password1": NEW, "password2": NEW})
    set_active(cast.alice, by, is_active=True)
    assert not User.objects.get(pk=cast.alice.pk).has_usable_password()


def test_code_of_before_opens_nothing(cast: Cast, by: str) -> None:
    thief = Client()
    thief.post("/account/login/code/", {"email": cast.alice.email})
    off_and_on(cast.alice, by)
    thief.post("/account/login/code/confirm/", {"code": code_by_email()})
    assert thief.get(PAGE).status_code == 302


def test_person_signs_in_by_a_new_code_and_sets_a_new_password(cast: Cast, by: str) -> None:
    off_and_on(cast.alice, by)
    alice = Client()
    alice.post("/account/login/code/", {"email": cast.alice.email})
    alice.post("/account/login/code/confirm/", {"code": code_by_email()})
    assert alice.get(PAGE).status_code == 200
    alice.post("/account/password/set/", {"password1": NEW, "password2": NEW})
    assert User.objects.get(pk=cast.alice.pk).check_password(NEW)


@pytest.mark.parametrize("field", ["is_staff", "is_superuser"])
def test_sessions_end_with_what_the_person_is_to_the_vendor(cast: Cast, field: str) -> None:
    before = as_user(cast.otto)
    for value in (not getattr(cast.otto, field), getattr(cast.otto, field)):
        setattr(cast.otto, field, value)
        cast.otto.save(update_fields=[field])
    assert before.get(PAGE).status_code == 302
    assert User.objects.get(pk=cast.otto.pk).check_password(PASSWORD)


def test_other_changes_of_an_account_end_nothing(cast: Cast) -> None:
    alice = just_signed_in(cast.alice)
    set_active(cast.alice, "admin", is_active=True)
    assert alice.get(PAGE).status_code == 200
    assert User.objects.get(pk=cast.alice.pk).check_password(PASSWORD)


def test_form_says_what_deactivation_ends(cast: Cast) -> None:
    shown = just_signed_in(_root()).get(f"/admin/accounts/user/{cast.alice.pk}/change/")
    assert "links and codes end, for good" in words(shown)
