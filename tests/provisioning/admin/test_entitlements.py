"""The admin: who may do what in it, what sales prepare, and that it never shows a secret."""

from collections.abc import Iterator

from bs4 import BeautifulSoup
from django.contrib.auth.models import Permission
from django.test import Client
from django.utils import timezone

from accounts.models import AuditEvent, User
from provisioning.admin.entitlements import decision_url
from provisioning.demo.seed import Cast
from provisioning.flows import Actor
from provisioning.flows.entitlements import approve
from provisioning.models import Entitlement, OneTimeSecret, PullUser
from tests.entitlements import approved
from tests.portal.pages.captured_state import database
from tests.portal.pages.pages import as_user, just_signed_in, words
from tests.provisioned import SECRET, provision
from tests.provisioning.admin.sales import LIST, choose, states

# --- Who may -----------------------------------------------------------------------


def test_ops_can_read_but_cannot_decide(cast: Cast, birch_request: Entitlement) -> None:
    otto = just_signed_in(cast.otto)
    page = words(otto.get(LIST))
    assert "Birch Bank" in page
    assert "Approve…" not in page
    choose(otto, "approve", birch_request)
    for decision in ("approve", "reject", "withdraw"):
        address = decision_url(decision, [birch_request.pk])
        assert otto.get(address).status_code == 403
        assert otto.post(address, {"note": "x", "reason": "x"}).status_code == 403
    assert states() == {"birch-bank": "requested"}


def test_customers_and_visitors_are_not_admitted(cast: Cast, birch_request: Entitlement) -> None:
    address = decision_url("approve", [birch_request.pk])
    assert Client().post(address, {"note": ""})["Location"].startswith("/admin/login/")
    for page in (LIST, address):
        refused = as_user(cast.alice).post(page, {"note": ""}, follow=True)
        assert refused.status_code == 403
    assert states() == {"birch-bank": "requested"}


def test_sales_can_neither_change_nor_delete_an_entitlement(
    sandra: Client, birch_request: Entitlement
) -> None:
    page = f"{LIST}{birch_request.pk}"
    before = database()
    assert sandra.post(f"{page}/change/", {"state": "approved"}).status_code == 403
    assert sandra.post(f"{page}/delete/", {"post": "yes"}).status_code == 403
    fields = {"action": "delete_selected", "_selected_action": [birch_request.pk], "post": "yes"}
    sandra.post(LIST, fields)
    assert database() == before


def test_not_even_a_superuser_can_change_or_delete_an_entitlement(
    birch_request: Entitlement,
) -> None:
    root = User.objects.create_superuser("root@acme.example", "x")
    client = just_signed_in(root)
    page = f"{LIST}{birch_request.pk}"
    assert client.post(f"{page}/change/", {"state": "approved"}).status_code == 403
    assert client.post(f"{page}/delete/", {"post": "yes"}).status_code == 403
    assert states() == {"birch-bank": "requested"}


def test_sales_cannot_add_members(cast: Cast, sandra: Client) -> None:
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


# --- Preparing requests, and the catalog -------------------------------------------


def test_request_that_sales_prepare_waits_like_any_other(cast: Cast, sandra: Client) -> None:
    page = sandra.get(f"{LIST}add/")
    assert 'name="state"' not in page.content.decode()
    fields = {"customer": cast.cedar.pk, "product": cast.reports.pk, "reference": "Q-1"}
    sandra.post(f"{LIST}add/", fields | {"state": "approved"})
    entitlement = Entitlement.objects.get()
    assert (entitlement.state, entitlement.reference) == ("requested", "Q-1")
    assert entitlement.requested_by == cast.sandra
    assert AuditEvent.objects.get().action == "requested"
    assert not PullUser.objects.exists()


def test_row_posted_as_a_new_one_is_refused_with_an_explanation(cast: Cast, sandra: Client) -> None:
    page = f"/admin/provisioning/entitlement/{approved(cast).pk}/change/"
    fields = {"customer": cast.birch.pk, "product": cast.server.pk, "_saveasnew": "1"}
    shown = sandra.post(page, fields, follow=True)
    assert "Birch Bank has already requested Acme Server, or has it." in words(shown)
    assert Entitlement.objects.count() == 1


def test_prepared_request_for_what_the_customer_has_is_refused_with_an_explanation(
    cast: Cast, sandra: Client, birch_request: Entitlement
) -> None:
    fields = {"customer": cast.birch.pk, "product": cast.server.pk}
    shown = sandra.post(f"{LIST}add/", fields, follow=True)
    assert "Birch Bank has already requested Acme Server, or has it." in words(shown)
    assert Entitlement.objects.count() == 1


def test_changed_product_makes_its_live_entitlements_due(
    cast: Cast, birch_request: Entitlement, cedar_request: Entitlement
) -> None:
    approve(birch_request, by=Actor(cast.sandra))
    root = User.objects.create_superuser("root@acme.example", "x")
    fields = {
        "name": "Acme Server",
        "slug": "server",
        "description": "",
        "repositories": [str(pk) for pk in cast.reports.repositories.values_list("pk", flat=True)],
        "is_listed": "on",
    }
    page = f"/admin/provisioning/product/{cast.server.pk}/change/"
    assert just_signed_in(root).post(page, fields).status_code == 302
    birch_request.refresh_from_db()
    cedar_request.refresh_from_db()
    assert birch_request.due_at is not None
    assert birch_request.due_at <= timezone.now()
    assert cedar_request.due_at is None


# --- Secrets -----------------------------------------------------------------------


def test_no_admin_page_shows_or_offers_a_secret(cast: Cast) -> None:
    approved(cast)
    provision(cast.birch)
    root = User.objects.create_superuser("root@acme.example", "x")
    root.user_permissions.set(Permission.objects.all())
    ciphertext = OneTimeSecret.objects.get().ciphertext
    assert ciphertext is not None
    for user in (root, cast.sandra, cast.otto):
        for page in admin_pages(just_signed_in(user)):
            assert SECRET not in page
            assert str(bytes(ciphertext)) not in page
            assert "onetimesecret" not in page
            assert "accesskey" not in page
            assert "/credentials/" not in page


def admin_pages(client: Client) -> Iterator[str]:
    """The index, each list, and the page of each list's first row."""
    index = client.get("/admin/").content.decode()
    yield index
    for link in BeautifulSoup(index, "html.parser").select('th[scope="row"] a'):
        shown = client.get(str(link["href"])).content.decode()
        yield shown
        row = BeautifulSoup(shown, "html.parser").select_one("#result_list th a")
        if row is not None:
            yield client.get(str(row["href"]), follow=True).content.decode()
