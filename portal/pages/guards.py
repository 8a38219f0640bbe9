"""Who may pass: ops, staff with a second factor, and people who signed in recently."""

import secrets
from collections.abc import Callable
from functools import wraps
from typing import Any
from urllib.parse import urlencode

from allauth.account.adapter import get_adapter
from django.conf import settings
from django.contrib import messages
from django.contrib.auth import logout
from django.contrib.auth.decorators import login_required, permission_required
from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse, HttpResponseBase, QueryDict
from django.shortcuts import redirect, render

from accounts import single_sign_on
from accounts.models import Customer, Invitation, Membership
from accounts.permissions import OPERATE, NotAllowed, require_unlocked
from accounts.recent_sign_in import (
    can_confirm,
    has_recent_sign_in,
    has_second_factor,
    used_second_factor,
)
from provisioning.models import AccessKey, Entitlement, PullUser

View = Callable[..., HttpResponseBase]

SAFE = ("GET", "HEAD", "OPTIONS")
STAFF_ONLY = ("/admin/", "/ops/")
# allauth's pages on which people change how they sign in, by their names.
WAYS_TO_SIGN_IN = {
    "account_change_password",
    "account_email",
    "account_set_password",
    "mfa_activate_totp",
    "mfa_add_webauthn",
    "mfa_deactivate_totp",
    "mfa_download_recovery_codes",
    "mfa_edit_webauthn",
    "mfa_generate_recovery_codes",
    "mfa_remove_webauthn",
    "mfa_view_recovery_codes",
    "openid_connect_login",
    "socialaccount_connections",
}
# Those of them on which a locked person sets a new password, or sees what there is.
OF_LOCKED = {"account_change_password", "account_set_password"}
SHOW_ONLY = {"account_email", "socialaccount_connections"}
# Those of them that open another way in. Connecting itself depends on the identity
# (single_sign_on.why_not_connected).
CONNECTIONS = "socialaccount_connections"
OTHER_WAYS_IN = {"account_email", CONNECTIONS}
# Those that close the ways in that there are, because later sign-ins must use what they add.
NEW_FACTORS = {"mfa_activate_totp", "mfa_add_webauthn"}
# The row that the address of a customer's page names, by how the address begins.
ROWS: dict[str, Any] = {
    "customers": Customer,
    "members": Membership,
    "invitations": Invitation,
    "access": Entitlement,
    "credentials": PullUser,
    "keys": AccessKey,
}
# Home leaves out what it must, and an organisation can always be left. Old addresses have no name.
WITHOUT_RULES = {"home", "leave", None}
# What a member of staff sent before they confirmed who they are.
INTERRUPTED = "interrupted"


def ops_only(view: View) -> View:
    """Let only ops pass."""

    @login_required
    @permission_required(OPERATE, raise_exception=True)
    @wraps(view)
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        return view(request, *args, **kwargs)

    return guarded


# --- Recent sign-in ------------------------------------------------------------------


def recent_login_required(view: View) -> View:
    """Let only people pass who have a recent sign-in.

    allauth's own decorator lets people through who have neither password nor second factor, and
    replays the POST that it interrupted: a secret would appear on its page. Here such people
    sign in again, and an interrupted POST starts over at the GET.
    """

    @login_required
    @wraps(view)
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        return _require_recent_sign_in(request) or view(request, *args, **kwargs)

    return guarded


def _require_recent_sign_in(request: HttpRequest) -> HttpResponse | None:
    if has_recent_sign_in(request):
        return None
    if request.method != "GET":
        return redirect(request.get_full_path())
    return _confirm(request)


def _confirm(request: HttpRequest, *, back_to: str = "") -> HttpResponse:
    """Lead to the page on which the person confirms who they are, and from there back here, or to
    another address."""
    address = back_to or request.get_full_path()
    if not can_confirm(request.user):
        logout(request)
        messages.info(request, "Sign in again to confirm that it is you.")
        return redirect_to_login(address)
    page = get_adapter().get_reauthentication_methods(request.user)[0]["url"]
    return redirect(f"{page}?{urlencode({'next': address})}")


