"""Every page of the site, from the access matrix, which must match the URL configuration."""

from tests.portal.access_matrix import ROLES, table

# The roles that look at pages: for each page the first that may open it.
VIEWING_ROLES = ["nobody", "owner", "root"]
OPENS = {"200", "401"}
# Addresses that are not pages: they redirect, only accept forms, or return data.
NO_PAGES = {
    "access/<int:pk>/files/<str:name>",
    "access/<int:pk>/repositories/<int:repository_pk>/",
    "access/<int:pk>/trouble/",
    "account/2fa/webauthn/login/",
    "account/security/misuse/",
    "account/sessions/",
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
    "admin/password_change/",
    "admin/password_change/done/",
    "admin/r/<path:content_type_id>/<path:object_id>/",
    "customers/<int:pk>/letters/",
    "ops/findings/",
    "ops/findings/<int:pk>/",
    "ops/pull-users/<int:pk>/retry/",
    "ops/repositories/<int:pk>/pullers/",
    "ops/registries/<int:pk>/retry/",
    "ops/repositories/<int:pk>/retry/",
}


def opening() -> dict[str, str]:
    """Route → the role that looks at it, for pages that open by their address alone."""
    found = {}
    for route, (answers, _) in table().items():
        of_role = dict(zip(ROLES, answers, strict=True))
        role = next((role for role in VIEWING_ROLES if of_role[role] in OPENS), None)
        if role is not None:
            found[route] = role
    return found


def reached_by_scenes() -> set[str]:
    """The routes of pages that open only from another page."""
    rest = set(table()) - set(opening()) - NO_PAGES - closed()
    # The admin's address of a row leads on to its form.
    return {route for route in rest if not route.endswith("/<path:object_id>/")}


def closed() -> set[str]:
    """The routes that answer everyone with error 403, or redirect to the sign-in."""
    return {route for route, (answers, _) in table().items() if set(answers) <= {"in", "403"}}
