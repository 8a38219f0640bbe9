"""After a restore: AWS has seen a newer database, so the portal looks, and changes nothing there
by itself until people have decided."""

import json
from collections.abc import Callable
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import transaction
from django.db.models import F
from django.utils import timezone

from accounts.audit.models import AuditEvent
from accounts.models import Customer
from provisioning import tasks
from provisioning.aws.boto.iam import Iam
from provisioning.demo.seed import Cast
from provisioning.desired.grants import placement_changed
from provisioning.documents import names, policies
from provisioning.documents.policies import UserPolicy
from provisioning.embedded_aws.faults import Fault, Kind
from provisioning.flows import Actor, Refused
from provisioning.flows.credentials import deactivate, reveal, rotate
from provisioning.flows.drift import resolve_drift
from provisioning.flows.entitlements import (
    approve,
    extend,
    prepare,
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
    Product,
    PullUser,
    Registry,
    Repository,
)
from tests import messages
from tests.agreement import disagreements
from tests.aws import Aws
from tests.entitlements import approved
from tests.repository_policies import admitted, document
from tests.worker import long_ago, run_until_settled, take_turns


def time_passes() -> None:
    """Until the epoch is counted on."""
    the_epoch_is_old()
    Registry.objects.update(due_at=timezone.now())
    take_turns()


def restored(after_the_backup: Callable[[], object]) -> None:
    """A backup is made, then something happens, and then the backup is restored."""
    time_passes()
    backup = transaction.savepoint()
    after_the_backup()
    run_until_settled()
    time_passes()
    transaction.savepoint_rollback(backup)
    long_ago()
    the_epoch_is_old()


def the_epoch_is_old() -> None:
    before = timezone.now() - timedelta(hours=1)
    Installation.objects.update(epoch_at=before)
    Registry.objects.update(epoch_at=before, epoch_due_at=before)


def decide(cast: Cast, choice: str, *kinds: str) -> None:
    """Otto decides about every open difference of these kinds, and the portal looks again."""
    for drift in Drift.objects.open().filter(kind__in=kinds, choice=""):
        resolve_drift(drift, choice, by=Actor(cast.otto), reason="As it was")
    take_turns()


def found() -> set[tuple[str, str]]:
    """What is different: the kind, and of whom."""
    return {(drift.kind, drift.user_name) for drift in Drift.objects.open()}


def released(aws: Aws, cast: Cast) -> None:
    """The hold ends, and AWS has what is desired."""
    release(by=Actor(cast.otto), reason="All decided")
    run_until_settled()
    assert disagreements(aws) == []


def approved_for(cast: Cast, customer: Customer, product: Product | None = None) -> Entitlement:
    entitlement = Entitlement(customer=customer, product=product or cast.server)
    prepare(entitlement, by=Actor(cast.sandra))
    approve(entitlement, by=Actor(cast.sandra))
    return entitlement


@pytest.fixture
def delta(cast: Cast) -> Customer:
    return Customer.objects.create(name="Delta Dental", slug="delta-dental")


def restore_plan(*options: str) -> str:
    output = StringIO()
    call_command("restore_plan", *options, stdout=output)
    return output.getvalue()


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
    aws: Aws, cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    approved(cast)
    run_until_settled()
    time_passes()
    read = Iam.policy_tags

    def after_another_worker(gateway: Iam, arn: str) -> dict[str, str] | None:
        Installation.objects.update(epoch=F("epoch") + 1)
        gateway.tag_policy(arn, {tag(): str(Installation.get().epoch)})
        return read(gateway, arn)

    monkeypatch.setattr(Iam, "policy_tags", after_another_worker)
    time_passes()
    assert Installation.get().held_at is None


def tag() -> str:
    return names.epoch_tag(Installation.get().identifier)


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


def own_policy(aws: Aws) -> frozenset[str]:
    document = aws.iam.get_user_policy(UserName="birch-bank", PolicyName="EcrPortalPull")
    content = policies.content_of(document["PolicyDocument"])
    assert content is not None
    return content.repositories


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


