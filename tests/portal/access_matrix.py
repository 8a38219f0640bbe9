"""The access matrix: what every address of the site answers to every role, by GET and by POST."""

ROLES = ["nobody", "viewer", "engineer", "owner", "stranger", "sales", "ops", "root"]

# What GET answers to the roles, what POST does (an empty form, after a recent sign-in), and the
# routes that answer so. "in" leads to the sign-in, "proof" to confirming one's identity.
ANSWERS: list[tuple[str, str, str]] = [
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
        """access/<int:pk>/ access/<int:pk>/images/ access/<int:pk>/credentials/
        access/<int:pk>/activity/ access/<int:pk>/files/<str:name>""",
    ),
    (
        "in 301*3 404*4",
        "in 405*7",
        "access/<int:pk>/repositories/<int:repository_pk>/",
    ),
    ("in 200*3 404*4", "in 405*7", "customers/<int:pk>/"),
    (
        "in 200*3 404*4",
        "in 200*3 404*4",
        """customers/<int:pk>/invite/ customers/<int:pk>/labels/ members/<int:pk>/
        access/<int:pk>/diagnosis/""",
    ),
    (
        "in 200*3 404*4",
        "in 200*2 302 404*4",
        "customers/<int:pk>/sign-in-rules/ customers/<int:pk>/source-addresses/",
    ),
    (
        "in 200*3 404*4",
        "in 302*3 404*4",
        """customers/<int:pk>/leave/ invitations/<int:pk>/
        customers/<int:pk>/notifications/""",
    ),
    # The key of the site is the current one, which nothing replaces.
    ("in 404*7", "in 404*7", "keys/<int:pk>/end/"),
    # --- Ops
    (
        "in 403*5 200*2",
        "in 403*5 405*2",
        """ops/ ops/audit/ ops/audit.csv ops/drift/ ops/capacity/ ops/emails/
        ops/emails/<slug:slug>/
        ops/repositories/<int:pk>/who-can-pull/""",
    ),
    (
        "in 403*5 200*2",
        "in 403*5 200*2",
        """ops/pull-users/<int:pk>/reissue/ ops/drift/<int:pk>/
        ops/keys/<int:pk>/switch/ ops/hold/""",
    ),
    (
        "in 403*5 405*2",
        "in 403*5 302*2",
        """ops/pull-users/<int:pk>/retry/ ops/repositories/<int:pk>/retry/
        ops/registries/<int:pk>/retry/""",
    ),
    # --- Old addresses, which redirect
    (
        "301*8",
        "301*8",
        """account/sessions/ access/<int:pk>/trouble/ customers/<int:pk>/letters/ ops/findings/
        ops/findings/<int:pk>/ ops/repositories/<int:pk>/pullers/""",
    ),
    # --- Signing in
    ("200 302*7", "200 302*7", "account/login/ account/signup/ account/login/code/"),
    (
        "302*8",
        "302*8",
        """account/login/code/confirm/ account/2fa/authenticate/ account/confirm-email/
        account/2fa/webauthn/login/ account/3rdparty/signup/""",
    ),
    ("302 200*7", "302*8", "account/logout/"),
    (
        "200*8",
        "405*8",
        """account/inactive/ account/password/reset/done/
        account/password/reset/key/done/""",
    ),
    (
        "200*8",
        "200*8",
        r"""account/password/reset/ health/live health/ready
        account/^password/reset/key/(?P<uidb36>[0-9A-Za-z]+)-(?P<key>.+)/$""",
    ),
    ("404*8", "405*8", "account/invitation/<str:token>/"),
    ("404*8", "404*8", "account/unsubscribe/<str:token>/"),
    (
        "404*8",
        "404*8",
        """account/invitation/
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
    # --- The reader's own account
    ("in 200*7", "in 200*7", "account/2fa/webauthn/add/ account/3rdparty/"),
    ("in 200*7", "in 405*7", "account/2fa/webauthn/"),
    ("in 200*7", "in 302*7", "account/security/"),
    ("in 200*7", "in 200*7", "account/profile/"),
    ("in 200*7", "in 200*4 302*3", "account/notifications/"),
    ("in 405*7", "in 302*7", "account/security/misuse/"),
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
    # --- The admin itself. Its ways to sign in lead to allauth's.
    ("in*5 200*3", "in*5 200*3", "admin/ admin/apps"),
    ("in*5 302*3", "in*5 302*3", "admin/password_change/ admin/password_change/done/"),
    ("in 403*4 302*3", "in 403*4 302*3", "admin/login/"),
    ("302*5 200*3", "302*8", "admin/logout/"),
    ("in*5 200*3", "in*5 405*3", "admin/jsi18n/"),
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

# The models in the admin, and the roles that may view, add, change and delete their rows.
ROWS: dict[str, tuple[str, str, str, str]] = {
    "provisioning/entitlement": ("sales ops root", "sales root", "", ""),
    "provisioning/product": ("sales ops root", "root", "root", "root"),
    "provisioning/registry": ("ops root", "root", "root", "root"),
    "provisioning/repository": ("sales ops root", "root", "root", "root"),
    "accounts/customer": ("sales ops root", "sales root", "sales root", "root"),
    "accounts/user": ("root", "root", "root", "root"),
    "accounts/auditevent": ("ops root", "", "", ""),
    "accounts/email": ("ops root", "", "", ""),
    "account/emailaddress": ("root", "", "", "root"),
    "auth/group": ("root", "root", "root", "root"),
    "mfa/authenticator": ("root", "", "", "root"),
}
# Where an empty form succeeds: nothing protects the row, or all its fields are read-only while
# the row is in use.
SUCCEEDS = {
    "accounts/user change",
    "auth/group delete",
    "mfa/authenticator delete",
    "provisioning/repository change",
}


# The routes that need a recent sign-in, for GET and POST, besides every POST of staff under
# admin/ and ops/.
RECENT = {
    "credentials/<int:pk>/reveal/",
    "credentials/<int:pk>/rotate/",
    "keys/<int:pk>/switch/",
    "keys/<int:pk>/end/",
    "customers/<int:pk>/invite/",
    "customers/<int:pk>/sign-in-rules/",
    "customers/<int:pk>/source-addresses/",
    "customers/<int:pk>/labels/",
    "customers/<int:pk>/leave/",
    "members/<int:pk>/",
    "invitations/<int:pk>/",
    "account/2fa/recovery-codes/",
    "account/2fa/recovery-codes/download/",
    "account/2fa/recovery-codes/generate/",
    "account/2fa/totp/activate/",
    "account/2fa/totp/deactivate/",
    "account/2fa/webauthn/add/",
    "account/2fa/webauthn/keys/<int:pk>/edit/",
    "account/2fa/webauthn/keys/<int:pk>/remove/",
    "account/3rdparty/",
    "account/email/",
    "account/password/change/",
    "account/password/set/",
    "account/oidc/^(?P<provider_id>[^/]+)/login/",
}


def answers(pattern: str) -> list[str]:
    """``"in*5 200*3"`` written out, one answer for each role."""
    words = (word.partition("*") for word in pattern.split())
    written = [answer for answer, _, times in words for _ in range(int(times or 1))]
    assert len(written) == len(ROLES), pattern
    return written


def staff(allowed: str, answer: str = "200") -> list[str]:
    return ["in"] * 5 + [answer if role in allowed.split() else "403" for role in ROLES[5:]]


def submitted(model: str, action: str) -> str:
    return "302" if f"{model} {action}" in SUCCEEDS else "200"


def table() -> dict[str, tuple[list[str], list[str]]]:
    """Route → what GET and POST answer to the roles."""
    matrix = {
        "" if route == "<home>" else route: (answers(get), answers(post))
        for get, post, group in ANSWERS
        for route in group.split()
    }
    for model, (view, add, change, delete) in ROWS.items():
        of_model = f"admin/{model}/"
        of_row = f"{of_model}<path:object_id>/"
        matrix |= {
            of_model: (staff(view), staff(view)),
            f"{of_model}add/": (staff(add), staff(add)),
            of_row: (answers("in*5 302*3"), answers("in*5 302*3")),
            f"{of_row}history/": (staff(view), staff(view)),
            f"{of_row}change/": (staff(view), staff(change, submitted(model, "change"))),
            f"{of_row}delete/": (staff(delete), staff(delete, submitted(model, "delete"))),
        }
    return matrix
