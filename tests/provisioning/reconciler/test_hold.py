"""After a restore: AWS has seen a newer database, so the portal looks, and changes nothing there
by itself until people have decided."""

import json
from datetime import timedelta
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.db.models import F
from django.utils import timezone

from accounts.audit.models import AuditEvent
from accounts.models import Customer
from provisioning import tasks
from provisioning.demo.seed import Cast
from provisioning.desired.grants import placement_changed
from provisioning.documents import names
from provisioning.embedded_aws.faults import Fault, Kind
from provisioning.flows import Actor, Refused
from provisioning.flows.credentials import deactivate, reveal, rotate
from provisioning.flows.entitlements import (
    extend,
    resume,
    suspend,
    withdraw,
)
from provisioning.flows.hold import hold, release
from provisioning.models import (
    AccessKey,
    Drift,
    Entitlement,
    Installation,
    OneTimeSecret,
    PullUser,
    Registry,
    Repository,
)
from tests import messages
from tests.aws import LOGIN_POLICY, Aws
from tests.entitlements import approved
from tests.repository_policies import admitted, document
from tests.restored import (
    approved_for,
    found,
    own_policy,
    released,
    restore_plan,
    restored,
    the_epoch_is_old,
    time_passes,
)
from tests.worker import run_until_settled, take_turns

# --- What starts a hold ------------------------------------------------------------


def test_portal_that_goes_on_is_not_held(aws: Aws, cast: Cast) -> None:
    approved(cast)
    run_until_settled()
    for _ in range(3):
        time_passes()
    assert Installation.get().held_at is None
    assert Installation.get().epoch >= 3


def test_restore_is_noticed_before_anything_is_changed_or_recorded(
    aws: Aws, cast: Cast, delta: Customer
) -> None:
    """The scene of the report: a live customer's new key was deleted, another customer's
    repository closed, and one that does not pay let in again."""
    birch = approved(cast)
    cedar = approved(cast, customer=cast.cedar)
    run_until_settled()
    reveal(PullUser.objects.get(name="birch-bank"), by=Actor(cast.alice))
    new_key = []

    def evening() -> None:
        rotate(PullUser.objects.get(name="birch-bank"), by=Actor(cast.alice))
        run_until_settled()
        new_key.append(reveal(PullUser.objects.get(name="birch-bank"), by=Actor(cast.alice)))
        withdraw(cedar, by=Actor(cast.sandra), reason="Does not pay")
        approved_for(cast, delta)

    # Whose end passes meanwhile.
    extend(birch, by=Actor(cast.sandra), ends_at=timezone.now() + timedelta(days=1), reason="Trial")
    restored(evening)
    Entitlement.objects.filter(pk=birch.pk).update(
        starts_at=timezone.now() - timedelta(days=2),
        ends_at=timezone.now() - timedelta(hours=1),
        due_at=timezone.now() - timedelta(hours=1),
    )
    keys, policy = aws.keys("birch-bank"), aws.repository_policy("acme/server")
    with aws.no_changes():
        run_until_settled()
    assert Installation.get().held_at
    assert aws.keys("birch-bank") == keys
    assert aws.repository_policy("acme/server") == policy
    assert aws.users() == ["birch-bank", "delta-dental"]
    machine = aws.machine(new_key[0].access_key_id, new_key[0].secret_access_key)
    machine.pull("acme/server", "1.1")
    birch.refresh_from_db()
    assert birch.state == "approved"
    assert {
        ("key_unknown", "birch-bank"),
        ("orphan_user", "delta-dental"),
        ("grant_unknown", "delta-dental"),
        ("user_missing", "cedar-clinic"),
    } <= found()
    line = AuditEvent.objects.get(action="held")
    assert line.actor_label == "The portal"
    assert "restored from a backup" in line.reason


def test_sweep_applies_no_dates_before_an_account_was_compared(aws: Aws, cast: Cast) -> None:
    entitlement = approved(cast)
    run_until_settled()
    restored(lambda: None)
    passed = timezone.now() - timedelta(hours=1)
    Entitlement.objects.update(starts_at=passed - timedelta(days=1), ends_at=passed, due_at=passed)
    take_turns()
    entitlement.refresh_from_db()
    assert (entitlement.state, bool(Installation.get().held_at)) == ("approved", True)
    assert f"{entitlement} ends with the hold" in restore_plan()


