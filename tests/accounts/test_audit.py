"""Every deed leaves one line, with the deed or not at all; and lines stay as they are."""

from collections.abc import Callable
from typing import Any

import pytest
from allauth.mfa.totp.internal.auth import TOTP, generate_totp_secret
from django.contrib.auth.models import Group
from django.db import IntegrityError, OperationalError, connection, transaction
from django.db.models import ProtectedError
from django.test import Client

from accounts import letters
from accounts.audit import AuditError, Deed, record
from accounts.models import AuditEvent, Invitation, Membership, User
from accounts.organisations import (
    Role,
    accept,
    change_role,
    invite,
    leave,
    remove,
    revoke,
    send_again,
)
from provisioning.demo.cast import Cast
from provisioning.flows import By
from provisioning.flows.choose import choose
from provisioning.flows.deactivate import activate, deactivate
from provisioning.flows.decide import approve, extend, reject, resume, suspend, withdraw
from provisioning.flows.label import add_label, remove_label
from provisioning.flows.reissue import reissue, rotate
from provisioning.flows.request import prepare, request
from provisioning.flows.retry import retry
from provisioning.flows.reveal import reveal
from provisioning.models import AccessKey, Entitlement, Finding, Label, PullUser
from tests.portal.pages.everywhere import database
from tests.portal.pages.reading import as_user
from tests.provisioned import approved, provision


@pytest.fixture
def line(cast: Cast) -> AuditEvent:
    return record(Deed.APPROVED, "Acme Server for Birch Bank", by=cast.sandra, customer=cast.birch)


# --- What a line says --------------------------------------------------------------


def test_line_names_the_person_as_she_was_then(cast: Cast, line: AuditEvent) -> None:
    cast.sandra.name, cast.sandra.email = "Sandra Svensson", "svensson@acme.example"
    cast.sandra.save()
    line.refresh_from_db()
    assert line.actor_label == "Sandra Silva <sandra@acme.example>"
    assert str(line) == (
        "Sandra Silva <sandra@acme.example> approved access: Acme Server for Birch Bank"
    )


def test_person_without_a_name_is_known_by_her_address(cast: Cast) -> None:
    nameless = User.objects.create_user("x@acme.example")
    assert record(Deed.RETRIED, "x", by=nameless).actor_label == "x@acme.example"


# --- Lines stay --------------------------------------------------------------------


def save(line: AuditEvent) -> None:
    line.subject = "something else"
    line.save()


def bulk_update(line: AuditEvent) -> None:
    line.subject = "something else"
    AuditEvent.objects.bulk_update([line], ["subject"])


def upsert(line: AuditEvent) -> None:
    other = AuditEvent(pk=line.pk, deed=line.deed, subject="something else")
    AuditEvent.objects.bulk_create(
        [other], update_conflicts=True, update_fields=["subject"], unique_fields=["pk"]
    )


def related(line: AuditEvent) -> Any:
    """The lines of the actor, as Django relates them."""
    assert line.actor is not None
    return line.actor.deeds


