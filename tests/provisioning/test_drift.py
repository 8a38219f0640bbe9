"""What somebody did in AWS behind the portal's back, and how the portal gets over it."""

from datetime import timedelta

import pytest
from django.utils import timezone
from pytest_django.fixtures import Settings

from provisioning import names, policies
from provisioning.demo.cast import Cast
from provisioning.embedded_aws.faults import Fault, Kind
from provisioning.flows import By
from provisioning.flows.choose import choose
from provisioning.flows.decide import withdraw
from provisioning.flows.reveal import reveal
from provisioning.lease import claim
from provisioning.models import AccessKey, Finding, Grant, OneTimeSecret, PullUser, Repository
from provisioning.reconcile import repository as repository_turn
from tests.aws import Aws
from tests.faults.test_table import FOREIGN
from tests.provisioning.test_reconcile import LOGIN_POLICY, approved
from tests.turns import long_ago, settle_down, take_turns


@pytest.fixture(autouse=True)
def _second_sight_follows_at_once(settings: Settings) -> None:
    settings.DRIFT_CONFIRM = timedelta(0)


def assert_pulls(aws: Aws, cast: Cast) -> None:
    """Alice reveals what there is to reveal, and her machine pulls with it."""
    credentials = reveal(PullUser.objects.get(name="birch-bank"), by=By(cast.alice))
    assert list(aws.keys("birch-bank")) == [credentials.access_key_id]
    machine = aws.machine(credentials.access_key_id, credentials.secret_access_key)
    machine.pull("acme/server", "1.1")


def test_user_deleted_behind_the_portals_back_is_made_again_and_let_in(
    aws: Aws, cast: Cast
) -> None:
    approved(cast)
    take_turns()
    aws.delete_user("birch-bank")
    approved(cast, customer="cedar")
    settle_down()
    arns = set(PullUser.objects.values_list("arn", flat=True))
    assert policies.principals(aws.repository_policy("acme/server")) == arns
    # Its keys went with it: there is a new one, and a machine that has it pulls.
    assert_pulls(aws, cast)


def test_key_deleted_behind_the_portals_back_is_replaced(aws: Aws, cast: Cast) -> None:
    approved(cast)
    take_turns()
    old = AccessKey.objects.get()
    aws.iam.delete_access_key(UserName="birch-bank", AccessKeyId=old.access_key_id)
    PullUser.objects.update(due_at=timezone.now())
    take_turns()
    # A young key may only not be visible yet.
    assert aws.keys("birch-bank") == {}
    AccessKey.objects.update(created_at=timezone.now() - timedelta(minutes=6))
    settle_down()
    old.refresh_from_db()
    assert old.status == "Deleted"
    assert OneTimeSecret.objects.get(access_key=old).burned_at is not None
    assert list(aws.keys("birch-bank")) == [AccessKey.objects.current().get().access_key_id]


def test_user_gone_before_its_withdrawal_leaves_no_key_that_seems_to_live(
    aws: Aws, cast: Cast
) -> None:
    entitlement = approved(cast)
    take_turns()
    aws.delete_user("birch-bank")
    long_ago()
    withdraw(entitlement, by=By(cast.sandra), reason="Contract ended")
    take_turns()
    assert PullUser.objects.get().status == "gone"
    assert not AccessKey.objects.living().exists()


def test_grant_of_a_user_made_anew_in_mid_turn_is_not_taken_for_ready(cast: Cast) -> None:
    approved(cast)
    PullUser.objects.update(user_id="AIDAOLD")
    grant = Grant.objects.select_related("pull_user").filter(repository__name="acme/server").get()
    lease = claim(Repository, grant.repository_id)
    assert lease is not None
    PullUser.objects.update(user_id="AIDANEW")
    repository_turn._record(lease, [grant], granted=[grant])
    grant.refresh_from_db()
    assert grant.status == "waiting"


def test_deleted_user_does_not_keep_the_next_customer_out(aws: Aws, cast: Cast) -> None:
    approved(cast)
    take_turns()
    aws.delete_user("birch-bank")
    # Nobody has told the portal; the policy with the deleted user is refused by ECR.
    approved(cast, customer="cedar")
    take_turns()
    cedar = Grant.objects.get(pull_user__name="cedar-clinic", repository__name="acme/server")
    assert cedar.status == "ready"
    # What was found out on the way has the deleted one made anew.
    settle_down()
    assert_pulls(aws, cast)


def test_namesake_made_in_place_of_a_user_is_let_in_anew(aws: Aws, cast: Cast) -> None:
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
    settle_down()
    assert_pulls(aws, cast)


def test_grant_that_the_policy_lost_waits_again(cast: Cast) -> None:
    approved(cast)
    PullUser.objects.update(status="ready", arn="arn:aws:iam::1:user/x", due_at=None)
    Grant.objects.update(status="ready", in_repository_policy=True)
    grant = Grant.objects.select_related("pull_user").filter(repository__name="acme/server").get()
    lease = claim(Repository, grant.repository_id)
    assert lease is not None
    due = repository_turn._record(lease, [grant], granted=[])
    grant.refresh_from_db()
    assert grant.status == "waiting"
    assert due.pull_users == {grant.pull_user_id}
    assert PullUser.objects.get().due_at is not None


