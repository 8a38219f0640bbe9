"""Changes made in AWS behind the portal's back, and what the portal does about them."""

from datetime import timedelta

import pytest
from django.utils import timezone
from pytest_django.fixtures import Settings

from provisioning.demo.seed import Cast
from provisioning.documents import grammar, names
from provisioning.embedded_aws.faults import Fault, Kind
from provisioning.flows import Actor
from provisioning.flows.credentials import reveal
from provisioning.flows.drift import resolve_drift
from provisioning.flows.entitlements import withdraw
from provisioning.models import AccessKey, Drift, Grant, OneTimeSecret, PullUser, Repository
from provisioning.reconciler.lease import claim
from provisioning.reconciler.repository.record import record
from tests.aws import LOGIN_POLICY, Aws
from tests.entitlements import approved
from tests.repository_policies import FOREIGN, admitted
from tests.worker import due, long_ago, run_until_settled, take_turns


@pytest.fixture(autouse=True)
def _drift_is_confirmed_at_once(settings: Settings) -> None:
    settings.DRIFT_CONFIRM = timedelta(0)


def assert_pulls(aws: Aws, cast: Cast) -> None:
    """Alice reveals the credentials, and her machine pulls with them."""
    credentials = reveal(PullUser.objects.get(name="birch-bank"), by=Actor(cast.alice))
    assert list(aws.keys("birch-bank")) == [credentials.access_key_id]
    machine = aws.machine(credentials.access_key_id, credentials.secret_access_key)
    machine.pull("acme/server", "1.1")


def test_user_deleted_in_iam_is_created_again_and_admitted(aws: Aws, cast: Cast) -> None:
    approved(cast)
    take_turns()
    aws.delete_user("birch-bank")
    approved(cast, customer=cast.cedar)
    run_until_settled()
    arns = set(PullUser.objects.values_list("arn", flat=True))
    assert admitted(aws.repository_policy("acme/server")) == arns
    # Its keys were deleted with it: there is a new one, which pulls.
    assert_pulls(aws, cast)


def test_key_deleted_in_iam_is_replaced(aws: Aws, cast: Cast) -> None:
    approved(cast)
    take_turns()
    old = AccessKey.objects.get()
    aws.iam.delete_access_key(UserName="birch-bank", AccessKeyId=old.access_key_id)
    PullUser.objects.update(due_at=timezone.now())
    take_turns()
    # A young key may just not be visible yet.
    assert aws.keys("birch-bank") == {}
    AccessKey.objects.update(created_at=timezone.now() - timedelta(minutes=6))
    run_until_settled()
    old.refresh_from_db()
    assert old.status == "Deleted"
    assert OneTimeSecret.objects.get(access_key=old).destroyed_at is not None
    assert list(aws.keys("birch-bank")) == [AccessKey.objects.current().get().access_key_id]


def test_user_deleted_before_its_withdrawal_leaves_no_key_recorded_as_living(
    aws: Aws, cast: Cast
) -> None:
    entitlement = approved(cast)
    take_turns()
    aws.delete_user("birch-bank")
    long_ago()
    withdraw(entitlement, by=Actor(cast.sandra), reason="Contract ended")
    take_turns()
    assert PullUser.objects.get().status == "gone"
    assert not AccessKey.objects.living().exists()


def test_grant_of_a_user_replaced_during_the_turn_is_not_recorded_as_ready(cast: Cast) -> None:
    approved(cast)
    PullUser.objects.update(user_id="AIDAOLD")
    grant = Grant.objects.select_related("pull_user").filter(repository__name="acme/server").get()
    lease = claim(Repository, grant.repository_id)
    assert lease is not None
    PullUser.objects.update(user_id="AIDANEW")
    record(lease, [grant], granted={grant})
    grant.refresh_from_db()
    assert grant.status == "waiting"


def test_deleted_user_does_not_keep_out_the_next_customer(aws: Aws, cast: Cast) -> None:
    approved(cast)
    take_turns()
    aws.delete_user("birch-bank")
    # The portal does not know yet, and ECR refuses the policy that names the deleted user.
    approved(cast, customer=cast.cedar)
    take_turns()
    cedar = Grant.objects.get(pull_user__name="cedar-clinic", repository__name="acme/server")
    assert cedar.status == "ready"
    # Having noticed, the portal creates the deleted user again.
    run_until_settled()
    assert_pulls(aws, cast)


def test_user_that_replaces_another_is_admitted_again(aws: Aws, cast: Cast) -> None:
    approved(cast)
    take_turns()
    aws.delete_user("birch-bank")
    tags = names.user_tags("birch-bank", "default").items()
    aws.iam.create_user(
        UserName="birch-bank",
        Path="/ecr-portal/",
        Tags=[{"Key": key, "Value": value} for key, value in tags],
    )
    aws.iam.attach_user_policy(UserName="birch-bank", PolicyArn=LOGIN_POLICY)
    run_until_settled()
    assert_pulls(aws, cast)


def test_grant_that_the_policy_lost_waits_again(cast: Cast) -> None:
    approved(cast)
    PullUser.objects.update(status="ready", arn="arn:aws:iam::1:user/x", due_at=None)
    Grant.objects.update(in_repository_policy=True)
    grant = Grant.objects.select_related("pull_user").filter(repository__name="acme/server").get()
    lease = claim(Repository, grant.repository_id)
    assert lease is not None
    record(lease, [grant], granted=set())
    grant.refresh_from_db()
    assert grant.status == "waiting"
    # The user's own turn finds out why.
    assert due(PullUser) == [grant.pull_user_id]


