"""The matrix of doors: every address of the site, for every role, by GET and by POST."""

from typing import Any

import pytest

from provisioning.demo.cast import Cast
from tests.portal.doors import House, furnish, knock, routes

ROLES = ["nobody", "viewer", "engineer", "owner", "stranger", "sales", "ops", "root"]

# What GET answers to the roles, what POST does (empty, with a fresh proof of who it is), and
# the doors of which that is so. "in" leads to the sign-in, "proof" to confirming who it is.
DOORS: list[tuple[str, str, str]] = [
    # --- The customer's pages
    ("in 200*4 302*3", "in 405*7", "<home>"),
    ("in 302 200*2 404*4", "in 302 200*2 404*4", "credentials/<int:pk>/reveal/"),
    ("in 302 200*2 404*4", "in 302*3 404*4", "credentials/<int:pk>/rotate/"),
    ("in 302 200*2 404*4", "in 302*3 404*4", "keys/<int:pk>/switch/"),
    (
        "in 302 200*2 404*4",
        "in 302*3 404*4",
        "customers/<int:customer_pk>/request/<int:product_pk>/",
    ),
    (
        "in 200*3 404*4",
        "in 405*7",
        "access/<int:pk>/ access/<int:pk>/repositories/<int:repository_pk>/",
    ),
    ("in 200*3 404*4", "in 405*7", "customers/<int:pk>/"),
    (
        "in 200*3 404*4",
        "in 200*3 404*4",
        """customers/<int:pk>/invite/ customers/<int:pk>/labels/ members/<int:pk>/
        customers/<int:pk>/letters/ access/<int:pk>/trouble/""",
    ),
    ("in 200*3 404*4", "in 302*3 404*4", "customers/<int:pk>/leave/ invitations/<int:pk>/"),
    # --- Ops
    (
        "in 403*5 200*2",
        "in 403*5 405*2",
        """ops/ ops/audit/ ops/audit.csv ops/findings/ ops/capacity/
        ops/repositories/<int:pk>/pullers/""",
    ),
    (
        "in 403*5 200*2",
        "in 403*5 200*2",
        """ops/pull-users/<int:pk>/reissue/ ops/findings/<int:pk>/
        ops/keys/<int:pk>/switch/""",
    ),
    (
        "in 403*5 405*2",
        "in 403*5 302*2",
        """ops/pull-users/<int:pk>/retry/ ops/repositories/<int:pk>/retry/
        ops/registries/<int:pk>/retry/""",
    ),
    # --- Signing in
    ("200 302*7", "200 302*7", "account/login/ account/signup/ account/login/code/"),
    (
        "302*8",
        "302*8",
        """account/login/code/confirm/ account/2fa/authenticate/
        account/2fa/webauthn/login/ account/3rdparty/signup/""",
    ),
    ("302 200*7", "302*8", "account/logout/"),
    (
        "200*8",
        "405*8",
        """account/inactive/ account/confirm-email/ account/password/reset/done/
        account/password/reset/key/done/""",
    ),
    ("200*8", "404*8", r"account/^confirm-email/(?P<key>[-:\w]+)/$"),
    (
        "200*8",
        "200*8",
        r"""account/password/reset/ health/live health/ready
        account/^password/reset/key/(?P<uidb36>[0-9A-Za-z]+)-(?P<key>.+)/$""",
    ),
    ("404*8", "405*8", "account/invitation/<str:token>/"),
    (
        "404*8",
        "404*8",
        """account/invitation/ account/oidc/<str:provider_id>/login/
        account/oidc/^(?P<provider_id>[^/]+)/login/
        account/oidc/^(?P<provider_id>[^/]+)/login/callback/""",
    ),
    ("200*8", "405*8", "account/3rdparty/login/cancelled/"),
    ("401*8", "405*8", "account/3rdparty/login/error/"),
    (
        "301*8",
        "301*8",
        """account/social/login/cancelled/ account/social/login/error/
        account/social/signup/ account/social/connections/""",
    ),
    # --- One's own account
    ("in 200*7", "in 200*7", "account/2fa/webauthn/add/ account/3rdparty/"),
    ("in 200*7", "in 405*7", "account/2fa/webauthn/"),
    ("in 200*7", "in 302*7", "account/sessions/"),
    ("in proof*7", "in proof*7", "account/2fa/webauthn/reauthenticate/"),
    (
        "in 404*7",
        "in 404*7",
        """account/2fa/webauthn/keys/<int:pk>/remove/
        account/2fa/webauthn/keys/<int:pk>/edit/""",
    ),
    ("in 200*7", "in 200*7", "account/reauthenticate/ account/password/change/"),
    ("in 302*7", "in 302*7", "account/password/set/"),
    ("in 200*7", "in 302*7", "account/email/"),
    ("in 200*7", "in 405*7", "account/2fa/"),
    ("in 200*7", "in 200*7", "account/2fa/totp/activate/"),
    ("in proof*6 200", "in proof*6 200", "account/2fa/reauthenticate/"),
    ("in 404*7", "in 404*7", "account/2fa/totp/deactivate/"),
    ("in 404*6 200", "in 405*7", "account/2fa/recovery-codes/"),
    ("in 404*6 200", "in 404*6 405", "account/2fa/recovery-codes/download/"),
    ("in 200*7", "in 200*7", "account/2fa/recovery-codes/generate/"),
    # --- The admin as such
    (
        "in*5 200*3",
        "in*5 200*3",
        "admin/ admin/apps admin/password_change/",
    ),
    ("in 403*4 302*3", "in 403*4 200*3", "admin/login/"),
    ("302*5 405*3", "302*5 200*3", "admin/logout/"),
    ("in*5 200*3", "in*5 405*3", "admin/password_change/done/ admin/jsi18n/"),
    ("in*5 403*3", "in*5 405*3", "admin/autocomplete/"),
    (
        "in*5 404*3",
        "in*5 404*3",
        "admin/r/<path:content_type_id>/<path:object_id>/ admin/(?P<url>.*)$",
    ),
    (
        "in*5 200 403 200",
        "in*5 302 403 302",
        "admin/provisioning/entitlement/decide/<slug:decision>/",
    ),
]

