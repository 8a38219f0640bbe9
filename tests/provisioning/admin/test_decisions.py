"""Sales decide in the admin: one request or many, with dates and a note, each on its own."""

from datetime import UTC, datetime, timedelta

import pytest
from django.test import Client
from django.utils import timezone

from accounts.models import AuditEvent, Customer
from provisioning.admin.entitlements import DECIDE_AT_ONCE, decision_url
from provisioning.demo.seed import Cast
from provisioning.desired import hold
from provisioning.flows import Actor
from provisioning.flows.entitlements import approve
from provisioning.models import Entitlement, Grant, PullUser
from tests.entitlements import approved
from tests.portal.pages.captured_state import database
from tests.portal.pages.pages import as_user, words
from tests.provisioning.admin.sales import LIST, choose, decide, states


def test_list_shows_who_waits_for_what_and_for_how_long(
    cast: Cast, sandra: Client, birch_request: Entitlement
) -> None:
    Entitlement.objects.update(requested_at=timezone.now() - timedelta(days=3, hours=1))
    shown = words(sandra.get(LIST))
    assert "Birch Bank Acme Server Requested PO-7 3 days" in shown
    assert "Birch Bank" in words(sandra.get(f"{LIST}?q=PO-7"))
    assert "Birch Bank Acme Server" not in words(sandra.get(f"{LIST}?q=PO-8"))


def test_request_is_approved_from_its_own_page(sandra: Client, birch_request: Entitlement) -> None:
    page = sandra.get(f"{LIST}{birch_request.pk}/change/")
    address = decision_url("approve", [birch_request.pk])
    assert f'href="{address}"' in page.content.decode()
    form = sandra.get(address)
    assert "Birch Bank: Acme Server, reference PO-7" in words(form)
    assert "acme/agent, acme/server" in words(form)
    shown = sandra.post(address, {"note": "Welcome"}, follow=True)
    assert "1 approved." in words(shown)
    birch_request.refresh_from_db()
    assert (birch_request.state, birch_request.decision_note, birch_request.ends_at) == (
        "approved",
        "Welcome",
        None,
    )
    assert Grant.objects.count() == 2


def test_sales_learn_that_a_held_portal_gives_nothing_yet(
    sandra: Client, birch_request: Entitlement
) -> None:
    hold.begin("A backup was restored.")
    shown = decide(sandra, "approve", birch_request)
    assert "1 approved." in words(shown)
    assert "what it gives is given when the hold ends" in words(shown)


def test_many_are_selected_and_approved_at_once(
    sandra: Client, birch_request: Entitlement, cedar_request: Entitlement
) -> None:
    form = choose(sandra, "approve", birch_request, cedar_request)
    assert "Birch Bank" in words(form)
    assert "Cedar Clinic" in words(form)
    assert 'value="Approve (2)"' in form.content.decode()
    assert set(states().values()) == {"requested"}
    shown = decide(sandra, "approve", birch_request, cedar_request)
    assert "2 approved." in words(shown)
    assert set(states().values()) == {"approved"}
    assert PullUser.objects.count() == 2
    assert AuditEvent.objects.filter(action="approved").count() == 2


def test_dates_are_whole_days_and_the_last_one_is_inclusive(
    sandra: Client, birch_request: Entitlement
) -> None:
    today = timezone.localdate()
    first, last = today + timedelta(days=10), today + timedelta(days=20)
    decide(sandra, "approve", birch_request, first_day=str(first), last_day=str(last))
    birch_request.refresh_from_db()
    midnight = datetime.min.time()
    assert birch_request.starts_at == datetime.combine(first, midnight, UTC)
    assert birch_request.ends_at == datetime.combine(last, midnight, UTC) + timedelta(days=1)
    assert not Grant.objects.exists()


def test_access_may_end_today_and_starts_at_once_if_its_first_day_is_today(
    sandra: Client, birch_request: Entitlement
) -> None:
    today = timezone.localdate()
    before = timezone.now()
    decide(sandra, "approve", birch_request, first_day=str(today), last_day=str(today))
    birch_request.refresh_from_db()
    assert birch_request.state == "approved"
    assert birch_request.starts_at is not None
    assert before <= birch_request.starts_at <= timezone.now()
    assert Grant.objects.count() == 2


@pytest.mark.parametrize(
    ("days", "error"),
    [
        ({"last_day": -1}, "The end must be after the start and in the future."),
        ({"first_day": 5, "last_day": 4}, "The end must be after the start and in the future."),
        ({"last_day": "soon"}, "Enter a valid date."),
        ({"first_day": "31/02/2027"}, "Enter a valid date."),
    ],
)
def test_impossible_dates_change_nothing_and_show_an_error(
    sandra: Client, birch_request: Entitlement, days: dict[str, int | str], error: str
) -> None:
    today = timezone.localdate()
    fields = {
        name: str(today + timedelta(days=day)) if isinstance(day, int) else day
        for name, day in days.items()
    }
    before = database()
    assert error in words(decide(sandra, "approve", birch_request, **fields))
    assert database() == before


def test_rejection_tells_the_customer_why(
    cast: Cast, sandra: Client, birch_request: Entitlement
) -> None:
    assert "Nothing is opened." in words(choose(sandra, "reject", birch_request))
    shown = decide(sandra, "reject", birch_request, note="Please renew the contract first.")
    assert "1 rejected." in words(shown)
    assert states() == {"birch-bank": "rejected"}
    page = as_user(cast.alice).get(f"/access/{birch_request.pk}/")
    assert "Please renew the contract first." in words(page)