CHANGES: dict[str, Callable[[AuditEvent], object]] = {
    "save": save,
    "bulk update": bulk_update,
    "upsert": upsert,
    "delete": lambda line: line.delete(),
    "update all": lambda line: AuditEvent.objects.update(subject="something else"),
    "update some": lambda line: AuditEvent.objects.filter(pk=line.pk).update(reason="another"),
    "update or create": lambda line: AuditEvent.objects.update_or_create({}, subject=line.subject),
    "update by the base": lambda line: AuditEvent._base_manager.update(subject="something else"),
    "delete all": lambda line: AuditEvent.objects.all().delete(),
    "delete by the base": lambda line: AuditEvent._base_manager.all().delete(),
    "update the actor's": lambda line: related(line).update(subject="something else"),
    "delete the actor's": lambda line: related(line).all().delete(),
    "clear the actor's": lambda line: related(line).clear(),
    "give to another": lambda line: User.objects.get(name="Alice Ahlgren").deeds.add(line),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_line_is_neither_changed_nor_deleted(
    line: AuditEvent, change: Callable[[AuditEvent], object]
) -> None:
    before = database()
    with pytest.raises(AuditError):
        change(line)
    assert database() == before


def test_new_line_does_not_take_the_place_of_an_old_one(line: AuditEvent) -> None:
    before = database()
    usurper = AuditEvent(pk=line.pk, deed=line.deed, subject="something else")
    with pytest.raises(IntegrityError), transaction.atomic():
        usurper.save()
    assert database() == before


def test_who_did_something_is_not_deleted_and_neither_is_for_whom(
    cast: Cast, line: AuditEvent
) -> None:
    with pytest.raises(ProtectedError):
        cast.sandra.delete()
    with pytest.raises(ProtectedError):
        cast.birch.delete()


def test_admin_shows_lines_and_takes_no_change(line: AuditEvent) -> None:
    client = as_user(User.objects.create_superuser("root@acme.example", "x"))
    page = "/admin/accounts/auditevent/"
    assert "Acme Server for Birch Bank" in client.get(page).content.decode()
    before = database()
    assert client.get(f"{page}add/").status_code == 403
    assert client.post(f"{page}{line.pk}/change/", {"subject": "x"}).status_code == 403
    assert client.post(f"{page}{line.pk}/delete/", {"post": "yes"}).status_code == 403
    fields = {"action": "delete_selected", "_selected_action": [line.pk], "post": "yes"}
    client.post(page, fields)
    assert database() == before


# --- One line a deed, in its transaction -------------------------------------------


def requested(cast: Cast) -> Entitlement:
    return request(cast.birch, cast.server, by=By(cast.alice))


def provisioned(cast: Cast) -> PullUser:
    approved(cast)
    return provision(cast.birch)


def suspended(cast: Cast) -> Entitlement:
    entitlement = approved(cast)
    suspend(entitlement, by=By(cast.sandra), reason="Unpaid")
    return entitlement


def deactivated(cast: Cast) -> AccessKey:
    key = provisioned(cast).access_keys.get()
    deactivate(key, by=By(cast.alice))
    return key


def labelled(cast: Cast) -> Label:
    approved(cast)
    return add_label(cast.birch, "ci", by=By(cast.alice))


def found(cast: Cast) -> Finding:
    pull_user = provisioned(cast)
    return Finding.objects.create(
        kind=Finding.Kind.FOREIGN_POLICY, subject="x", row=pull_user.row_name, pull_user=pull_user
    )


def invited(cast: Cast) -> Invitation:
    return invite(cast.birch, cast.charlie.email, Role.VIEWER, by=By(cast.alice))


def bobs(cast: Cast) -> Membership:
    return Membership.objects.select_related("customer").get(user=cast.bob)


def root_with_bobs_factor(cast: Cast) -> tuple[Client, str]:
    client = as_user(User.objects.create_superuser("root@acme.example", "x"))
    factor = TOTP.activate(cast.bob, generate_totp_secret()).instance
    return client, f"/admin/mfa/authenticator/{factor.pk}/delete/"


def root() -> Client:
    return as_user(User.objects.create_superuser("root@acme.example", "x"))


def add_customer(cast: Cast, client: Client) -> None:
    fields = {"name": "Dale Dairy", "slug": "dale-dairy", **NO_MEMBERS}
    client.post("/admin/accounts/customer/add/", fields)


def rename_customer(cast: Cast, client: Client) -> None:
    page = f"/admin/accounts/customer/{cast.cedar.pk}/change/"
    client.post(page, {"name": "Cedar Clinics", **NO_MEMBERS})


def delete_group(cast: Cast, client: Client) -> None:
    page = f"/admin/auth/group/{Group.objects.get(name='Sales').pk}/delete/"
    client.post(page, {"post": "yes"})


NO_MEMBERS = {
    f"{rows}-{count}_FORMS": "0"
    for rows in ("memberships", "invitations")
    for count in ("TOTAL", "INITIAL")
}

# Deed → how the scene is set, and the deed itself, done with what the scene returned.
DEEDS: dict[Deed, tuple[Callable[[Cast], Any], Callable[[Cast, Any], object]]] = {
    Deed.REQUESTED: (lambda cast: None, lambda cast, _: requested(cast)),
    Deed.APPROVED: (requested, lambda cast, row: approve(row, by=By(cast.sandra))),
    Deed.REJECTED: (requested, lambda cast, row: reject(row, by=By(cast.sandra), note="No.")),
    Deed.WITHDREW: (approved, lambda cast, row: withdraw(row, by=By(cast.sandra), reason="End")),
    Deed.REVEALED: (provisioned, lambda cast, row: reveal(row, by=By(cast.alice))),
    Deed.REISSUED: (provisioned, lambda cast, row: reissue(row, by=By(cast.otto), reason="Lost")),
    Deed.EXTENDED: (
        approved,
        lambda cast, row: extend(row, by=By(cast.sandra), ends_at=None, reason="Renewed"),
    ),
    Deed.SUSPENDED: (approved, lambda cast, row: suspend(row, by=By(cast.sandra), reason="Unpaid")),
    Deed.RESUMED: (suspended, lambda cast, row: resume(row, by=By(cast.sandra), reason="Paid")),
    Deed.ROTATED: (provisioned, lambda cast, row: rotate(row, by=By(cast.alice))),
    Deed.DEACTIVATED: (
        provisioned,
        lambda cast, row: deactivate(row.access_keys.get(), by=By(cast.alice)),
    ),
    Deed.ACTIVATED: (deactivated, lambda cast, row: activate(row, by=By(cast.alice))),
    Deed.LABELLED: (approved, lambda cast, _: add_label(cast.birch, "ci", by=By(cast.alice))),
    Deed.UNLABELLED: (labelled, lambda cast, row: remove_label(row, by=By(cast.alice))),
    Deed.CHOSE: (
        found,
        lambda cast, row: choose(row, "adopt", by=By(cast.otto), reason="A drill"),
    ),
    Deed.RETRIED: (provisioned, lambda cast, row: retry(row, by=By(cast.otto))),
    Deed.INVITED: (lambda cast: None, lambda cast, _: invited(cast)),
    Deed.REMINDED: (invited, lambda cast, row: send_again(row, by=By(cast.alice))),
    Deed.REVOKED: (invited, lambda cast, row: revoke(row, by=By(cast.alice))),
    Deed.JOINED: (invited, lambda cast, row: accept(row, by=By(cast.charlie))),
    Deed.CHANGED_ROLE: (bobs, lambda cast, row: change_role(row, Role.OWNER, by=By(cast.alice))),
    Deed.REMOVED: (bobs, lambda cast, row: remove(row, by=By(cast.alice))),
    Deed.LEFT: (bobs, lambda cast, row: leave(row, by=By(cast.bob))),
    Deed.CHOSE_LETTERS: (
        bobs,
        lambda cast, row: letters.choose(
            row, {"approved"}, time_zone="Europe/Berlin", by=By(cast.bob)
        ),
    ),
    Deed.RESET: (root_with_bobs_factor, lambda _, row: row[0].post(row[1], {"post": "yes"})),
    Deed.ADDED: (lambda cast: root(), add_customer),
    Deed.CHANGED: (lambda cast: root(), rename_customer),
    Deed.DELETED: (lambda cast: root(), delete_group),
}


def test_every_deed_is_tried_here() -> None:
    assert set(DEEDS) == set(Deed)


@pytest.mark.parametrize("deed", DEEDS)
def test_deed_leaves_one_line(cast: Cast, deed: Deed) -> None:
    scene, act = DEEDS[deed]
    row = scene(cast)
    before = AuditEvent.objects.count()
    act(cast, row)
    assert AuditEvent.objects.count() == before + 1
    assert AuditEvent.objects.order_by("pk").last().deed == deed  # type: ignore[union-attr]


@pytest.mark.parametrize("deed", DEEDS)
def test_deed_whose_line_cannot_be_written_is_not_done(cast: Cast, deed: Deed) -> None:
    scene, act = DEEDS[deed]
    row = scene(cast)
    before = database()
    with pytest.raises(OperationalError), disk_full_for("accounts_auditevent"):
        act(cast, row)
    assert database() == before


def test_sales_prepare_nothing_without_a_line(cast: Cast) -> None:
    before = database()
    entitlement = Entitlement(customer=cast.birch, product=cast.server)
    with pytest.raises(OperationalError), disk_full_for("accounts_auditevent"):
        prepare(entitlement, by=By(cast.sandra))
    assert database() == before


def test_deed_that_fails_after_its_line_leaves_no_line(cast: Cast) -> None:
    entitlement = requested(cast)
    before = database()
    with pytest.raises(OperationalError), disk_full_for("provisioning_grant"):
        approve(entitlement, by=By(cast.sandra))
    assert database() == before


def disk_full_for(table: str) -> Any:
    """Within it, the database takes no new row in the table."""

    def refuse(execute: Any, sql: str, *rest: Any) -> Any:
        if sql.startswith(f'INSERT INTO "{table}"'):
            raise OperationalError("database or disk is full")
        return execute(sql, *rest)

    return connection.execute_wrapper(refuse)
