"""Every action writes one line in its own transaction, and lines are never changed or deleted."""

from collections.abc import Callable
from ipaddress import ip_network
from typing import Any

import pytest
from allauth.mfa.totp.internal.auth import TOTP, generate_totp_secret
from django.contrib.auth.models import Group
from django.db import IntegrityError, OperationalError, transaction
from django.db.models import ProtectedError
from django.test import Client

from accounts import clock
from accounts.audit.log import Action, record
from accounts.audit.models import AuditError
from accounts.emails import preferences
from accounts.flows import profile, sign_in_rules
from accounts.flows.invitations import accept, invite, revoke, send_again
from accounts.flows.members import Role, change_role, confirm, leave, remove
from accounts.flows.own_account import allow_reveals, end_other_sessions, report_misuse
from accounts.models import AuditEvent, Invitation, Membership, User
from provisioning.demo.seed import Cast
from provisioning.flows import Actor
from provisioning.flows.credentials import activate, deactivate, end, reissue, reveal, rotate
from provisioning.flows.drift import resolve_drift
from provisioning.flows.entitlements import (
    approve,
    extend,
    prepare,
    reject,
    request,
    resume,
    suspend,
    withdraw,
)
from provisioning.flows.hold import hold, release
from provisioning.flows.labels import add_label, remove_label
from provisioning.flows.retry import retry
from provisioning.flows.source_addresses import limit_sources
from provisioning.models import (
    AccessKey,
    Drift,
    Entitlement,
    Label,
    PullUser,
    Registry,
    Repository,
)
from tests.accounts.full_disk import disk_full_for
from tests.accounts.own_account import ON_OWN_ACCOUNT
from tests.entitlements import approved
from tests.portal.pages.captured_state import database
from tests.portal.pages.pages import as_user, just_signed_in
from tests.provisioned import change, days, provision


@pytest.fixture
def line(cast: Cast) -> AuditEvent:
    return record(
        Action.APPROVED, "Acme Server for Birch Bank", by=Actor(cast.sandra), customer=cast.birch
    )


# --- What a line says --------------------------------------------------------------


def test_line_names_the_person_as_they_were_called_then(cast: Cast, line: AuditEvent) -> None:
    cast.sandra.name, cast.sandra.email = "Sandra Svensson", "svensson@acme.example"
    cast.sandra.save()
    line.refresh_from_db()
    assert line.actor_label == "Sandra Silva <sandra@acme.example>"
    assert str(line) == (
        "Sandra Silva <sandra@acme.example> approved access: Acme Server for Birch Bank"
    )


def test_person_without_a_name_is_recorded_by_email_address(cast: Cast) -> None:
    nameless = User.objects.create_user("x@acme.example")
    assert record(Action.RETRIED, "x", by=Actor(nameless)).actor_label == "x@acme.example"


# --- Lines are never changed --------------------------------------------------------------------


def save(line: AuditEvent) -> None:
    line.subject = "something else"
    line.save()


def bulk_update(line: AuditEvent) -> None:
    line.subject = "something else"
    AuditEvent.objects.bulk_update([line], ["subject"])


def upsert(line: AuditEvent) -> None:
    other = AuditEvent(pk=line.pk, action=line.action, subject="something else")
    AuditEvent.objects.bulk_create(
        [other], update_conflicts=True, update_fields=["subject"], unique_fields=["pk"]
    )


def related(line: AuditEvent) -> Any:
    """The lines of the actor, through Django's related manager."""
    assert line.actor is not None
    return line.actor.actions