def test_role_that_may_not_tag_the_policy_stops_nothing_and_is_named(aws: Aws, cast: Cast) -> None:
    deny = {"Effect": "Deny", "Action": "iam:TagPolicy", "Resource": "*"}
    aws.iam.put_role_policy(
        RoleName="ecr-portal", PolicyName="deny", PolicyDocument=json.dumps(document(deny))
    )
    entitlement = approved(cast)
    run_until_settled()
    registry = Registry.objects.get()
    assert "TagPolicy" in registry.attention
    withdraw(entitlement, by=Actor(cast.sandra), reason="Over")
    run_until_settled()
    assert aws.users() == []


def test_epoch_that_another_worker_has_just_counted_on_is_no_newer_database(
    aws: Aws, cast: Cast
) -> None:
    approved(cast)
    run_until_settled()
    time_passes()
    times, is_acting = 0, False

    def another_worker(execute: Any, sql: str, *arguments: Any) -> Any:
        """Counts on each time that this one has just read the database."""
        nonlocal times, is_acting
        result = execute(sql, *arguments)
        if not is_acting and sql.startswith("SELECT") and "held_because" in sql:
            times, is_acting = times + 1, True
            Installation.objects.update(epoch=F("epoch") + 1)
            installation = Installation.get()
            tag = {
                "Key": names.epoch_tag(installation.identifier),
                "Value": str(installation.epoch),
            }
            aws.iam.tag_policy(PolicyArn=LOGIN_POLICY, Tags=[tag])
            is_acting = False
        return result

    the_epoch_is_old()
    with connection.execute_wrapper(another_worker):
        tasks.compare_epoch(cast.registry.pk)
    assert times >= 2
    assert Installation.get().held_at is None


def test_aws_that_does_not_answer_stops_a_trusted_database_for_a_while_only(
    aws: Aws, cast: Cast
) -> None:
    entitlement = approved(cast)
    run_until_settled()
    aws.embedded.faults.lay(Fault("GetPolicy", Kind.REFUSED, 1_000, 503, "ServiceUnavailable"))
    Registry.objects.update(epoch_at=timezone.now() - timedelta(minutes=6))
    withdraw(entitlement, by=Actor(cast.sandra), reason="Over")
    take_turns()
    assert aws.users() == []
    Registry.objects.update(epoch_at=timezone.now() - timedelta(minutes=16))
    approved(cast, customer=cast.cedar)
    with aws.no_changes():
        take_turns()


def test_comparison_that_fails_is_tried_once_a_minute(aws: Aws, cast: Cast) -> None:
    Registry.objects.update(endpoint_url="http://127.0.0.1:9", due_at=None)
    for _ in range(3):
        tasks.sweep()
    assert len(messages.waiting("compare_epoch")) == 1


# --- While it lasts ----------------------------------------------------------------


def test_what_people_take_away_is_taken_away_while_held(aws: Aws, cast: Cast) -> None:
    birch = approved(cast)
    cedar = approved(cast, customer=cast.cedar)
    run_until_settled()
    hold(by=Actor(cast.otto), reason="A rehearsal")
    run_until_settled()
    key = AccessKey.objects.get(pull_user__name="cedar-clinic")
    withdraw(birch, by=Actor(cast.sandra), reason="Over")
    deactivate(key, by=Actor(cast.otto), reason="Leaked")
    run_until_settled()
    assert aws.users() == ["cedar-clinic"]
    assert aws.keys("cedar-clinic") == {key.access_key_id: "Inactive"}
    cedars = PullUser.objects.get(name="cedar-clinic")
    assert admitted(aws.repository_policy("acme/server")) == {cedars.arn}
    suspend(cedar, by=Actor(cast.sandra), reason="Not paid")
    run_until_settled()
    assert admitted(aws.repository_policy("acme/server")) == set()


