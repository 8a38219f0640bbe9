"""Changes made in the admin are recorded in plain words."""

from typing import Any

import pytest
from allauth.account.models import EmailAddress
from django.contrib.auth.models import Group
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from pytest_django import Settings

from accounts.models import AuditEvent, Membership, User
from provisioning.demo.seed import Cast
from provisioning.models import Registry, Repository
from tests.entitlements import approved
from tests.portal.pages.pages import just_signed_in, words
from tests.provisioned import provision


@pytest.fixture
def root(cast: Cast) -> Client:
    return just_signed_in(User.objects.create_superuser("root@acme.example", "x"))


def line() -> AuditEvent:
    found = AuditEvent.objects.order_by("pk").last()
    assert found is not None
    return found


def fields_of(client: Client, page: str) -> dict[str, Any]:
    """What the page's form would send unchanged."""
    response = client.get(page)
    form = response.context["adminform"].form
    fields = {bound.html_name: bound.value() for bound in form}
    for inline in response.context["inline_admin_formsets"]:
        rows = [inline.formset.management_form, *inline.formset.forms]
        fields |= {bound.html_name: bound.value() for row in rows for bound in row}
    return {name: value for name, value in fields.items() if value not in (None, False)}


def save(client: Client, page: str, **changes: Any) -> None:
    answer = client.post(page, fields_of(client, page) | changes)
    assert answer.status_code == 302, words(answer)


def test_change_of_staff_flag_and_groups_is_recorded(cast: Cast, root: Client) -> None:
    page = f"/admin/accounts/user/{cast.alice.pk}/change/"
    ops = Group.objects.get(name="Ops")
    save(root, page, is_staff="on", groups=[ops.pk])
    assert (line().action, line().subject) == (
        "changed",
        "user Alice Ahlgren <alice@birch.example>",
    )
    assert line().changes == "Is staff: no → yes; Groups: none → Ops"
    assert line().actor_label == "root@acme.example"
    assert line().address == "127.0.0.1"


def test_change_of_a_products_repositories_is_recorded(cast: Cast, root: Client) -> None:
    more = cast.reports.repositories.get()
    page = f"/admin/provisioning/product/{cast.server.pk}/change/"
    save(root, page, repositories=[more.pk])
    assert line().subject == "product Acme Server"
    assert line().changes == "Repositories: acme/agent, acme/server → acme/reports"


def test_added_registry_and_repository_are_recorded(cast: Cast, root: Client) -> None:
    fields = {"name": "Dublin", "account_id": "210987654321", "region": "eu-west-1"}
    fields["boundary_arn"] = "arn:aws:iam::210987654321:policy/boundary"
    root.post("/admin/provisioning/registry/add/", fields)
    assert (line().action, line().subject) == ("added", "registry Dublin")
    assert "AWS account id: 210987654321" in line().changes
    dublin = Registry.objects.get(name="Dublin")
    root.post("/admin/provisioning/repository/add/", {"registry": dublin.pk, "name": "acme/x"})
    assert (line().subject, line().changes) == (
        "repository acme/x",
        "Registry: Dublin; Name: acme/x",
    )


def test_change_of_a_group_is_recorded(cast: Cast, root: Client) -> None:
    group = Group.objects.get(name="Ops")
    save(root, f"/admin/auth/group/{group.pk}/change/", permissions=[])
    assert line().subject == "group Ops"
    assert line().changes.endswith("→ none")


def test_nobodys_address_can_be_changed_or_planted_in_the_admin(cast: Cast, root: Client) -> None:
    """With an address at someone's account one signs in as them."""
    address = EmailAddress.objects.get(user=cast.alice)
    page = "/admin/account/emailaddress/"
    planted = {"user": cast.alice.pk, "email": "mallory@evil.example", "verified": "on"}
    assert root.get(f"{page}{address.pk}/change/").status_code == 200
    for action in (f"{address.pk}/change/", "add/"):
        assert root.post(f"{page}{action}", planted | {"post": "yes"}).status_code == 403
    assert EmailAddress.objects.get(user=cast.alice) == address


