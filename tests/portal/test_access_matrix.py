"""Every address of the site answers each role as the access matrix says."""

from typing import Any

import pytest
from django.test import Client

from provisioning.demo.seed import Cast
from tests.portal.access_matrix import ROLES, table
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
    return "proof" if place.startswith("/account/reauthenticate/") else str(response.status_code)


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