def test_withdrawal_while_held_takes_a_repository_out_of_a_users_own_policy(
    aws: Aws, cast: Cast
) -> None:
    Repository.objects.update(placement="user_policy")
    approved(cast)
    reports = approved(cast, cast.reports)
    run_until_settled()
    hold(by=Actor(cast.otto), reason="A rehearsal")
    run_until_settled()
    withdraw(reports, by=Actor(cast.sandra), reason="Over")
    run_until_settled()
    opened = {each.name for each in Repository.objects.all() if each.arn in own_policy(aws)}
    assert opened == {each.name for each in cast.server.repositories.all()}


def test_what_people_took_away_just_before_the_hold_is_taken_away_too(aws: Aws, cast: Cast) -> None:
    birch = approved(cast)
    cedar = approved(cast, customer=cast.cedar)
    run_until_settled()
    reports = approved_for(cast, cast.cedar, cast.reports)
    Repository.objects.filter(name="acme/reports").update(placement="user_policy")
    placement_changed(Repository.objects.get(name="acme/reports"))
    run_until_settled()
    deactivate(AccessKey.objects.get(pull_user__name="cedar-clinic"), by=Actor(cast.otto))
    withdraw(reports, by=Actor(cast.sandra), reason="Over")
    withdraw(birch, by=Actor(cast.sandra), reason="Over")
    # No turn was taken yet.
    hold(by=Actor(cast.otto), reason="A rehearsal")
    run_until_settled()
    assert aws.users() == ["cedar-clinic"]
    assert list(aws.keys("cedar-clinic").values()) == ["Inactive"]
    assert own_policies(aws, "cedar-clinic") == []
    assert not Drift.objects.open().exists()
    assert cedar.customer == cast.cedar


def test_suspended_customer_that_was_resumed_after_the_backup_keeps_its_keys(
    aws: Aws, cast: Cast
) -> None:
    entitlement = approved(cast)
    run_until_settled()
    suspend(entitlement, by=Actor(cast.sandra), reason="Unpaid")
    run_until_settled()

    def evening() -> None:
        resume(Entitlement.objects.get(), by=Actor(cast.sandra), reason="Paid")

    restored(evening)
    with aws.no_changes():
        run_until_settled()
    assert list(aws.keys("birch-bank").values()) == ["Active"]
    assert ("grant_unknown", "birch-bank") in found()
    # Sales resume it in the portal as well: then there is no difference.
    resume(Entitlement.objects.get(), by=Actor(cast.sandra), reason="As it was")
    run_until_settled()
    assert Drift.objects.blocking_release().count() == 0
    released(aws, cast)
    assert list(aws.keys("birch-bank").values()) == ["Active"]


def own_policies(aws: Aws, user_name: str) -> list[str]:
    names: list[str] = aws.iam.list_user_policies(UserName=user_name)["PolicyNames"]
    return names


def test_removal_while_held_keeps_those_in_that_the_database_does_not_know(
    aws: Aws, cast: Cast, delta: Customer
) -> None:
    birch = approved(cast)
    run_until_settled()
    restored(lambda: approved_for(cast, delta))
    run_until_settled()
    withdraw(birch, by=Actor(cast.sandra), reason="Over")
    run_until_settled()
    assert aws.users() == ["delta-dental"]
    (arn,) = admitted(aws.repository_policy("acme/server"))
    assert arn.endswith("/delta-dental")


def test_nothing_is_granted_created_or_destroyed_while_held(aws: Aws, cast: Cast) -> None:
    approved(cast)
    run_until_settled()
    hold(by=Actor(cast.otto), reason="A rehearsal")
    approved(cast, customer=cast.cedar)
    long_ago = timezone.now() - timedelta(days=400)
    OneTimeSecret.objects.update(created_at=long_ago)
    aws.iam.create_access_key(UserName="birch-bank")
    with aws.no_changes():
        run_until_settled()
    # What sales have approved since waits, and needs no decision.
    assert found() == {("key_unknown", "birch-bank")}
    assert OneTimeSecret.objects.filter(destroyed_at__isnull=False).count() == 0
    release_needs_a_decision(cast)


def release_needs_a_decision(cast: Cast) -> None:
    with pytest.raises(Refused, match="Decide about the differences first"):
        release(by=Actor(cast.otto), reason="Enough")
    with pytest.raises(CommandError, match="Decide about the differences first"):
        call_command("release", reason="Enough")