def test_rows_deleted_with_a_person_are_recorded(cast: Cast, root: Client) -> None:
    root.post(f"/admin/accounts/user/{cast.bob.pk}/delete/", {"post": "yes"})
    assert not User.objects.filter(pk=cast.bob.pk).exists()
    assert (line().action, line().subject) == ("deleted", "user Bob Berger <bob@birch.example>")
    assert "membership Bob Berger, Viewer at Birch Bank deleted" in line().changes


def test_saving_without_changes_leaves_no_line(cast: Cast, root: Client) -> None:
    save(root, f"/admin/provisioning/product/{cast.server.pk}/change/")
    assert not AuditEvent.objects.exists()


def test_rows_cannot_be_deleted_from_a_list(cast: Cast, root: Client) -> None:
    fields = {"action": "delete_selected", "_selected_action": [cast.bob.pk], "post": "yes"}
    root.post("/admin/accounts/user/", fields)
    assert User.objects.filter(pk=cast.bob.pk).exists()


# --- What can be changed, and what is written --------------------------------------


def test_admin_writes_only_the_changed_columns(cast: Cast, root: Client) -> None:
    registry = Registry.objects.create(name="Dublin", account_id="1" * 12, region="eu-west-1")
    row = Repository.objects.create(registry=registry, name="acme/old")
    page = f"/admin/provisioning/repository/{row.pk}/change/"

    written: list[str] = []

    def write_as_the_reconciler(execute: Any, sql: str, *rest: Any) -> Any:
        if sql.startswith('UPDATE "provisioning_repository"') and not written:
            written.append(sql)
            Repository.objects.filter(pk=row.pk).update(last_error="new", due_at=timezone.now())
        return execute(sql, *rest)

    with connection.execute_wrapper(write_as_the_reconciler):
        save(root, page, name="acme/new")
    row.refresh_from_db()
    assert (row.name, row.last_error) == ("acme/new", "new")
    assert row.due_at is not None


def test_names_used_in_aws_cannot_change_once_there_are_grants(cast: Cast, root: Client) -> None:
    approved(cast)
    provision(cast.birch)
    repository = Repository.objects.get(name="acme/server")
    registry_page = f"/admin/provisioning/registry/{cast.registry.pk}/change/"
    repository_page = f"/admin/provisioning/repository/{repository.pk}/change/"
    fields = {"name": "Main", "region": "us-east-1", "account_id": "2" * 12}
    root.post(registry_page, fields_of(root, registry_page) | fields)
    cast.registry.refresh_from_db()
    assert (cast.registry.name, cast.registry.region) == ("Main", "eu-central-1")
    assert cast.registry.account_id == "123456789012"
    root.post(repository_page, {"name": "acme/other"})
    repository.refresh_from_db()
    assert repository.name == "acme/server"
    unused = Repository.objects.get(name="acme/reports")
    save(root, f"/admin/provisioning/repository/{unused.pk}/change/", name="acme/reports-2")


@pytest.mark.parametrize("region", ["cn-north-1", "us-gov-west-1", "us-iso-east-1"])
def test_region_of_another_partition_is_refused(cast: Cast, root: Client, region: str) -> None:
    fields = {"name": "Other", "account_id": "2" * 12, "region": region}
    shown = root.post("/admin/provisioning/registry/add/", fields)
    assert "Choose a region like eu-central-1." in words(shown)
    assert Registry.objects.count() == 1


def test_aws_endpoint_is_refused_in_production(
    cast: Cast, root: Client, settings: Settings
) -> None:
    settings.EMBEDDED = False
    fields = {"name": "Other", "account_id": "2" * 12, "region": "eu-west-1"}
    shown = root.post(
        "/admin/provisioning/registry/add/", fields | {"endpoint_url": "https://aws.example.com"}
    )
    assert "it is for the demo, whose AWS is its own" in words(shown)
    assert Registry.objects.count() == 1


def test_page_of_a_customer_costs_the_same_for_many_members(cast: Cast, root: Client) -> None:
    page = f"/admin/accounts/customer/{cast.birch.pk}/change/"

    def cost() -> int:
        with CaptureQueriesContext(connection) as captured:
            assert root.get(page).status_code == 200
        return len(captured)

    cost()
    few = cost()
    for number in range(20):
        user = User.objects.create_user(f"{number}@birch.example", name=f"Person {number}")
        Membership.objects.create(user=user, customer=cast.birch, role="viewer")
    assert cost() == few