# --- Decisions ---------------------------------------------------------------------


def test_adopting_everything_keeps_aws_as_it_is_and_the_portal_goes_on(
    aws: Aws, cast: Cast, delta: Customer
) -> None:
    approved(cast)
    cedar = approved(cast, customer=cast.cedar)
    run_until_settled()
    old = reveal(PullUser.objects.get(name="birch-bank"), by=Actor(cast.alice))
    new = []

    def evening() -> None:
        rotate(PullUser.objects.get(name="birch-bank"), by=Actor(cast.alice))
        run_until_settled()
        new.append(reveal(PullUser.objects.get(name="birch-bank"), by=Actor(cast.alice)))
        withdraw(cedar, by=Actor(cast.sandra), reason="Does not pay")
        approved_for(cast, delta)

    restored(evening)
    run_until_settled()
    before = aws.keys("birch-bank"), aws.keys("delta-dental"), aws.users()
    # The users first, whom the access makes known; then their keys.
    decide(cast, "adopt", "grant_unknown", "user_missing")
    run_until_settled()
    decide(cast, "adopt", "key_unknown")
    run_until_settled()
    assert Drift.objects.blocking_release().count() == 0
    released(aws, cast)
    assert (aws.keys("birch-bank"), aws.keys("delta-dental"), aws.users()) == before
    newest = AccessKey.objects.get(access_key_id=new[0].access_key_id)
    assert newest.retires_at is None
    retiring = AccessKey.objects.get(access_key_id=old.access_key_id)
    assert retiring.retires_at is not None
    assert retiring.retires_at > timezone.now() + timedelta(days=6)
    assert Entitlement.objects.get(customer=delta).state == "approved"
    assert Entitlement.objects.get(customer=cast.cedar).state == "withdrawn"
    run_until_settled()
    assert Installation.get().held_at is None
    assert AuditEvent.objects.get(action="released").actor == cast.otto


def test_removing_everything_makes_aws_as_the_database_has_it(
    aws: Aws, cast: Cast, delta: Customer
) -> None:
    approved(cast)
    cedar = approved(cast, customer=cast.cedar)
    run_until_settled()
    kept = aws.keys("birch-bank")

    def evening() -> None:
        withdraw(cedar, by=Actor(cast.sandra), reason="By mistake")
        approved_for(cast, delta)

    restored(evening)
    aws.iam.create_access_key(UserName="birch-bank")
    run_until_settled()
    decide(cast, "repair", "grant_unknown", "orphan_user", "user_missing", "key_unknown")
    run_until_settled()
    # What takes away was done already; what grants waits for the end of the hold.
    assert aws.users() == ["birch-bank"]
    assert aws.keys("birch-bank") == kept
    released(aws, cast)
    assert aws.users() == ["birch-bank", "cedar-clinic"]


def test_access_is_withdrawn_only_where_aws_has_nothing_of_the_product(
    aws: Aws, cast: Cast
) -> None:
    approved(cast)
    run_until_settled()
    hold(by=Actor(cast.otto), reason="To look")
    aws.ecr.delete_repository_policy(repositoryName="acme/agent")
    run_until_settled()
    drift = Drift.objects.open().get(kind="grant_missing")
    with pytest.raises(Refused, match="AWS still opens a part of Acme Server to Birch Bank"):
        resolve_drift(drift, "adopt", by=Actor(cast.otto), reason="As it is")
    decide(cast, "repair", "grant_missing")
    released(aws, cast)


def test_access_in_users_own_policies_is_compared_and_decided_as_well(
    aws: Aws, cast: Cast, delta: Customer
) -> None:
    Repository.objects.update(placement="user_policy")
    approved(cast)
    run_until_settled()
    restored(lambda: approved(cast, cast.reports))
    run_until_settled()
    assert found() == {("grant_unknown", "birch-bank")}
    before = own_policy(aws)
    decide(cast, "adopt", "grant_unknown")
    run_until_settled()
    released(aws, cast)
    assert own_policy(aws) == before


