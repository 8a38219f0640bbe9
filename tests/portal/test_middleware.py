"""Security headers on every response, and the refusal of malformed requests."""

import re
from typing import Any

import pytest
from bs4 import BeautifulSoup
from csp.constants import NONE, SELF
from django.test import Client

from provisioning.demo.seed import Cast
from tests.portal.pages.pages import as_user, just_signed_in
from tests.portal.site import build_site, routes, visit

# The sample of an email, which brings its style with it: no mail program fetches one.
SAMPLE = "ops/emails/<slug:slug>/"


def is_page(answer: Any) -> bool:
    return answer["Content-Type"].startswith("text/html") and not answer.streaming


def policy(header: str) -> dict[str, set[str]]:
    directives = (directive.split() for directive in header.split(";"))
    return {name: set(sources) for name, *sources in directives}


@pytest.mark.parametrize("role", ["nobody", "owner", "root"])
def test_every_page_has_the_strict_policy_and_nothing_inline(cast: Cast, role: str) -> None:
    site = build_site(cast)
    client = site.sign_in(role)
    pages = 0
    for route in routes():
        answer = visit(client, "GET", site.address(route))
        directives = policy(answer["Content-Security-Policy"])
        assert directives["default-src"] == directives["base-uri"] == {NONE}, route
        assert directives["frame-ancestors"] == {NONE}, route
        is_sample = route == SAMPLE and answer.status_code == 200
        if is_sample:
            assert directives["form-action"] == {NONE}
            assert "script-src" not in directives
        else:
            assert directives["script-src"] == directives["style-src"] == {SELF}, route
            assert directives["form-action"] == {SELF}, route
            assert "unsafe" not in answer["Content-Security-Policy"], route
        assert "camera=()" in answer["Permissions-Policy"], route
        assert answer["X-Frame-Options"] == "DENY", route
        assert answer["X-Content-Type-Options"] == "nosniff", route
        assert answer["Referrer-Policy"] == "same-origin", route
        if is_page(answer) and not is_sample:
            assert inline(answer.content) == [], route
            pages += 1
    assert pages >= 10


def inline(content: bytes) -> list[str]:
    """The parts of the page that the policy would block."""
    found = []
    for element in BeautifulSoup(content, "html.parser").select("*"):
        is_script = element.name == "script" and element.get("type") != "application/json"
        if (is_script and not element.get("src")) or element.name == "style":
            found.append(str(element))
        found += [
            f"{element.name} {name}={value}"
            for name, value in element.attrs.items()
            if name == "style"
            or re.match(r"on[a-z]+$|hx-on", name)
            or str(value).lower().strip().startswith("javascript:")
        ]
    return found


@pytest.mark.django_db
@pytest.mark.parametrize("address", ["/nothing/", "/account/login/?next=x", "/static/nothing.css"])
def test_error_pages_have_the_policy_too(address: str) -> None:
    answer = Client().get(address)
    assert "script-src 'self'" in answer["Content-Security-Policy"]
    assert answer["Permissions-Policy"]


def test_null_character_in_an_address_is_refused(cast: Cast) -> None:
    page = "/admin/provisioning/entitlement/?state__exact=%00"
    assert just_signed_in(cast.sandra).get(page).status_code == 400


def test_form_that_is_too_large_is_refused(cast: Cast) -> None:
    page = f"/customers/{cast.birch.pk}/request/{cast.reports.pk}/"
    alice = as_user(cast.alice)
    large = "x" * (1024 * 1024 + 1)
    assert alice.post(page, {"note": large}).status_code == 400
    assert alice.post(page, {"f" + str(n): "x" for n in range(2000)}).status_code == 400


# --- What browsers keep --------------------------------------------------------------


def test_no_page_of_a_signed_in_person_or_of_the_way_in_is_stored(cast: Cast) -> None:
    site = build_site(cast)
    for role in ("nobody", "owner", "root"):
        client = site.sign_in(role)
        for route in routes():
            if role == "nobody" and not route.startswith("account/"):
                continue
            for method in ("GET", "POST"):
                answer = visit(client, method, site.address(route))
                stored = answer.headers.get("Cache-Control", "")
                assert "no-store" in stored, f"{role} {method} {route}"


def test_sign_out_removes_what_the_browser_kept(cast: Cast) -> None:
    client = as_user(cast.alice)
    assert "Clear-Site-Data" not in client.get("/").headers
    assert client.post("/account/logout/").headers["Clear-Site-Data"] == '"cache"'
