"""Signing in at another site, by OpenID Connect."""

from collections.abc import Iterator
from threading import Thread
from typing import Any
from urllib.parse import urlencode

import flask
import pytest
from allauth.account.models import EmailAddress
from django.conf import settings as django_settings
from playwright.sync_api import Page, expect
from pytest_django import Settings
from werkzeug.serving import make_server

from accounts.models import User
from portal import oidc
from provisioning.demo.cast import Cast
from tests.browser.test_sign_in import cast, confirm, expect_home, sign_in, sign_out
from tests.provisioning.test_vault import committed

__all__ = ["cast", "committed"]


def other_site(person: dict[str, Any]) -> flask.Flask:
    """A site where ``person`` is signed in already, and trusts everybody."""
    site = flask.Flask("other_site")

    @site.get("/.well-known/openid-configuration")
    def configuration() -> dict[str, Any]:
        here = flask.request.host_url
        ends = {"authorization": "authorize", "token": "token", "userinfo": "person"}
        return {"issuer": here} | {f"{name}_endpoint": here + end for name, end in ends.items()}

    @site.get("/authorize")
    def authorize() -> Any:
        asked = flask.request.args
        answer = urlencode({"code": "code", "state": asked["state"]})
        return flask.redirect(f"{asked['redirect_uri']}?{answer}")

    @site.post("/token")
    def token() -> dict[str, Any]:
        return {"access_token": "token", "token_type": "Bearer"}

    @site.get("/person")
    def userinfo() -> dict[str, Any]:
        return person

    return site


@pytest.fixture
def person(settings: Settings) -> Iterator[dict[str, Any]]:
    """Who is signed in at the other site."""
    person: dict[str, Any] = {"sub": "7", "name": "Alice", "email_verified": True}
    server = make_server("127.0.0.1", 0, other_site(person), threaded=True)
    Thread(target=server.serve_forever, daemon=True).start()
    issuer = f"http://127.0.0.1:{server.port}"
    settings.SOCIALACCOUNT_PROVIDERS = oidc.providers(
        issuer, name="Birch ID", client_id="portal", secret="not-a-secret"
    )
    policy = django_settings.CONTENT_SECURITY_POLICY["DIRECTIVES"]
    form_action = [*policy["form-action"], *oidc.form_targets(issuer)]
    settings.CONTENT_SECURITY_POLICY = {"DIRECTIVES": policy | {"form-action": form_action}}
    yield person
    server.shutdown()


def sign_in_there(page: Page) -> None:
    page.get_by_role("link", name="Birch ID").click()
    page.get_by_role("button", name="Continue").click()


def test_member_connects_another_site_and_then_signs_in_there(
    page: Page, cast: Cast, person: dict[str, Any]
) -> None:
    person["email"] = cast.alice.email
    sign_in(page, cast.alice.email)
    page.goto("/account/3rdparty/")
    confirm(page)
    sign_in_there(page)
    expect(page.get_by_text("has been connected")).to_be_visible()
    sign_out(page)
    sign_in_there(page)
    expect_home(page)


def test_stranger_from_another_site_gets_no_account(
    page: Page, cast: Cast, person: dict[str, Any]
) -> None:
    person["email"] = "mallory@example.com"
    page.goto("/account/login/")
    sign_in_there(page)
    expect(page.get_by_role("heading", name="Accounts are by invitation")).to_be_visible()
    assert not User.objects.filter(email="mallory@example.com").exists()


def test_address_told_by_another_site_opens_nobodys_account(
    page: Page, cast: Cast, person: dict[str, Any], settings: Settings
) -> None:
    settings.SIGNUP = "open"
    person["email"] = cast.alice.email
    page.goto("/account/login/")
    sign_in_there(page)
    expect(page.get_by_role("heading", name="Verify Your Email Address")).to_be_visible()
    page.goto("/")
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    assert EmailAddress.objects.filter(email=cast.alice.email).count() == 1