@pytest.mark.parametrize("note", ["", "   "])
def test_rejection_without_a_note_changes_nothing_and_shows_an_error(
    sandra: Client, birch_request: Entitlement, note: str
) -> None:
    shown = decide(sandra, "reject", birch_request, note=note)
    assert "This field is required." in words(shown)
    assert states() == {"birch-bank": "requested"}


def test_withdrawal_needs_a_reason_and_removes_the_grants(cast: Cast, sandra: Client) -> None:
    entitlement = approved(cast)
    assert "This field is required." in words(decide(sandra, "withdraw", entitlement, reason=""))
    assert states() == {"birch-bank": "approved"}
    shown = decide(sandra, "withdraw", entitlement, reason="Contract ended")
    assert "1 withdrawn." in words(shown)
    assert states() == {"birch-bank": "withdrawn"}
    assert not Grant.objects.filter(desired="present").exists()


def test_row_that_is_already_decided_is_refused_and_the_others_go_through(
    cast: Cast, sandra: Client, birch_request: Entitlement, cedar_request: Entitlement
) -> None:
    approve(birch_request, by=Actor(cast.sandra), note="First")
    shown = decide(sandra, "approve", birch_request, cedar_request, note="Second")
    assert "Acme Server for Birch Bank is approved; it cannot become approved." in words(shown)
    assert "1 approved." in words(shown)
    assert states() == {"birch-bank": "approved", "cedar-clinic": "approved"}
    birch_request.refresh_from_db()
    assert birch_request.decision_note == "First"


@pytest.mark.parametrize("decision", ["approve", "reject", "withdraw"])
def test_withdrawn_access_cannot_be_decided_again(
    sandra: Client, birch_request: Entitlement, decision: str
) -> None:
    decide(sandra, "approve", birch_request)
    decide(sandra, "withdraw", birch_request, reason="Contract ended")
    before = database()
    shown = decide(sandra, decision, birch_request, note="Again", reason="Again")
    assert "Acme Server for Birch Bank is withdrawn; it cannot become" in words(shown)
    assert database() == before


def test_product_without_repositories_is_refused_with_an_explanation(
    cast: Cast, sandra: Client, birch_request: Entitlement
) -> None:
    cast.server.repositories.clear()
    assert "has no repository yet" in words(decide(sandra, "approve", birch_request))
    assert states() == {"birch-bank": "requested"}


def test_too_many_at_once_are_refused(cast: Cast, sandra: Client) -> None:
    for number in range(DECIDE_AT_ONCE + 1):
        customer = Customer.objects.create(name=f"C {number}", slug=f"c-{number}")
        customer.entitlements.create(product=cast.server, requested_by=cast.sandra)
    first = Entitlement.objects.values_list("pk", flat=True)[0]
    fields = {"action": "approve_selected", "select_across": "1", "_selected_action": [first]}
    assert f"Choose at most {DECIDE_AT_ONCE}." in words(sandra.post(LIST, fields, follow=True))
    Entitlement.objects.filter(pk=first).delete()
    fields["_selected_action"] = [Entitlement.objects.values_list("pk", flat=True)[0]]
    form = sandra.post(LIST, fields, follow=True).content.decode()
    assert f'value="Approve ({DECIDE_AT_ONCE})"' in form


@pytest.mark.parametrize("query", ["", "?pk=999", "?pk=x", "?pk=1%27"])
def test_decision_about_nothing_shows_that_nothing_was_chosen(
    sandra: Client, cast: Cast, query: str
) -> None:
    address = decision_url("approve", []).partition("?")[0] + query
    assert "Nothing was chosen." in words(sandra.get(address))
    before = database()
    assert sandra.post(address, {"note": ""}).status_code == 302
    assert database() == before


def test_unknown_decision_is_not_found(sandra: Client) -> None:
    assert sandra.get(f"{LIST}decide/destroy/").status_code == 404


def test_access_is_suspended_resumed_and_extended(cast: Cast, sandra: Client) -> None:
    entitlement = approved(cast)
    page = sandra.get(f"{LIST}{entitlement.pk}/change/")
    for verb in ("Suspend", "Withdraw", "Change the term", "Suspend the customer"):
        assert f">{verb}</a>" in page.content.decode()
    assert ">Approve</a>" not in page.content.decode()
    assert "1 suspended." in words(decide(sandra, "suspend", entitlement, reason="Unpaid"))
    assert states() == {"birch-bank": "suspended"}
    assert "Resume" in words(sandra.get(f"{LIST}{entitlement.pk}/change/"))
    assert "1 resumed." in words(decide(sandra, "resume", entitlement, reason="Paid"))
    shown = decide(sandra, "extend", entitlement, reason="Renewed", last_day="2099-12-31")
    assert "1 changed." in words(shown)
    entitlement.refresh_from_db()
    assert (entitlement.state, entitlement.ends_at) == (
        "approved",
        datetime(2100, 1, 1, tzinfo=UTC),
    )
    assert "not suspended" in words(decide(sandra, "resume", entitlement, reason="Paid"))


def test_customer_is_suspended_as_a_whole(cast: Cast, sandra: Client) -> None:
    entitlement = approved(cast)
    decide(sandra, "suspend-customer", entitlement, reason="Unpaid")
    cast.birch.refresh_from_db()
    assert cast.birch.suspended_at is not None
    assert set(PullUser.objects.values_list("desired", flat=True)) == {"suspended"}
    page = words(sandra.get(f"{LIST}{entitlement.pk}/change/"))
    assert "Resume the customer" in page
    assert "Suspend the customer" not in page
    decide(sandra, "resume-customer", entitlement, reason="Paid")
    cast.birch.refresh_from_db()
    assert cast.birch.suspended_at is None