def test_unknown_access_in_a_users_own_policy_is_removed_by_choice(aws: Aws, cast: Cast) -> None:
    Repository.objects.update(placement="user_policy")
    approved(cast)
    run_until_settled()
    before = own_policy(aws)
    restored(lambda: approved(cast, cast.reports))
    run_until_settled()
    decide(cast, "repair", "grant_unknown")
    assert own_policy(aws) == before
    released(aws, cast)


def test_customer_that_the_database_does_not_know_is_added_by_a_person_first(
    aws: Aws, cast: Cast
) -> None:
    approved(cast)
    run_until_settled()

    def evening() -> None:
        late = Customer.objects.create(name="Echo Energy", slug="echo-energy")
        approved_for(cast, late)

    restored(evening)
    run_until_settled()
    drift = Drift.objects.open().filter(kind="grant_unknown").first()
    assert drift is not None
    with pytest.raises(Refused, match="no customer with the short name echo-energy"):
        resolve_drift(drift, "adopt", by=Actor(cast.otto), reason="As it was")
    Customer.objects.create(name="Echo Energy", slug="echo-energy")
    decide(cast, "adopt", "grant_unknown")
    run_until_settled()
    decide(cast, "adopt", "key_unknown")
    released(aws, cast)


def test_deactivated_key_that_aws_has_active_is_left_active_by_choice(aws: Aws, cast: Cast) -> None:
    approved(cast)
    run_until_settled()
    key = AccessKey.objects.get()
    deactivate(key, by=Actor(cast.alice))
    run_until_settled()

    def evening() -> None:
        aws.iam.update_access_key(
            UserName="birch-bank", AccessKeyId=key.access_key_id, Status="Active"
        )

    hold(by=Actor(cast.otto), reason="To look")
    evening()
    run_until_settled()
    assert found() == {("key_activated", "birch-bank")}
    decide(cast, "adopt", "key_activated")
    released(aws, cast)
    assert aws.keys("birch-bank") == {key.access_key_id: "Active"}


# --- The plan ----------------------------------------------------------------------


def test_plan_lists_keys_with_their_last_use_by_customer(aws: Aws, cast: Cast) -> None:
    approved(cast)
    run_until_settled()
    hold(by=Actor(cast.otto), reason="To look")
    made = aws.iam.create_access_key(UserName="birch-bank")["AccessKey"]
    machine = aws.machine(made["AccessKeyId"], made["SecretAccessKey"])
    machine.pull("acme/server", "1.1")
    run_until_settled()
    text = restore_plan()
    assert "The portal is held. To look" in text
    assert f"Birch Bank, birch-bank, {made['AccessKeyId']}, active, created" in text
    listed: Any = json.loads(restore_plan("--json"))
    (difference,) = listed["differences"]
    assert difference["customer"] == "Birch Bank"
    assert difference["kind"] == "key_unknown"


def test_networks_that_differ_are_named_and_written_on_release(aws: Aws, cast: Cast) -> None:
    approved(cast)
    run_until_settled()
    hold(by=Actor(cast.otto), reason="To look")
    limited = policies.user_policy(UserPolicy(sources=frozenset({"192.0.2.0/24"})))
    aws.iam.put_user_policy(
        UserName="birch-bank", PolicyName="EcrPortalPull", PolicyDocument=json.dumps(limited)
    )
    run_until_settled()
    assert found() == {("user_policy_changed", "birch-bank")}
    decide(cast, "repair", "user_policy_changed")
    released(aws, cast)


def test_release_waits_until_everything_was_looked_at(aws: Aws, cast: Cast) -> None:
    approved(cast)
    run_until_settled()
    call_command("hold", reason="A rehearsal", stdout=StringIO())
    with pytest.raises(CommandError, match="has yet to look at"):
        call_command("release", reason="Done", stdout=StringIO())
    run_until_settled()
    call_command("release", reason="Done", stdout=StringIO())
    assert Installation.get().held_at is None
