"""Ops read the audit log on a page with filters, and as a CSV file."""

import csv
from datetime import UTC, datetime
from typing import Any

import pytest
from django.test import Client

from accounts.actor import Actor
from accounts.audit.log import Action, record
from accounts.models import AuditEvent, User
from provisioning.demo.seed import Cast
from tests.entitlements import approved
from tests.portal.pages.pages import just_signed_in, words


@pytest.fixture
def otto(cast: Cast) -> Client:
    return just_signed_in(cast.otto)


@pytest.fixture
def lines(cast: Cast) -> None:
    entitlement = approved(cast)
    record(Action.RETRIED, "repository acme/agent", by=Actor(cast.otto, "192.0.2.7"))
    record(
        Action.REJECTED,
        "Acme Server",
        by=Actor(cast.sandra),
        customer=cast.cedar,
        reason="No.",
    )
    assert entitlement.pk


@pytest.mark.usefixtures("lines")
@pytest.mark.parametrize(
    ("query", "actions"),
    [
        ("", {"requested", "approved", "retried", "rejected"}),
        ("action=retried", {"retried"}),
        ("q=sandra", {"approved", "rejected"}),
        ("q=sandra+cedar", {"rejected"}),
        ("q=acme/agent", {"retried"}),
        ("customer={cedar}", {"rejected"}),
        ("entitlement={entitlement}", {"requested", "approved"}),
        (
            "first_day=2026-01-01&last_day=2099-12-31",
            {"requested", "approved", "retried", "rejected"},
        ),
        ("first_day=2099-01-01", set()),
        ("last_day=1999-12-31", set()),
        ("action=nonsense", set()),
    ],
)
def test_page_and_file_show_the_filtered_lines(
    cast: Cast, otto: Client, query: str, actions: set[str]
) -> None:
    entitlement = cast.birch.entitlements.get()
    query = query.format(cedar=cast.cedar.pk, entitlement=entitlement.pk)
    page = otto.get(f"/ops/audit/?{query}")
    assert {line.action for line in page.context["page"]} == actions
    exported = {line["action"] for line in csv_lines(otto.get(f"/ops/audit.csv?{query}"))}
    assert exported == {Action(action).label for action in actions}


def csv_lines(response: Any) -> list[dict[str, str]]:
    text = b"".join(response.streaming_content).decode()
    return list(csv.DictReader(text.splitlines()))


@pytest.mark.usefixtures("lines")
def test_line_shows_actor_action_customer_reason_and_address(otto: Client) -> None:
    page = words(otto.get("/ops/audit/"))
    assert "Sandra Silva <sandra@acme.example> rejected a request: Acme Server Reason: No." in page
    assert "192.0.2.7" in page
    line = next(
        line for line in csv_lines(otto.get("/ops/audit.csv")) if line["customer"][0] == "C"
    )
    assert line["who"] == "Sandra Silva <sandra@acme.example>"
    assert (line["customer"], line["reason"]) == ("Cedar Clinic", "No.")
    assert datetime.fromisoformat(line["at"]).tzinfo == UTC


@pytest.mark.parametrize(
    "cell", ["=1+1", "+1", "-1", "@SUM(A1)", "  =1", "\t=1", "\uff1d1", "=cmd|' /C calc'!A1"]
)
def test_file_contains_no_formula(cast: Cast, otto: Client, cell: str) -> None:
    cast.sandra.name = cell
    record(Action.REJECTED, cell, by=Actor(cast.sandra), reason=cell)
    (line,) = csv_lines(otto.get("/ops/audit.csv"))
    for column in ("who", "subject", "reason"):
        assert line[column].startswith("'")
    assert line["subject"].replace("'", "") == cell.replace("'", "")


@pytest.mark.parametrize("separator", [";", "\t", "|", '; "'])
def test_file_contains_no_formula_where_another_separator_ends_a_cell(
    cast: Cast, otto: Client, separator: str
) -> None:
    record(Action.REJECTED, f"a{separator}=1+1", by=Actor(cast.sandra))
    (line,) = csv_lines(otto.get("/ops/audit.csv"))
    assert line["subject"] == f"a{separator}'=1+1"


@pytest.mark.usefixtures("lines")
def test_file_is_streamed(otto: Client) -> None:
    response: Any = otto.get("/ops/audit.csv")
    assert response.streaming
    assert response["Content-Disposition"] == 'attachment; filename="audit.csv"'


@pytest.mark.usefixtures("lines")
def test_admin_exports_the_selected_lines_and_searches_by_customer(cast: Cast) -> None:
    root = just_signed_in(User.objects.create_superuser("root@acme.example", "x"))
    page = "/admin/accounts/auditevent/"
    selected = AuditEvent.objects.get(action="rejected")
    fields = {"action": "export", "_selected_action": [selected.pk]}
    (line,) = csv_lines(root.post(page, fields))
    assert line["customer"] == "Cedar Clinic"
    assert "Cedar Clinic" in words(root.get(f"{page}?q=cedar&action__exact=rejected"))


@pytest.mark.usefixtures("lines")
def test_pages_of_a_customer_and_of_an_entitlement_link_to_their_lines(cast: Cast) -> None:
    otto, entitlement = just_signed_in(cast.otto), cast.birch.entitlements.get()
    for page, link in (
        (f"accounts/customer/{cast.birch.pk}", f"customer__id__exact={cast.birch.pk}"),
        (f"provisioning/entitlement/{entitlement.pk}", f"entitlement_id__exact={entitlement.pk}"),
    ):
        assert (
            f"/admin/accounts/auditevent/?{link}"
            in otto.get(f"/admin/{page}/change/").content.decode()
        )
        found = otto.get(f"/admin/accounts/auditevent/?{link}")
        assert found.status_code == 200
        assert "Cedar Clinic" not in words(found)
        # People who may not read the log see no link.
        shown = just_signed_in(cast.sandra).get(f"/admin/{page}/change/").content.decode()
        assert "auditevent" not in shown