CHANGES: dict[str, Callable[[AuditEvent], object]] = {
    "save": save,
    "bulk update": bulk_update,
    "upsert": upsert,
    "delete": lambda line: line.delete(),
    "update all": lambda line: AuditEvent.objects.update(subject="something else"),
    "update some": lambda line: AuditEvent.objects.filter(pk=line.pk).update(reason="another"),
    "update or create": lambda line: AuditEvent.objects.update_or_create({}, subject=line.subject),
    "update through the base manager": lambda line: AuditEvent._base_manager.update(
        subject="something else"
    ),
    "delete all": lambda line: AuditEvent.objects.all().delete(),
    "delete through the base manager": lambda line: AuditEvent._base_manager.all().delete(),
    "update through the actor": lambda line: related(line).update(subject="something else"),
    "delete through the actor": lambda line: related(line).all().delete(),
    "clear through the actor": lambda line: related(line).clear(),
    "move to another actor": lambda line: User.objects.get(name="Alice Ahlgren").actions.add(line),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_line_cannot_be_changed_or_deleted(
    line: AuditEvent, change: Callable[[AuditEvent], object]
) -> None:
    before = database()
    with pytest.raises(AuditError):
        change(line)
    assert database() == before


def test_new_line_cannot_replace_an_old_one(line: AuditEvent) -> None:
    before = database()
    replacement = AuditEvent(pk=line.pk, action=line.action, subject="something else")
    with pytest.raises(IntegrityError), transaction.atomic():
        replacement.save()
    assert database() == before


def test_actor_and_customer_of_a_line_cannot_be_deleted(cast: Cast, line: AuditEvent) -> None:
    with pytest.raises(ProtectedError):
        cast.sandra.delete()
    with pytest.raises(ProtectedError):
        cast.birch.delete()


def test_admin_shows_lines_and_accepts_no_change(line: AuditEvent) -> None:
    client = just_signed_in(User.objects.create_superuser("root@acme.example", "x"))
    page = "/admin/accounts/auditevent/"
    assert "Acme Server for Birch Bank" in client.get(page).content.decode()
    before = database()
    assert client.get(f"{page}add/").status_code == 403
    assert client.post(f"{page}{line.pk}/change/", {"subject": "x"}).status_code == 403
    assert client.post(f"{page}{line.pk}/delete/", {"post": "yes"}).status_code == 403
    fields = {"action": "delete_selected", "_selected_action": [line.pk], "post": "yes"}
    client.post(page, fields)
    assert database() == before


# --- One line for each action, in its transaction -----------------------------------


def requested(cast: Cast) -> Entitlement:
    return request(cast.birch, cast.server, by=Actor(cast.alice))


def provisioned(cast: Cast) -> PullUser:
    approved(cast)
    return provision(cast.birch)


def held(cast: Cast) -> None:
    """And everything was looked at."""
    hold(by=Actor(cast.otto), reason="A rehearsal")
    Registry.objects.update(observed_at=clock.now(), epoch_at=clock.now())
    Repository.objects.update(observed_at=clock.now())


def suspended(cast: Cast) -> Entitlement:
    entitlement = approved(cast)
    suspend(entitlement, by=Actor(cast.sandra), reason="Unpaid")
    return entitlement


def retiring(cast: Cast) -> AccessKey:
    key = provisioned(cast).access_keys.get()
    change(key, retires_at=days(5))
    return key


def deactivated(cast: Cast) -> AccessKey:
    key = provisioned(cast).access_keys.get()
    deactivate(key, by=Actor(cast.alice))
    return key


def labelled(cast: Cast) -> Label:
    approved(cast)
    return add_label(cast.birch, "ci", by=Actor(cast.alice))


def drifted(cast: Cast) -> Drift:
    pull_user = provisioned(cast)
    return Drift.objects.create(kind=Drift.Kind.FOREIGN_POLICY, subject="x", pull_user=pull_user)


def invited(cast: Cast) -> Invitation:
    return invite(cast.birch, cast.charlie.email, Role.VIEWER, by=Actor(cast.alice))


def bobs(cast: Cast) -> Membership:
    return Membership.objects.select_related("customer").get(user=cast.bob)


def bob_invited_by_the_vendor(cast: Cast) -> Membership:
    Membership.objects.filter(user=cast.bob).update(awaits_confirmation=True)
    return bobs(cast)


def locked(cast: Cast) -> Membership:
    report_misuse(by=Actor(cast.bob))
    return bobs(cast)


def root_with_bobs_factor(cast: Cast) -> tuple[Client, str]:
    client = just_signed_in(User.objects.create_superuser("root@acme.example", "x"))
    factor = TOTP.activate(cast.bob, generate_totp_secret()).instance
    return client, f"/admin/mfa/authenticator/{factor.pk}/delete/"


def root() -> Client:
    return just_signed_in(User.objects.create_superuser("root@acme.example", "x"))


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

# Action → how its setting is prepared, and the action itself, given what the preparation returned.
ACTIONS: dict[Action, tuple[Callable[[Cast], Any], Callable[[Cast, Any], object]]] = {
    Action.REQUESTED: (lambda cast: None, lambda cast, _: requested(cast)),
    Action.APPROVED: (requested, lambda cast, row: approve(row, by=Actor(cast.sandra))),
    Action.REJECTED: (requested, lambda cast, row: reject(row, by=Actor(cast.sandra), note="No.")),
    Action.WITHDREW: (
        approved,
        lambda cast, row: withdraw(row, by=Actor(cast.sandra), reason="End"),
    ),
    Action.REVEALED: (provisioned, lambda cast, row: reveal(row, by=Actor(cast.alice))),
    Action.REISSUED: (
        provisioned,
        lambda cast, row: reissue(row, by=Actor(cast.otto), reason="Lost"),
    ),
    Action.EXTENDED: (
        approved,
        lambda cast, row: extend(row, by=Actor(cast.sandra), ends_at=None, reason="Renewed"),
    ),
    Action.SUSPENDED: (
        approved,
        lambda cast, row: suspend(row, by=Actor(cast.sandra), reason="Unpaid"),
    ),
    Action.RESUMED: (
        suspended,
        lambda cast, row: resume(row, by=Actor(cast.sandra), reason="Paid"),
    ),
    Action.ROTATED: (provisioned, lambda cast, row: rotate(row, by=Actor(cast.alice))),
    Action.DEACTIVATED: (
        provisioned,
        lambda cast, row: deactivate(row.access_keys.get(), by=Actor(cast.alice)),
    ),
    Action.ENDED_KEY: (retiring, lambda cast, row: end(row, by=Actor(cast.alice))),
    Action.ACTIVATED: (deactivated, lambda cast, row: activate(row, by=Actor(cast.alice))),
    Action.LABELLED: (approved, lambda cast, _: add_label(cast.birch, "ci", by=Actor(cast.alice))),
    Action.UNLABELLED: (labelled, lambda cast, row: remove_label(row, by=Actor(cast.alice))),
    Action.RESOLVED_DRIFT: (
        drifted,
        lambda cast, row: resolve_drift(row, "adopt", by=Actor(cast.otto), reason="A drill"),
    ),
    Action.HELD: (
        provisioned,
        lambda cast, row: hold(by=Actor(cast.otto), reason="A rehearsal"),
    ),
    Action.RELEASED: (held, lambda cast, row: release(by=Actor(cast.otto), reason="All decided")),
    Action.RETRIED: (provisioned, lambda cast, row: retry(row, by=Actor(cast.otto))),
    Action.INVITED: (lambda cast: None, lambda cast, _: invited(cast)),
    Action.REMINDED: (invited, lambda cast, row: send_again(row, by=Actor(cast.alice))),
    Action.REVOKED: (invited, lambda cast, row: revoke(row, by=Actor(cast.alice))),
    Action.JOINED: (invited, lambda cast, row: accept(row, by=Actor(cast.charlie))),
    Action.CHANGED_ROLE: (
        bobs,
        lambda cast, row: change_role(row, Role.OWNER, by=Actor(cast.alice)),
    ),
    Action.ADMITTED: (
        bob_invited_by_the_vendor,
        lambda cast, row: confirm(row, by=Actor(cast.alice)),
    ),
    Action.CHANGED_SIGN_IN_RULES: (
        lambda cast: cast.birch,
        lambda cast, row: sign_in_rules.change(
            row, second_factor=True, single_sign_on=False, by=Actor(cast.alice)
        ),
    ),
    Action.LIMITED_SOURCES: (
        lambda cast: cast.birch,
        lambda cast, row: limit_sources(row, [ip_network("198.51.100.7/32")], by=Actor(cast.alice)),
    ),
    Action.ENDED_SESSIONS: (
        lambda cast: as_user(cast.alice),
        lambda cast, _: end_other_sessions(None, by=Actor(cast.alice)),
    ),
    Action.UNLOCKED: (locked, lambda cast, row: allow_reveals(row, by=Actor(cast.alice))),
    Action.REMOVED: (bobs, lambda cast, row: remove(row, by=Actor(cast.alice))),
    Action.LEFT: (bobs, lambda cast, row: leave(row, by=Actor(cast.bob))),
    Action.CHANGED_NOTIFICATIONS: (
        bobs,
        lambda cast, row: preferences.choose(row, {"approved"}, by=Actor(cast.bob)),
    ),
    Action.CHANGED_PROFILE: (
        lambda cast: cast.alice,
        lambda cast, row: profile.change(row, name="A", time_zone="UTC", by=Actor(cast.alice)),
    ),
    Action.RESET: (root_with_bobs_factor, lambda _, row: row[0].post(row[1], {"post": "yes"})),
    Action.ADDED: (lambda cast: root(), add_customer),
    Action.CHANGED: (lambda cast: root(), rename_customer),
    Action.DELETED: (lambda cast: root(), delete_group),
}


def test_every_action_is_covered_here_or_there() -> None:
    assert set(ACTIONS) | ON_OWN_ACCOUNT == set(Action)


@pytest.mark.parametrize("action", ACTIONS)
def test_action_writes_one_line(cast: Cast, action: Action) -> None:
    prepare_for, act = ACTIONS[action]
    row = prepare_for(cast)
    before = AuditEvent.objects.count()
    act(cast, row)
    assert AuditEvent.objects.count() == before + 1
    assert AuditEvent.objects.order_by("pk").last().action == action  # type: ignore[union-attr]


@pytest.mark.parametrize("action", ACTIONS)
def test_action_is_undone_when_its_line_cannot_be_written(cast: Cast, action: Action) -> None:
    prepare_for, act = ACTIONS[action]
    row = prepare_for(cast)
    before = database()
    with pytest.raises(OperationalError), disk_full_for("accounts_auditevent"):
        act(cast, row)
    assert database() == before


def test_prepared_request_is_undone_when_its_line_cannot_be_written(cast: Cast) -> None:
    before = database()
    entitlement = Entitlement(customer=cast.birch, product=cast.server)
    with pytest.raises(OperationalError), disk_full_for("accounts_auditevent"):
        prepare(entitlement, by=Actor(cast.sandra))
    assert database() == before


def test_action_that_fails_after_its_line_leaves_no_line(cast: Cast) -> None:
    entitlement = requested(cast)
    before = database()
    with pytest.raises(OperationalError), disk_full_for("provisioning_grant"):
        approve(entitlement, by=Actor(cast.sandra))
    assert database() == before
