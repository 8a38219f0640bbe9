"""Sales at work in the admin: they look, decide and prepare; they see no secret."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from bs4 import BeautifulSoup
from django.contrib.auth.models import Permission
from django.core.cache import cache
from django.test import Client
from django.utils import timezone

from accounts.models import AuditEvent, Customer, User
from provisioning.admin import DECIDE_AT_ONCE, decision_url
from provisioning.demo.cast import Cast
from provisioning.flows import By
from provisioning.flows.decide import approve
from provisioning.flows.request import request
from provisioning.models import Entitlement, Grant, OneTimeSecret, PullUser
from tests.portal.pages.everywhere import database
from tests.portal.pages.reading import as_user, words
from tests.provisioned import SECRET, approved, provision

LIST = "/admin/provisioning/entitlement/"


@pytest.fixture(autouse=True)
def _no_rate_limit_from_the_test_before() -> Iterator[None]:
    cache.clear()
    yield
    cache.clear()


@pytest.fixture
def birchs(cast: Cast) -> Entitlement:
    return request(cast.birch, cast.server, by=By(cast.alice), reference="PO-7")


@pytest.fixture
def cedars(cast: Cast) -> Entitlement:
    return request(cast.cedar, cast.server, by=By(cast.charlie))


@pytest.fixture
def sandra(cast: Cast) -> Client:
    return as_user(cast.sandra)


def choose(client: Client, decision: str, *rows: Entitlement) -> Any:
    """Choose rows in the list and an action for them."""
    fields = {"action": f"{decision}_selected", "_selected_action": [row.pk for row in rows]}
    return client.post(LIST, fields, follow=True)


def decide(client: Client, decision: str, *rows: Entitlement, **fields: str) -> Any:
    address = decision_url(decision, [row.pk for row in rows])
    return client.post(address, {"note": "", **fields}, follow=True)


def states() -> dict[str, str]:
    return dict(Entitlement.objects.values_list("customer__slug", "state"))


# --- Deciding ----------------------------------------------------------------------


def test_list_shows_who_waits_for_what_and_how_long(
    cast: Cast, sandra: Client, birchs: Entitlement
) -> None:
    Entitlement.objects.update(requested_at=timezone.now() - timedelta(days=3, hours=1))
    shown = words(sandra.get(LIST))
    assert "Birch Bank Acme Server Requested PO-7 3 days" in shown
    assert "Birch Bank" in words(sandra.get(f"{LIST}?q=PO-7"))
    assert "Birch Bank Acme Server" not in words(sandra.get(f"{LIST}?q=PO-8"))


def test_request_is_approved_from_its_own_page(sandra: Client, birchs: Entitlement) -> None:
    page = sandra.get(f"{LIST}{birchs.pk}/change/")
    address = decision_url("approve", [birchs.pk])
    assert f'href="{address}"' in page.content.decode()
    form = sandra.get(address)
    assert "Birch Bank: Acme Server, reference PO-7" in words(form)
    assert "acme/agent, acme/server" in words(form)
    shown = sandra.post(address, {"note": "Welcome"}, follow=True)
    assert "1 approved." in words(shown)
    birchs.refresh_from_db()
    assert (birchs.state, birchs.decision_note, birchs.ends_at) == ("approved", "Welcome", None)
    assert Grant.objects.count() == 2


def test_many_are_chosen_and_approved_at_once(
    sandra: Client, birchs: Entitlement, cedars: Entitlement
) -> None:
    form = choose(sandra, "approve", birchs, cedars)
    assert "Birch Bank" in words(form)
    assert "Cedar Clinic" in words(form)
    assert 'value="Approve 2"' in form.content.decode()
    assert set(states().values()) == {"requested"}
    shown = decide(sandra, "approve", birchs, cedars)
    assert "2 approved." in words(shown)
    assert set(states().values()) == {"approved"}
    assert PullUser.objects.count() == 2
    assert AuditEvent.objects.filter(deed="approved").count() == 2


def test_dates_are_whole_days_and_the_last_one_is_inclusive(
    sandra: Client, birchs: Entitlement
) -> None:
    today = timezone.localdate()
    first, last = today + timedelta(days=10), today + timedelta(days=20)
    decide(sandra, "approve", birchs, first_day=str(first), last_day=str(last))
    birchs.refresh_from_db()
    midnight = datetime.min.time()
    assert birchs.starts_at == datetime.combine(first, midnight, UTC)
    assert birchs.ends_at == datetime.combine(last, midnight, UTC) + timedelta(days=1)
    assert not Grant.objects.exists()


def test_access_may_end_today_and_begins_at_once_if_its_first_day_has_come(
    sandra: Client, birchs: Entitlement
) -> None:
    today = timezone.localdate()
    before = timezone.now()
    decide(sandra, "approve", birchs, first_day=str(today), last_day=str(today))
    birchs.refresh_from_db()
    assert birchs.state == "approved"
    assert birchs.starts_at is not None
    assert before <= birchs.starts_at <= timezone.now()
    assert Grant.objects.count() == 2


@pytest.mark.parametrize(
    ("days", "said"),
    [
        ({"last_day": -1}, "The end must lie after the start and in the future."),
        ({"first_day": 5, "last_day": 4}, "The end must lie after the start and in the future."),
        ({"last_day": "soon"}, "Enter a valid date."),
        ({"first_day": "31/02/2027"}, "Enter a valid date."),
    ],
)
def test_dates_that_cannot_be_change_nothing_and_are_said(
    sandra: Client, birchs: Entitlement, days: dict[str, int | str], said: str
) -> None:
    today = timezone.localdate()
    fields = {
        name: str(today + timedelta(days=day)) if isinstance(day, int) else day
        for name, day in days.items()
    }
    before = database()
    assert said in words(decide(sandra, "approve", birchs, **fields))
    assert database() == before


def test_rejection_tells_the_customer_why(cast: Cast, sandra: Client, birchs: Entitlement) -> None:
    assert "Nothing is opened." in words(choose(sandra, "reject", birchs))
    shown = decide(sandra, "reject", birchs, note="Please renew the contract first.")
    assert "1 rejected." in words(shown)
    assert states() == {"birch-bank": "rejected"}
    page = as_user(cast.alice).get(f"/access/{birchs.pk}/")
    assert "Please renew the contract first." in words(page)


@pytest.mark.parametrize("note", ["", "   "])
def test_rejection_without_a_note_changes_nothing_and_says_so(
    sandra: Client, birchs: Entitlement, note: str
) -> None:
    shown = decide(sandra, "reject", birchs, note=note)
    assert "This field is required." in words(shown)
    assert states() == {"birch-bank": "requested"}


def test_withdrawal_needs_a_reason_and_takes_the_grants(cast: Cast, sandra: Client) -> None:
    entitlement = approved(cast)
    assert "This field is required." in words(decide(sandra, "withdraw", entitlement, reason=""))
    assert states() == {"birch-bank": "approved"}
    shown = decide(sandra, "withdraw", entitlement, reason="Contract ended")
    assert "1 withdrawn." in words(shown)
    assert states() == {"birch-bank": "withdrawn"}
    assert not Grant.objects.filter(wanted="present").exists()


def test_decided_row_is_refused_in_words_and_the_others_go_through(
    cast: Cast, sandra: Client, birchs: Entitlement, cedars: Entitlement
) -> None:
    approve(birchs, by=By(cast.sandra), note="First")
    shown = decide(sandra, "approve", birchs, cedars, note="Second")
    assert "Acme Server for Birch Bank is approved; it cannot become approved." in words(shown)
    assert "1 approved." in words(shown)
    assert states() == {"birch-bank": "approved", "cedar-clinic": "approved"}
    birchs.refresh_from_db()
    assert birchs.decision_note == "First"


@pytest.mark.parametrize("decision", ["approve", "reject", "withdraw"])
def test_what_is_over_is_not_decided_again(
    sandra: Client, birchs: Entitlement, decision: str
) -> None:
    decide(sandra, "approve", birchs)
    decide(sandra, "withdraw", birchs, reason="Contract ended")
    before = database()
    shown = decide(sandra, decision, birchs, note="Again", reason="Again")
    assert "Acme Server for Birch Bank is withdrawn; it cannot become" in words(shown)
    assert database() == before


def test_product_that_opens_nothing_is_refused_in_words(
    cast: Cast, sandra: Client, birchs: Entitlement
) -> None:
    cast.server.repositories.clear()
    assert "opens no repository yet" in words(decide(sandra, "approve", birchs))
    assert states() == {"birch-bank": "requested"}


def test_too_many_at_once_are_refused(cast: Cast, sandra: Client) -> None:
    for number in range(DECIDE_AT_ONCE + 1):
        customer = Customer.objects.create(name=f"C {number}", slug=f"c-{number}")
        customer.entitlements.create(product=cast.server, requested_by=cast.sandra)
    first = Entitlement.objects.values_list("pk", flat=True)[0]
    fields = {"action": "approve_selected", "select_across": "1", "_selected_action": [first]}
    assert f"Choose {DECIDE_AT_ONCE} at the most." in words(sandra.post(LIST, fields, follow=True))
    Entitlement.objects.filter(pk=first).delete()
    fields["_selected_action"] = [Entitlement.objects.values_list("pk", flat=True)[0]]
    form = sandra.post(LIST, fields, follow=True).content.decode()
    assert f'value="Approve {DECIDE_AT_ONCE}"' in form


@pytest.mark.parametrize("query", ["", "?pk=999", "?pk=x", "?pk=1%27"])
def test_decision_on_nothing_says_so(sandra: Client, cast: Cast, query: str) -> None:
    address = decision_url("approve", []).partition("?")[0] + query
    assert "Nothing was chosen." in words(sandra.get(address))
    before = database()
    assert sandra.post(address, {"note": ""}).status_code == 302
    assert database() == before


def test_unknown_decision_is_not_found(sandra: Client) -> None:
    assert sandra.get(f"{LIST}decide/destroy/").status_code == 404


# --- Who may -----------------------------------------------------------------------


def test_ops_look_but_cannot_decide(cast: Cast, birchs: Entitlement) -> None:
    otto = as_user(cast.otto)
    page = words(otto.get(LIST))
    assert "Birch Bank" in page
    assert "Approve…" not in page
    choose(otto, "approve", birchs)
    for decision in ("approve", "reject", "withdraw"):
        address = decision_url(decision, [birchs.pk])
        assert otto.get(address).status_code == 403
        assert otto.post(address, {"note": "x", "reason": "x"}).status_code == 403
    assert states() == {"birch-bank": "requested"}


def test_customers_and_strangers_do_not_get_in(cast: Cast, birchs: Entitlement) -> None:
    address = decision_url("approve", [birchs.pk])
    assert Client().post(address, {"note": ""})["Location"].startswith("/admin/login/")
    for page in (LIST, address):
        refused = as_user(cast.alice).post(page, {"note": ""}, follow=True)
        assert refused.status_code == 403
    assert states() == {"birch-bank": "requested"}


def test_sales_can_neither_change_nor_delete_what_stands(
    sandra: Client, birchs: Entitlement
) -> None:
    page = f"{LIST}{birchs.pk}"
    before = database()
    assert sandra.post(f"{page}/change/", {"state": "approved"}).status_code == 403
    assert sandra.post(f"{page}/delete/", {"post": "yes"}).status_code == 403
    fields = {"action": "delete_selected", "_selected_action": [birchs.pk], "post": "yes"}
    sandra.post(LIST, fields)
    assert database() == before


def test_not_even_a_superuser_changes_or_deletes_what_stands(birchs: Entitlement) -> None:
    root = User.objects.create_superuser("root@acme.example", "x")
    client = as_user(root)
    page = f"{LIST}{birchs.pk}"
    assert client.post(f"{page}/change/", {"state": "approved"}).status_code == 403
    assert client.post(f"{page}/delete/", {"post": "yes"}).status_code == 403
    assert states() == {"birch-bank": "requested"}


def test_sales_make_no_members(cast: Cast, sandra: Client) -> None:
    page = f"/admin/accounts/customer/{cast.birch.pk}/change/"
    assert 'name="memberships-0-role"' not in sandra.get(page).content.decode()
    fields = {
        "name": "Birch Bank",
        "memberships-TOTAL_FORMS": "1",
        "memberships-INITIAL_FORMS": "0",
        "memberships-0-user": str(cast.sandra.pk),
        "memberships-0-customer": str(cast.birch.pk),
        "memberships-0-role": "owner",
    }
    sandra.post(page, fields)
    assert not cast.sandra.memberships.exists()
    assert sandra.get("/admin/accounts/user/").status_code == 403


# --- Preparing and stocking --------------------------------------------------------


def test_request_that_sales_prepare_waits_like_any_other(cast: Cast, sandra: Client) -> None:
    page = sandra.get(f"{LIST}add/")
    assert 'name="state"' not in page.content.decode()
    fields = {"customer": cast.cedar.pk, "product": cast.reports.pk, "reference": "Q-1"}
    sandra.post(f"{LIST}add/", fields | {"state": "approved"})
    entitlement = Entitlement.objects.get()
    assert (entitlement.state, entitlement.reference) == ("requested", "Q-1")
    assert entitlement.requested_by == cast.sandra
    assert AuditEvent.objects.get().deed == "requested"
    assert not PullUser.objects.exists()


def test_prepared_request_for_what_the_customer_has_is_refused_in_words(
    cast: Cast, sandra: Client, birchs: Entitlement
) -> None:
    fields = {"customer": cast.birch.pk, "product": cast.server.pk}
    shown = sandra.post(f"{LIST}add/", fields, follow=True)
    assert "Birch Bank has already requested Acme Server, or has it." in words(shown)
    assert Entitlement.objects.count() == 1


def test_changed_product_has_its_live_entitlements_looked_at(
    cast: Cast, birchs: Entitlement, cedars: Entitlement
) -> None:
    approve(birchs, by=By(cast.sandra))
    root = User.objects.create_superuser("root@acme.example", "x")
    fields = {
        "name": "Acme Server",
        "slug": "server",
        "description": "",
        "repositories": [str(pk) for pk in cast.reports.repositories.values_list("pk", flat=True)],
        "is_listed": "on",
    }
    page = f"/admin/provisioning/product/{cast.server.pk}/change/"
    assert as_user(root).post(page, fields).status_code == 302
    birchs.refresh_from_db()
    cedars.refresh_from_db()
    assert birchs.due_at is not None
    assert birchs.due_at <= timezone.now()
    assert cedars.due_at is None


# --- Secrets -----------------------------------------------------------------------


def test_no_page_of_the_admin_shows_or_offers_a_secret(cast: Cast) -> None:
    approved(cast)
    provision(cast.birch)
    root = User.objects.create_superuser("root@acme.example", "x")
    root.user_permissions.set(Permission.objects.all())
    sealed = OneTimeSecret.objects.get().sealed
    assert sealed is not None
    for user in (root, cast.sandra, cast.otto):
        for page in pages_of_the_admin(as_user(user)):
            assert SECRET not in page
            assert str(bytes(sealed)) not in page
            assert "onetimesecret" not in page
            assert "accesskey" not in page
            assert "/credentials/" not in page


def pages_of_the_admin(client: Client) -> Iterator[str]:
    """The front page, each list, and the page of each list's first row."""
    front = client.get("/admin/").content.decode()
    yield front
    for link in BeautifulSoup(front, "html.parser").select('th[scope="row"] a'):
        shown = client.get(str(link["href"])).content.decode()
        yield shown
        row = BeautifulSoup(shown, "html.parser").select_one("#result_list th a")
        if row is not None:
            yield client.get(str(row["href"]), follow=True).content.decode()
