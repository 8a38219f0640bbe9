"""Pages answer whatever they are sent, without an error of the server."""

import os
from typing import Any
from urllib.parse import urlencode

import pytest
from django.core.cache import cache
from django.db import transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn

from accounts.audit.timeline import TimelineForm
from portal.pages.customer.request import RequestForm
from portal.pages.ops.keys import ReissueForm
from provisioning.admin.decisions import ApproveForm, ExtendForm, RejectForm
from provisioning.demo.seed import Cast
from tests.portal.site import Site, build_site, routes

EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "50"))
TIMELINE = {*TimelineForm.base_fields, "page"}
DECIDE = "admin/provisioning/entitlement/decide/<slug:decision>/"

# The portal's own pages → the role that visits them, and the names of their fields and parameters.
CHOICES = {"repository", "version", "where", "tool", "credential", "namespace"}
PAGES: dict[str, tuple[str, set[str]]] = {
    "": ("owner", set()),
    "customers/<int:customer_pk>/request/<int:product_pk>/": ("owner", {*RequestForm.base_fields}),
    "access/<int:pk>/": ("owner", CHOICES),
    "access/<int:pk>/files/<str:name>": ("owner", CHOICES),
    "access/<int:pk>/images/": ("owner", {"page", "q", "repository"}),
    "access/<int:pk>/credentials/": ("owner", set()),
    "access/<int:pk>/activity/": ("owner", {"page"}),
    "access/<int:pk>/repositories/<int:repository_pk>/": ("owner", set()),
    "access/<int:pk>/diagnosis/": ("owner", {"error_text"}),
    "credentials/<int:pk>/reveal/": ("owner", {"from"}),
    "customers/<int:pk>/": ("owner", {"page"}),
    "customers/<int:pk>/invite/": ("owner", {"email", "role"}),
    "customers/<int:pk>/labels/": ("owner", {"name", "remove"}),
    "customers/<int:pk>/leave/": ("owner", set()),
    "customers/<int:pk>/source-addresses/": ("owner", {"networks"}),
    "customers/<int:pk>/sign-in-rules/": ("owner", {"second_factor", "single_sign_on"}),
    "customers/<int:pk>/letters/": ("owner", set()),
    "customers/<int:pk>/notifications/": ("owner", {"products", "credentials"}),
    "members/<int:pk>/": ("owner", {"role", "remove"}),
    "invitations/<int:pk>/": ("owner", {"action"}),
    "credentials/<int:pk>/rotate/": ("owner", {"overlap", "key_to_delete", "from"}),
    "keys/<int:pk>/switch/": ("owner", {"from"}),
    "keys/<int:pk>/end/": ("owner", {"from"}),
    "ops/": ("ops", {"page"}),
    "ops/drift/": ("ops", {"page", "all"}),
    "ops/drift/<int:pk>/": ("ops", {"choice", "seen", "reason"}),
    "ops/capacity/": ("ops", {"page"}),
    "ops/emails/": ("ops", set()),
    "ops/emails/<slug:slug>/": ("ops", {"text"}),
    "ops/hold/": ("ops", {"action", "kind", "drift", "choice", "reason"}),
    "ops/keys/<int:pk>/switch/": ("ops", {"reason"}),
    "ops/registries/<int:pk>/retry/": ("ops", set()),
    "ops/repositories/<int:pk>/who-can-pull/": ("ops", set()),
    "access/<int:pk>/trouble/": ("owner", set()),
    "ops/findings/": ("ops", {"page", "all"}),
    "ops/findings/<int:pk>/": ("ops", set()),
    "ops/repositories/<int:pk>/pullers/": ("ops", set()),
    "ops/audit/": ("ops", TIMELINE),
    "ops/audit.csv": ("ops", TIMELINE),
    "ops/pull-users/<int:pk>/reissue/": ("ops", {*ReissueForm.base_fields, "key_to_delete"}),
    "ops/pull-users/<int:pk>/retry/": ("ops", set()),
    "ops/repositories/<int:pk>/retry/": ("ops", set()),
    DECIDE: (
        "sales",
        {"pk", *ApproveForm.base_fields, *RejectForm.base_fields, *ExtendForm.base_fields},
    ),
    "admin/provisioning/entitlement/": ("sales", {"q", "p", "state__exact", "action", "_popup"}),
    "admin/accounts/auditevent/": ("ops", {"q", "customer__id__exact", "action"}),
    "account/security/": ("owner", {"session"}),
    "account/security/misuse/": ("viewer", set()),
    "account/login/": ("nobody", {"login", "password", "next"}),
    "account/reauthenticate/": ("owner", {"password", "next"}),
}

# Values that have broken forms before, here and elsewhere.
NASTY = [
    "",
    " ",
    "\x00",
    "0",
    "-1",
    "1",
    "²",
    "٣",
    "9" * 30,
    "9" * 5000,
    "1e400",
    "nan",
    "True",
    "0001-01-01",
    "9999-12-31",
    "2026-02-30",
    "x" * 5000,
    "'\"><script>",
    "%00%ff",
    "//evil.example",
    "\u202e\ufeff",
]
values = st.sampled_from(NASTY) | st.text(st.characters(exclude_categories=["Cs"]), max_size=40)


@st.composite
def fields(draw: DrawFn, names: set[str]) -> dict[str, list[str]]:
    known = st.sampled_from(sorted(names | {"csrfmiddlewaretoken", "unknown"}))
    return draw(st.dictionaries(known, st.lists(values, min_size=1, max_size=3), max_size=5))


def test_every_page_of_the_portal_is_covered() -> None:
    ours = {route for route in routes() if not route.startswith(("account/", "admin/", "health/"))}
    assert ours | {DECIDE} <= set(PAGES) <= set(routes())


@pytest.fixture
def site(cast: Cast) -> Site:
    return build_site(cast)


@pytest.mark.parametrize("route", PAGES)
def test_page_answers_any_input(site: Site, route: str) -> None:
    role, names = PAGES[route]
    client, address = site.sign_in(role), site.address(route)

    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(query=fields(names), form=fields(names), posted=st.booleans(), htmx=st.booleans())
    def ask(query: Any, form: Any, posted: bool, htmx: bool) -> None:  # noqa: FBT001 - drawn
        cache.clear()
        joined = "&" if "?" in address else "?"
        place = f"{address}{joined}{urlencode(query, doseq=True)}"
        headers = {"HX-Request": "true"} if htmx else {}
        with transaction.atomic():
            if posted:
                answer = client.post(place, form, headers=headers)
            else:
                answer = client.get(place, headers=headers)
            # A streamed file is only produced as it is read.
            answer.getvalue()
            transaction.set_rollback(True)
        assert answer.status_code < 500

    ask()


@pytest.mark.parametrize("number", ["0", "9" * 30, str(2**63), str(2**63 - 1)])
def test_ids_without_a_row_are_not_found(site: Site, number: str) -> None:
    clients = {role: site.sign_in(role) for role in ("owner", "ops")}
    for role, place in (
        ("owner", "access/{}/"),
        ("owner", "credentials/{}/reveal/"),
        ("owner", f"customers/{{}}/request/{site.cast.reports.pk}/"),
        ("owner", f"customers/{site.cast.birch.pk}/request/{{}}/"),
        ("ops", "ops/pull-users/{}/reissue/"),
        ("ops", "ops/pull-users/{}/retry/"),
        ("ops", "ops/repositories/{}/retry/"),
    ):
        method = clients[role].post if "retry" in place else clients[role].get
        assert method("/" + place.format(number)).status_code == 404, place