# Whose rows the admin shows, and who of the vendor's may look at them, add, change and delete.
ROWS: dict[str, tuple[str, str, str, str]] = {
    "provisioning/entitlement": ("sales ops root", "sales root", "", ""),
    "provisioning/product": ("sales ops root", "root", "root", "root"),
    "provisioning/registry": ("ops root", "root", "root", "root"),
    "provisioning/repository": ("sales ops root", "root", "root", "root"),
    "accounts/customer": ("sales ops root", "sales root", "sales root", "root"),
    "accounts/user": ("root", "root", "root", "root"),
    "accounts/auditevent": ("ops root", "", "", ""),
    "accounts/letter": ("ops root", "", "", ""),
    "account/emailaddress": ("root", "root", "root", "root"),
    "auth/group": ("root", "root", "root", "root"),
    "mfa/authenticator": ("root", "", "", "root"),
}
# Where a form in which nothing is filled in succeeds: nothing protects the row, or all that
# there is to fill in is held as long as the row is used.
SUCCEEDS = {
    "account/emailaddress delete",
    "accounts/user change",
    "auth/group delete",
    "mfa/authenticator delete",
    "provisioning/repository change",
}


def answers(pattern: str) -> list[str]:
    """``"in*5 200*3"`` written out, one answer for each role."""
    words = (word.partition("*") for word in pattern.split())
    written = [answer for answer, _, times in words for _ in range(int(times or 1))]
    assert len(written) == len(ROLES), pattern
    return written


def staff(allowed: str, answer: str = "200") -> list[str]:
    return ["in"] * 5 + [answer if role in allowed.split() else "403" for role in ROLES[5:]]


def sent(model: str, deed: str) -> str:
    return "302" if f"{model} {deed}" in SUCCEEDS else "200"


def table() -> dict[str, tuple[list[str], list[str]]]:
    """Route → what GET and POST answer to the roles."""
    doors = {
        "" if route == "<home>" else route: (answers(get), answers(post))
        for get, post, group in DOORS
        for route in group.split()
    }
    for model, (view, add, change, delete) in ROWS.items():
        of_model = f"admin/{model}/"
        of_row = f"{of_model}<path:object_id>/"
        doors |= {
            of_model: (staff(view), staff(view)),
            f"{of_model}add/": (staff(add), staff(add)),
            of_row: (answers("in*5 302*3"), answers("in*5 302*3")),
            f"{of_row}history/": (staff(view), staff(view)),
            f"{of_row}change/": (staff(view), staff(change, sent(model, "change"))),
            f"{of_row}delete/": (staff(delete), staff(delete, sent(model, "delete"))),
        }
    return doors


@pytest.fixture
def house(cast: Cast) -> House:
    return furnish(cast)


def test_every_address_has_its_row_in_the_table() -> None:
    assert set(routes()) == set(table())


@pytest.mark.parametrize("role", ROLES)
def test_door_answers_each_role_as_the_table_says(house: House, role: str) -> None:
    client, at = house.sign_in(role), ROLES.index(role)
    wrong = {}
    for route, expected in table().items():
        for method, row in zip(("GET", "POST"), expected, strict=True):
            answer = knock(client, method, house.address(route))
            if told(answer) != row[at]:
                wrong[f"{method} {route}"] = f"{told(answer)}, not {row[at]}"
    assert wrong == {}


def told(answer: Any) -> str:
    """The status, or "in" where it leads to the sign-in, "proof" to confirming who it is."""
    place = answer.headers.get("Location", "")
    if place.startswith(("/account/login/?", "/admin/login/?")):
        return "in"
    return "proof" if place.startswith("/account/reauthenticate/") else str(answer.status_code)
