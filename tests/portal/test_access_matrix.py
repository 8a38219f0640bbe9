"""Every address of the site answers each role as the access matrix says."""

from typing import Any

import pytest
from allauth.mfa.totp.internal.auth import TOTP, generate_totp_secret
from django.test import Client
from pytest_django import Settings

from accounts.models import Customer, Membership
from portal.urls import customer_urls
from provisioning.demo.seed import Cast
from tests.portal.access_matrix import RECENT, ROLES, table
from tests.portal.pages.pages import as_user, just_signed_in
from tests.portal.site import Site, build_site, routes, visit


@pytest.fixture
def site(cast: Cast) -> Site:
    return build_site(cast)


def test_every_address_is_in_the_access_matrix() -> None:
    assert set(routes()) == set(table())


@pytest.mark.parametrize("role", ROLES)
def test_address_answers_each_role_as_the_access_matrix_says(site: Site, role: str) -> None:
    client, column = site.sign_in(role), ROLES.index(role)
    wrong = {}
    for route, expected in table().items():
        for method, row in zip(("GET", "POST"), expected, strict=True):
            answer = as_in_the_matrix(visit(client, method, site.address(route)))
            if answer != row[column]:
                wrong[f"{method} {route}"] = f"{answer}, not {row[column]}"
    assert wrong == {}


def as_in_the_matrix(response: Any) -> str:
    """The status; or "in" where it leads to the sign-in, and "proof" where it leads to the page
    on which a person confirms their identity."""
    place = response.headers.get("Location", "")
    if place.startswith(("/account/login/?", "/admin/login/?")):
        return "in"
    is_proof = place.startswith(("/account/reauthenticate/", "/account/2fa/reauthenticate/"))
    return "proof" if is_proof else str(response.status_code)


# --- Rules of an organisation ------------------------------------------------------

# Home shows what it may, an organisation can always be left, and old addresses redirect.
WITHOUT_RULES = {"", "customers/<int:pk>/leave/"}
OF_CUSTOMERS = [str(pattern.pattern) for pattern in customer_urls if pattern.name]


@pytest.mark.parametrize(
    ("rule", "leads_to"),
    [
        ("requires_second_factor", "/account/2fa/"),
        ("requires_single_sign_on", "/account/3rdparty/"),
    ],
)
def test_rule_of_an_organisation_holds_on_all_of_its_pages(
    site: Site, rule: str, leads_to: str
) -> None:
    Customer.objects.filter(pk=site.cast.birch.pk).update(**{rule: True})
    client, passed = site.sign_in("owner"), []
    for route in set(OF_CUSTOMERS) - WITHOUT_RULES:
        for method in ("GET", "POST"):
            answer = visit(client, method, site.address(route))
            if answer.headers.get("Location") != leads_to:
                passed.append(f"{method} {route}")
    assert passed == []


@pytest.mark.parametrize("rule", ["requires_second_factor", "requires_single_sign_on"])
def test_rule_of_an_organisation_holds_on_no_other_page(site: Site, rule: str) -> None:
    Customer.objects.filter(pk=site.cast.cedar.pk).update(**{rule: True})
    Membership.objects.create(user=site.cast.alice, customer=site.cast.cedar, role="viewer")
    client, column, wrong = site.sign_in("owner"), ROLES.index("owner"), {}
    for route in OF_CUSTOMERS:
        for method, row in zip(("GET", "POST"), table()[route], strict=True):
            answer = as_in_the_matrix(visit(client, method, site.address(route)))
            if answer != row[column]:
                wrong[f"{method} {route}"] = f"{answer}, not {row[column]}"
    assert wrong == {}


# --- Without a recent sign-in ------------------------------------------------------


@pytest.mark.parametrize("role", ["owner", "root"])
@pytest.mark.parametrize("factor", ["old session", "weaker factor"])
def test_old_session_and_weaker_factor_reach_nothing_that_needs_a_recent_sign_in(
    site: Site, role: str, factor: str
) -> None:
    person = site.people[role]
    assert person is not None
    client = as_user(person)
    if factor == "weaker factor":
        TOTP.activate(person, generate_totp_secret())
        client = just_signed_in(person, "password")
    passed = []
    for route in table():
        address = site.address(route)
        is_staff_page = role == "root" and route.startswith(("admin/", "ops/"))
        if route in RECENT:
            if as_in_the_matrix(visit(client, "GET", address)) != "proof":
                passed.append(f"GET {route}")
            if visit(client, "POST", address).headers.get("Location") != address:
                passed.append(f"POST {route}")
        elif is_staff_page and as_in_the_matrix(visit(client, "POST", address)) != "proof":
            passed.append(f"POST {route}")
    assert passed == []


def test_session_older_than_the_second_factor_reaches_no_page_of_staff(
    site: Site, settings: Settings
) -> None:
    settings.STAFF_SECOND_FACTOR = True
    root = site.people["root"]
    assert root is not None
    client = just_signed_in(root, "password")
    TOTP.activate(root, generate_totp_secret())
    for route in table():
        if route.startswith(("admin/", "ops/")):
            for method in ("GET", "POST"):
                answer = as_in_the_matrix(visit(client, method, site.address(route)))
                assert answer == "proof", f"{method} {route}"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("/access/7/trouble/", "/access/7/diagnosis/"),
        ("/customers/7/letters/", "/customers/7/notifications/"),
        ("/ops/findings/", "/ops/drift/"),
        ("/ops/findings/7/?all=", "/ops/drift/7/?all="),
        ("/ops/repositories/7/pullers/", "/ops/repositories/7/who-can-pull/"),
    ],
)
def test_old_address_redirects_permanently(client: Client, old: str, new: str) -> None:
    response = client.get(old)
    assert (response.status_code, response.headers.get("Location")) == (301, new)