class GuardMiddleware:
    """Guards by address, so that no view is forgotten: the pages of staff, allauth's pages on which
    people change how they sign in, and customers' pages where an organisation has rules."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_view(
        self, request: HttpRequest, view: View, args: Any, kwargs: Any
    ) -> HttpResponse | None:
        """After Django has checked the CSRF token."""
        user, match = request.user, request.resolver_match
        if request.path_info.startswith(STAFF_ONLY):
            works_there = user.is_staff or user.has_perm(OPERATE)
            return _guard_staff(request) if works_there else None
        if not user.is_authenticated or not match:
            return None
        if match.view_name in WAYS_TO_SIGN_IN:
            return _guard_own_account(request, match.view_name)
        return _guard_customer(request) if match.namespace == "customer" else None


# --- Customers -----------------------------------------------------------------------


def _guard_customer(request: HttpRequest) -> HttpResponse | None:
    """Members see the rows of an organisation if they have signed in as it requires. Its own pages
    lead to what is missing."""
    user: Any = request.user
    found = [(customer, _missing(request, customer)) for customer in user.organisations]
    missing = [(customer, ask) for customer, ask in found if ask]
    user.kept_out_of = frozenset(customer.pk for customer, _ in missing)
    return next((ask() for customer, ask in missing if _is_page_of(request, customer)), None)


def _missing(request: HttpRequest, customer: Customer) -> Callable[[], HttpResponse] | None:
    """What asks for the sign-in that the organisation requires; None where nothing is missing."""
    is_required = customer.requires_single_sign_on
    if is_required and not single_sign_on.used_own_identity(request, customer):
        return lambda: _ask_for_single_sign_on(request, customer)
    if customer.requires_second_factor and not used_second_factor(request):
        return lambda: _ask_for_second_factor(request, customer.name)
    return None


def _is_page_of(request: HttpRequest, customer: Customer) -> bool:
    match: Any = request.resolver_match
    if match.url_name in WITHOUT_RULES:
        return False
    pk = match.kwargs.get("customer_pk", match.kwargs.get("pk"))
    rows = ROWS[match.route.partition("/")[0]].objects.of_customers([customer.pk])
    return bool(rows.filter(pk=pk).exists())


def _guard_own_account(request: HttpRequest, page: str) -> HttpResponse | None:
    """A password that an organisation does not accept opens no other way in. While the account is
    locked, nobody changes how one signs in."""
    user: Any = request.user
    is_shown = page in SHOW_ONLY and request.method in SAFE
    if page in WAYS_TO_SIGN_IN - OF_LOCKED and not is_shown:
        try:
            require_unlocked(user, "change how you sign in")
        except NotAllowed as error:
            messages.error(request, str(error))
            return redirect("security")
    if page in _needing_identity(user):
        for strict in Customer.objects.for_user(user).filter(requires_single_sign_on=True):
            if not single_sign_on.used_own_identity(request, strict):
                return _ask_for_single_sign_on(request, strict)
    return _require_recent_sign_in(request)


def _needing_identity(user: Any) -> set[str]:
    """The pages on which a password that an organisation does not accept changes nothing. Who has
    no identity yet connects one."""
    if single_sign_on.has_identity(user):
        return OTHER_WAYS_IN | NEW_FACTORS
    return OTHER_WAYS_IN - {CONNECTIONS}


def _ask_for_single_sign_on(request: HttpRequest, customer: Customer) -> HttpResponse:
    email = single_sign_on.ask_owners(request, customer)
    if email:
        context = {"customer": customer, "email": email}
        return render(request, "identity_waits.html", context, status=403)
    if not single_sign_on.has_identity(request.user):
        messages.info(request, f"{customer} requires single sign-on. Connect it to your account.")
        return redirect(CONNECTIONS)
    logout(request)
    messages.info(request, f"{customer} requires single sign-on. Sign in by it.")
    return redirect_to_login(request.get_full_path())


def _ask_for_second_factor(request: HttpRequest, whose: str) -> HttpResponse:
    """To be used in this session, or to be set up first."""
    if has_second_factor(request.user):
        return _confirm(request)
    messages.info(
        request,
        f"{whose} requires a second factor. Set one up first: an authenticator app, a security "
        "key or a passkey.",
    )
    return redirect("mfa_index")


# --- Staff ---------------------------------------------------------------------------


def _guard_staff(request: HttpRequest) -> HttpResponse | None:
    """Staff have used their second factor in this session, and signed in recently for everything
    that changes something."""
    if settings.STAFF_SECOND_FACTOR and not used_second_factor(request):
        return _ask_for_second_factor(request, settings.SITE_NAME)
    if request.method in SAFE:
        return _go_on(request) if INTERRUPTED in request.GET else None
    if has_recent_sign_in(request, within=settings.STAFF_REAUTHENTICATION_TIMEOUT):
        return None
    token, address = secrets.token_urlsafe(8), request.get_full_path()
    fields = request.POST.urlencode()
    request.session[INTERRUPTED] = {"token": token, "address": address, "fields": fields}
    return _confirm(request, back_to=f"{request.path}?{urlencode({INTERRUPTED: token})}")


def _go_on(request: HttpRequest) -> HttpResponse:
    """After the confirmation: the form that was interrupted, to be looked at and sent again from
    where it was. Files that it had must be chosen again."""
    interrupted = request.session.pop(INTERRUPTED, {})
    is_this = interrupted.get("token") == request.GET[INTERRUPTED]
    limit = settings.STAFF_REAUTHENTICATION_TIMEOUT
    if not is_this or not has_recent_sign_in(request, within=limit):
        return redirect(request.path)
    fields = QueryDict(interrupted["fields"], mutable=True)
    fields.pop("csrfmiddlewaretoken", None)
    all_fields = list(fields.lists())
    # Without what Django's forms count their rows with.
    shown = [(name, values) for name, values in all_fields if not name.endswith("_FORMS")]
    context = {"fields": all_fields, "shown": shown, "address": interrupted["address"]}
    return render(request, "interrupted.html", context)