def test_policy_that_cannot_be_read_is_said_to_ops_and_left_alone(aws: Aws, cast: Cast) -> None:
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
    settle_down()
    assert policies.statements(aws.repository_policy("acme/server"))[0] == FOREIGN
    assert_pulls(aws, cast)


def test_withdrawn_access_ends_though_its_repositorys_policy_cannot_be_read(
    aws: Aws, cast: Cast
) -> None:
    entitlement = approved(cast)
    settle_down()
    credentials = reveal(PullUser.objects.get(), by=By(cast.alice))
    garbled = Fault("GetRepositoryPolicy", Kind.GARBLED, times=1_000, subject="acme/server")
    aws.embedded.faults.lay(garbled)
    withdraw(entitlement, by=By(cast.sandra), reason="Contract ended")
    settle_down()
    # The grant cannot be taken away; the keys that would use it are.
    assert aws.keys("birch-bank") == {}
    machine = aws.machine(credentials.access_key_id, credentials.secret_access_key)
    aws.assert_refused(machine, "acme/server", "1.1", "security token")
    entitlement.refresh_from_db()
    assert entitlement.closed_at is None
    garbled.times = 0
    settle_down()
    entitlement.refresh_from_db()
    assert entitlement.closed_at is not None


def test_key_switched_off_in_the_console_waits_for_ops_and_holds_up_nothing(
    aws: Aws, cast: Cast
) -> None:
    approved(cast)
    settle_down()
    key = AccessKey.objects.get()
    aws.iam.update_access_key(
        UserName="birch-bank", AccessKeyId=key.access_key_id, Status="Inactive"
    )
    settle_down()
    assert aws.keys("birch-bank") == {key.access_key_id: "Inactive"}
    finding = Finding.objects.open().get()
    assert finding.kind == "key_status"
    approved(cast, product="reports")
    settle_down()
    assert Grant.objects.get(repository__name="acme/reports").status == "ready"
    choose(finding, "repair", by=By(cast.otto), reason="A mistake")
    settle_down()
    assert aws.keys("birch-bank") == {key.access_key_id: "Active"}
    assert Finding.objects.get().ending == "repaired"


def test_adopted_key_stays_as_somebody_switched_it(aws: Aws, cast: Cast) -> None:
    approved(cast)
    settle_down()
    key = AccessKey.objects.get()
    aws.iam.update_access_key(
        UserName="birch-bank", AccessKeyId=key.access_key_id, Status="Inactive"
    )
    settle_down()
    choose(Finding.objects.get(), "adopt", by=By(cast.otto), reason="It leaked")
    settle_down()
    assert aws.keys("birch-bank") == {key.access_key_id: "Inactive"}
    assert AccessKey.objects.get().wanted == "Inactive"
    assert Finding.objects.get().ending == "adopted"


def test_orphan_user_is_removed_when_ops_say_so(aws: Aws, cast: Cast) -> None:
    tags = names.user_tags("gone", "default").items()
    listed = [{"Key": key, "Value": value} for key, value in tags]
    aws.iam.create_user(UserName="gone", Path="/ecr-portal/", Tags=listed)
    aws.iam.create_user(UserName="stranger", Path="/ecr-portal/")
    settle_down()
    finding = Finding.objects.open().get()
    assert (finding.kind, finding.subject) == ("orphan_user", "gone")
    assert aws.users() == ["gone", "stranger"]
    choose(finding, "repair", by=By(cast.otto), reason="Restored from a backup")
    settle_down()
    assert aws.users() == ["stranger"]


def test_drift_is_only_shown_where_nothing_is_to_be_repaired(
    aws: Aws, cast: Cast, settings: Settings
) -> None:
    settings.DRIFT_REPAIR = False
    approved(cast)
    settle_down()
    aws.set_repository_policy("acme/server", {"Version": "2012-10-17", "Statement": [FOREIGN]})
    settle_down()
    assert policies.principals(aws.repository_policy("acme/server")) == set()
    choose(Finding.objects.open().get(), "repair", by=By(cast.otto), reason="Yes")
    settle_down()
    assert len(policies.principals(aws.repository_policy("acme/server"))) == 1


def test_access_is_not_said_to_be_gone_while_a_grant_of_it_stands(aws: Aws, cast: Cast) -> None:
    entitlement = approved(cast)
    approved(cast, product="reports")
    settle_down()
    garbled = Fault("GetRepositoryPolicy", Kind.GARBLED, times=1_000, subject="acme/server")
    aws.embedded.faults.lay(garbled)
    withdraw(entitlement, by=By(cast.sandra), reason="Contract ended")
    settle_down()
    entitlement.refresh_from_db()
    # The pull user stays, for the other product.
    assert entitlement.closed_at is None
    garbled.times = 0
    settle_down()
    entitlement.refresh_from_db()
    assert entitlement.closed_at is not None
