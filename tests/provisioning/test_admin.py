"""The admin: who may do what in it, what sales prepare, and no secret anywhere."""

from collections.abc import Iterator

from bs4 import BeautifulSoup
from django.contrib.auth.models import Permission
from django.test import Client
from django.utils import timezone

from accounts.models import AuditEvent, User
from provisioning.admin import decision_url
from provisioning.demo.cast import Cast
from provisioning.flows import By
from provisioning.flows.decide import approve
from provisioning.models import Entitlement, OneTimeSecret, PullUser
from tests.portal.pages.everywhere import database
from tests.portal.pages.reading import as_user, words
from tests.provisioned import SECRET, approved, provision
from tests.provisioning.sales import LIST, choose, states

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