def test_unreadable_policy_is_reported_to_ops_and_left_alone(aws: Aws, cast: Cast) -> None:
    garbled = Fault("GetRepositoryPolicy", Kind.GARBLED, times=1_000, subject="acme/server")
    aws.set_repository_policy("acme/server", {"Version": "2012-10-17", "Statement": [FOREIGN]})
    aws.embedded.faults.lay(garbled)
    approved(cast)
    take_turns()
    attention = Repository.objects.get(name="acme/server").attention
    assert "is not JSON" in attention
    assert "AWS account's administrator can correct it" in attention
    assert Grant.objects.get(repository__name="acme/agent").status == "ready"
    garbled.times = 0
    run_until_settled()
    assert grammar.statements(aws.repository_policy("acme/server"))[0] == FOREIGN
    assert_pulls(aws, cast)


def test_withdrawn_access_ends_although_a_repository_policy_is_unreadable(
    aws: Aws, cast: Cast
) -> None:
    entitlement = approved(cast)
    run_until_settled()
    credentials = reveal(PullUser.objects.get(), by=Actor(cast.alice))
    garbled = Fault("GetRepositoryPolicy", Kind.GARBLED, times=1_000, subject="acme/server")
    aws.embedded.faults.lay(garbled)
    withdraw(entitlement, by=Actor(cast.sandra), reason="Contract ended")
    run_until_settled()
    # The grant cannot be removed, but the keys that would use it are deleted.
    assert aws.keys("birch-bank") == {}
    machine = aws.machine(credentials.access_key_id, credentials.secret_access_key)
    aws.assert_refused(machine, "acme/server", "1.1", "security token")
    entitlement.refresh_from_db()
    assert entitlement.closed_at is None
    garbled.times = 0
    run_until_settled()
    entitlement.refresh_from_db()
    assert entitlement.closed_at is not None


def test_key_deactivated_in_iam_waits_for_ops_and_delays_nothing_else(aws: Aws, cast: Cast) -> None:
    approved(cast)
    run_until_settled()
    key = AccessKey.objects.get()
    aws.iam.update_access_key(
        UserName="birch-bank", AccessKeyId=key.access_key_id, Status="Inactive"
    )
    run_until_settled()
    assert aws.keys("birch-bank") == {key.access_key_id: "Inactive"}
    drift = Drift.objects.open().get()
    assert drift.kind == "key_status"
    approved(cast, cast.reports)
    run_until_settled()
    assert Grant.objects.get(repository__name="acme/reports").status == "ready"
    resolve_drift(drift, "repair", by=Actor(cast.otto), reason="A mistake")
    run_until_settled()
    assert aws.keys("birch-bank") == {key.access_key_id: "Active"}
    assert Drift.objects.get().ending == "repaired"


def test_adopted_key_stays_deactivated(aws: Aws, cast: Cast) -> None:
    approved(cast)
    run_until_settled()
    key = AccessKey.objects.get()
    aws.iam.update_access_key(
        UserName="birch-bank", AccessKeyId=key.access_key_id, Status="Inactive"
    )
    run_until_settled()
    resolve_drift(Drift.objects.get(), "adopt", by=Actor(cast.otto), reason="It leaked")
    run_until_settled()
    assert aws.keys("birch-bank") == {key.access_key_id: "Inactive"}
    assert AccessKey.objects.get().desired == "Inactive"
    assert Drift.objects.get().ending == "adopted"


def test_unknown_user_is_removed_when_ops_choose_to_repair(aws: Aws, cast: Cast) -> None:
    tags = names.user_tags("gone", "default").items()
    listed = [{"Key": key, "Value": value} for key, value in tags]
    aws.iam.create_user(UserName="gone", Path="/ecr-portal/", Tags=listed)
    aws.iam.create_user(UserName="stranger", Path="/ecr-portal/")
    run_until_settled()
    drift = Drift.objects.open().get()
    assert (drift.kind, drift.subject) == ("orphan_user", "gone")
    assert aws.users() == ["gone", "stranger"]
    resolve_drift(drift, "repair", by=Actor(cast.otto), reason="Restored from a backup")
    run_until_settled()
    assert aws.users() == ["stranger"]
    attempt = cast.registry.attempts.get()
    assert (attempt.step, attempt.outcome) == ("remove_unknown_user", "done")


def test_drift_is_only_shown_where_repair_is_switched_off(
    aws: Aws, cast: Cast, settings: Settings
) -> None:
    settings.DRIFT_REPAIR = False
    approved(cast)
    run_until_settled()
    aws.set_repository_policy("acme/server", {"Version": "2012-10-17", "Statement": [FOREIGN]})
    run_until_settled()
    assert admitted(aws.repository_policy("acme/server")) == set()
    resolve_drift(Drift.objects.open().get(), "repair", by=Actor(cast.otto), reason="Yes")
    run_until_settled()
    assert len(admitted(aws.repository_policy("acme/server"))) == 1


def test_access_is_not_recorded_as_closed_while_one_of_its_grants_remains(
    aws: Aws, cast: Cast
) -> None:
    entitlement = approved(cast)
    approved(cast, cast.reports)
    run_until_settled()
    garbled = Fault("GetRepositoryPolicy", Kind.GARBLED, times=1_000, subject="acme/server")
    aws.embedded.faults.lay(garbled)
    withdraw(entitlement, by=Actor(cast.sandra), reason="Contract ended")
    run_until_settled()
    entitlement.refresh_from_db()
    # The pull user stays: the other product needs it.
    assert entitlement.closed_at is None
    garbled.times = 0
    run_until_settled()
    entitlement.refresh_from_db()
    assert entitlement.closed_at is not None
