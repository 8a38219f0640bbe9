"""Every page of the site, from the table of doors, which must match the URL configuration."""

from tests.portal.test_doors import ROLES, table

# Who looks at a page: the first of them to whom it opens.
LOOKERS = ["nobody", "owner", "root"]
OPENS = {"200", "401"}
# What has an address and is no page: it leads on to one, takes what is sent, or is data.
NO_PAGES = {
    "account/2fa/webauthn/login/",
    "account/oidc/^(?P<provider_id>[^/]+)/login/",
    "account/oidc/^(?P<provider_id>[^/]+)/login/callback/",
    "account/social/connections/",
    "account/social/login/cancelled/",
    "account/social/login/error/",
    "account/social/signup/",
    "admin/(?P<url>.*)$",
    "admin/autocomplete/",
    "admin/login/",
    "admin/logout/",
    "admin/r/<path:content_type_id>/<path:object_id>/",
    "ops/pull-users/<int:pk>/retry/",
    "ops/registries/<int:pk>/retry/",
    "ops/repositories/<int:pk>/retry/",
}


def opening() -> dict[str, str]:
    """Route → the role that looks at it, of all that open by their address alone."""
    found = {}
    for route, (answers, _) in table().items():
        of_role = dict(zip(ROLES, answers, strict=True))
        role = next((role for role in LOOKERS if of_role[role] in OPENS), None)
        if role is not None:
            found[route] = role
    return found


def reached_by_scenes() -> set[str]:
    """The routes of pages that open only on the way somewhere."""
    rest = set(table()) - set(opening()) - NO_PAGES - closed()
    # The admin's address of a row leads on to its form.
    return {route for route in rest if not route.endswith("/<path:object_id>/")}


def closed() -> set[str]:
    """The routes that answer everybody with the page of the error 403, or lead to the sign-in."""
    return {route for route, (answers, _) in table().items() if set(answers) <= {"in", "403"}}
