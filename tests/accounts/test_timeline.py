"""Ops read the audit log: filtered, and as a file that a spreadsheet may open."""

import csv
from datetime import UTC, datetime
from typing import Any

import pytest
from django.test import Client

from accounts.audit import Deed, record
from accounts.models import AuditEvent, User
from provisioning.demo.cast import Cast
from tests.portal.pages.reading import as_user, words
from tests.provisioned import approved


@pytest.fixture
def otto(cast: Cast) -> Client:
    return as_user(cast.otto)


@pytest.fixture
def lines(cast: Cast) -> None:
    entitlement = approved(cast)
    record(Deed.RETRIED, "repository acme/agent", by=cast.otto, address="192.0.2.7")
    record(Deed.REJECTED, "Acme Server", by=cast.sandra, customer=cast.cedar, reason="No.")
    assert entitlement.pk


@pytest.mark.usefixtures("lines")
@pytest.mark.parametrize(
    ("query", "deeds"),
    [
        ("", {"requested", "approved", "retried", "rejected"}),
        ("deed=retried", {"retried"}),
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
        ("deed=nonsense", set()),
    ],
)
def test_page_and_file_show_the_lines_of_the_filter(
    cast: Cast, otto: Client, query: str, deeds: set[str]
) -> None:
    entitlement = cast.birch.entitlements.get()
    query = query.format(cedar=cast.cedar.pk, entitlement=entitlement.pk)
    page = otto.get(f"/ops/audit/?{query}")
    assert {line.deed for line in page.context["page"]} == deeds
    told = {line["deed"] for line in saved(otto.get(f"/ops/audit.csv?{query}"))}
    assert told == {Deed(deed).label for deed in deeds}


def saved(response: Any) -> list[dict[str, str]]:
    text = b"".join(response.streaming_content).decode()
    return list(csv.DictReader(text.splitlines()))


@pytest.mark.usefixtures("lines")
def test_line_says_who_what_whose_why_and_from_where(otto: Client) -> None:
    page = words(otto.get("/ops/audit/"))
    assert "Sandra Silva <sandra@acme.example> rejected a request: Acme Server Reason: No." in page
    assert "192.0.2.7" in page
    line = next(line for line in saved(otto.get("/ops/audit.csv")) if line["customer"][0] == "C")
    assert line["who"] == "Sandra Silva <sandra@acme.example>"
    assert (line["customer"], line["reason"]) == ("Cedar Clinic", "No.")
    assert datetime.fromisoformat(line["at"]).tzinfo == UTC


@pytest.mark.parametrize(
    "cell", ["=1+1", "+1", "-1", "@SUM(A1)", "  =1", "\t=1", "\uff1d1", "=cmd|' /C calc'!A1"]
)
def test_file_holds_no_formula(cast: Cast, otto: Client, cell: str) -> None:
    cast.sandra.name = cell
    record(Deed.REJECTED, cell, by=cast.sandra, reason=cell)
    (line,) = saved(otto.get("/ops/audit.csv"))
    for column in ("who", "subject", "reason"):
        assert line[column].startswith("'")
    assert line["subject"] == f"'{cell}"


@pytest.mark.usefixtures("lines")
def test_file_is_sent_as_it_is_read(otto: Client) -> None:
    response: Any = otto.get("/ops/audit.csv")
    assert response.streaming
    assert response["Content-Disposition"] == 'attachment; filename="audit.csv"'


@pytest.mark.usefixtures("lines")
def test_admin_saves_the_chosen_lines_and_finds_by_customer(cast: Cast) -> None:
    root = as_user(User.objects.create_superuser("root@acme.example", "x"))
    page = "/admin/accounts/auditevent/"
    chosen = AuditEvent.objects.get(deed="rejected")
    fields = {"action": "export", "_selected_action": [chosen.pk]}
    (line,) = saved(root.post(page, fields))
    assert line["customer"] == "Cedar Clinic"
    assert "Cedar Clinic" in words(root.get(f"{page}?q=cedar&deed__exact=rejected"))


@pytest.mark.usefixtures("lines")
def test_pages_of_a_customer_and_of_an_entitlement_lead_to_their_lines(cast: Cast) -> None:
    otto, entitlement = as_user(cast.otto), cast.birch.entitlements.get()
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
        # Who may not read the log is not sent there.
        shown = as_user(cast.sandra).get(f"/admin/{page}/change/").content.decode()
        assert "auditevent" not in shown
