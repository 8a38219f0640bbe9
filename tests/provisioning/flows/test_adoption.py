"""What people decide about each difference after a restore: adopt what AWS has, or repair it."""

import json
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from accounts.audit.models import AuditEvent
from accounts.models import Customer
from provisioning.demo.seed import Cast
from provisioning.documents import policies
from provisioning.documents.policies import UserPolicy
from provisioning.flows import Actor, Refused
from provisioning.flows.credentials import deactivate, reveal, rotate
from provisioning.flows.drift import resolve_drift
from provisioning.flows.entitlements import (
    withdraw,
)
from provisioning.flows.hold import hold
from provisioning.models import (
    AccessKey,
    Drift,
    Entitlement,
    Installation,
    PullUser,
    Repository,
)
from tests.aws import Aws
from tests.entitlements import approved
from tests.restored import (
    approved_for,
    decide,
    found,
    own_policy,
    released,
    restore_plan,
    restored,
)
from tests.worker import run_until_settled

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
