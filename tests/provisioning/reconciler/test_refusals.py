"""A refusal is the trouble of the row that it hit: everything else goes on, and taking access away
above all."""

import json
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from pytest_django.fixtures import Settings

from provisioning.demo.seed import ACCOUNT_ID, REGION, Cast
from provisioning.embedded_aws.faults import Fault, Kind
from provisioning.flows import Actor
from provisioning.flows.credentials import reissue, reveal
from provisioning.flows.entitlements import suspend, withdraw
from provisioning.models import AccessKey, Drift, Grant, PullUser, Registry, Repository
from tests.aws import Aws
from tests.entitlements import approved
from tests.repository_policies import FOREIGN, admitted, document
from tests.worker import long_ago, run_until_settled, take_turns

EVERYTHING: dict[str, Any] = {
    "Sid": "IPDeny",
    "Effect": "Deny",
    "Principal": "*",
    "Action": "ecr:*",
    "Condition": {"NotIpAddress": {"aws:SourceIp": ["54.240.143.0/24"]}},
}


@pytest.fixture(autouse=True)
def _drift_is_confirmed_at_once(settings: Settings) -> None:
    settings.DRIFT_CONFIRM = timedelta(0)


def deny_to_role(aws: Aws, *actions: str) -> None:
    statement = {"Effect": "Deny", "Action": list(actions), "Resource": "*"}
    aws.iam.put_role_policy(
        RoleName="ecr-portal",
        PolicyName="deny",
        PolicyDocument=json.dumps(document(statement)),
    )


def refuse(operation: str, subject: str = "", message: str = "No.") -> Fault:
    code = "AccessDeniedException" if "Repository" in operation else "AccessDenied"
    return Fault(operation, Kind.REFUSED, 10_000, 400, code, message, subject)


def test_repository_that_denies_the_portal_holds_up_nothing_else(aws: Aws, cast: Cast) -> None:
    entitlement = approved(cast)
    run_until_settled()
    credentials = reveal(PullUser.objects.get(), by=Actor(cast.alice))
    aws.set_repository_policy("acme/reports", document(EVERYTHING))
    approved(cast, cast.reports, customer=cast.cedar)
    run_until_settled()
    reports = Repository.objects.get(name="acme/reports")
    assert "A Deny in a resource-based policy stands against it" in reports.attention
    assert "add the permission" not in reports.attention
    assert Registry.objects.get().paused_at is None
    approved(cast, customer=cast.cedar)
    withdraw(entitlement, by=Actor(cast.sandra), reason="Unpaid")
    run_until_settled()
    assert aws.users() == ["cedar-clinic"]
    machine = aws.machine(credentials.access_key_id, credentials.secret_access_key)
    aws.assert_refused(machine, "acme/server", "1.1", "security token")
    cedar = Grant.objects.get(pull_user__name="cedar-clinic", repository__name="acme/server")
    assert cedar.status == "ready"


def test_missing_permission_is_told_apart_from_a_deny(aws: Aws, cast: Cast) -> None:
    message = "because no identity-based policy allows the iam:CreateUser action"
    aws.embedded.faults.lay(refuse("CreateUser", message=message))
    approved(cast)
    take_turns()
    assert "can add the permission" in PullUser.objects.get().attention
    deny_to_role(aws, "iam:CreateUser")
    aws.embedded.faults.clear()
    run_until_settled()
    words = PullUser.objects.get().attention
    assert "A Deny in an identity-based policy stands against it: no permission helps" in words


def test_one_users_refusal_pauses_nothing(aws: Aws, cast: Cast) -> None:
    aws.embedded.faults.lay(refuse("CreateUser", "birch-bank"))
    approved(cast)
    approved(cast, customer=cast.cedar)
    run_until_settled()
    assert PullUser.objects.get(name="birch-bank").attention
    assert PullUser.objects.get(name="cedar-clinic").status == "ready"
    assert Registry.objects.get().paused_at is None


def test_two_of_many_that_are_refused_pause_nothing(aws: Aws, cast: Cast) -> None:
    approved(cast, cast.reports)
    run_until_settled()
    for name in ("acme/server", "acme/agent"):
        aws.embedded.faults.lay(refuse("SetRepositoryPolicy", name))
    approved(cast)
    approved(cast, cast.reports, customer=cast.cedar)
    take_turns()
    Repository.objects.filter(name="acme/reports").update(due_at=timezone.now())
    run_until_settled()
    assert Registry.objects.get().paused_at is None


@pytest.mark.parametrize("lost", ["the role", "one call"])
def test_while_a_registry_is_paused_access_is_still_taken_away(
    aws: Aws, cast: Cast, lost: str
) -> None:
    birch, cedar = approved(cast), approved(cast, customer=cast.cedar)
    run_until_settled()
    key = AccessKey.objects.get(pull_user__name="birch-bank")
    Registry.objects.update(
        paused_at=timezone.now(), paused_for="" if lost == "the role" else "pull_user"
    )
    PullUser.objects.filter(name="cedar-clinic").update(denied="CreateUser")
    if lost == "one call":
        deny_to_role(aws, "iam:CreateUser")
    suspend(birch, by=Actor(cast.sandra), reason="Unpaid")
    take_turns()
    assert aws.keys("birch-bank") == {key.access_key_id: "Inactive"}
    assert admitted(aws.repository_policy("acme/server")) == {
        PullUser.objects.get(name="cedar-clinic").arn
    }
    withdraw(cedar, by=Actor(cast.sandra), reason="Unpaid")
    take_turns()
    assert aws.users() == ["birch-bank"]


def test_leaked_key_is_deleted_while_the_registry_is_paused(aws: Aws, cast: Cast) -> None:
    approved(cast)
    run_until_settled()
    old = AccessKey.objects.get()
    Registry.objects.update(paused_at=timezone.now())
    Repository.objects.filter(name="acme/server").update(denied="SetRepositoryPolicy")
    reissue(PullUser.objects.get(), by=Actor(cast.otto), reason="Leaked", overlap=timedelta(0))
    take_turns()
    assert old.access_key_id not in aws.keys("birch-bank")


def test_pause_of_one_region_leaves_the_accounts_users_to_another(aws: Aws, cast: Cast) -> None:
    entitlement = approved(cast)
    run_until_settled()
    Registry.objects.update(paused_at=timezone.now(), paused_for="pull_user")
    first = Registry.objects.get()
    Registry.objects.create(
        name="Ireland",
        account_id=ACCOUNT_ID,
        region="eu-west-1",
        role_arn=first.role_arn,
        external_id=first.external_id,
        boundary_arn=first.boundary_arn,
        endpoint_url=first.endpoint_url,
    )
    assert REGION != "eu-west-1"
    withdraw(entitlement, by=Actor(cast.sandra), reason="Unpaid")
    run_until_settled()
    assert aws.users() == []


def test_keys_go_at_once_where_the_policy_cannot_be_written(aws: Aws, cast: Cast) -> None:
    entitlement = approved(cast)
    run_until_settled()
    aws.embedded.faults.lay(refuse("SetRepositoryPolicy"))
    aws.embedded.faults.lay(refuse("DeleteRepositoryPolicy"))
    withdraw(entitlement, by=Actor(cast.sandra), reason="Unpaid")
    take_turns()
    PullUser.objects.update(due_at=timezone.now())
    take_turns()
    assert aws.keys("birch-bank") == {}


def test_removal_waits_seconds_for_the_grant_and_no_longer(aws: Aws, cast: Cast) -> None:
    entitlement = approved(cast)
    run_until_settled()
    withdraw(entitlement, by=Actor(cast.sandra), reason="Unpaid")
    # The repositories' messages are lost.
    Repository.objects.update(due_at=None)
    take_turns()
    assert (PullUser.objects.get().due_at - timezone.now()).total_seconds() < 5  # type: ignore[operator]
    assert aws.keys("birch-bank") != {}
    PullUser.objects.update(desired_at=timezone.now() - timedelta(seconds=11))
    PullUser.objects.update(due_at=timezone.now())
    take_turns()
    assert aws.keys("birch-bank") == {}


# --- Steps are not one chain -------------------------------------------------------


def test_users_own_policy_shrinks_although_a_policy_cannot_be_attached(
    aws: Aws, cast: Cast
) -> None:
    Repository.objects.update(placement="user_policy")
    entitlement = approved(cast)
    approved(cast, cast.reports)
    run_until_settled()
    credentials = reveal(PullUser.objects.get(), by=Actor(cast.alice))
    machine = aws.machine(credentials.access_key_id, credentials.secret_access_key)
    token = machine.login_token()
    machine.pull("acme/server", "1.1", token=token)
    aws.iam.detach_user_policy(UserName="birch-bank", PolicyArn=LOGIN)
    aws.embedded.config.policies_per_user = 0
    withdraw(entitlement, by=Actor(cast.sandra), reason="Unpaid")
    take_turns()
    with pytest.raises(Exception, match="not authorized"):
        machine.pull("acme/server", "1.1", token=token)


LOGIN = f"arn:aws:iam::{ACCOUNT_ID}:policy/ecr-portal/AmazonEC2ContainerRegistryLogin"


def test_waiting_drift_holds_back_nothing_but_its_own_repair(
    aws: Aws, cast: Cast, settings: Settings
) -> None:
    approved(cast)
    run_until_settled()
    settings.DRIFT_CONFIRM = timedelta(hours=1)
    long_ago()
    aws.set_repository_policy("acme/server", document(FOREIGN))
    Repository.objects.update(due_at=timezone.now())
    take_turns()
    assert admitted(aws.repository_policy("acme/server")) == set()
    approved(cast, customer=cast.cedar)
    take_turns()
    cedar = PullUser.objects.get(name="cedar-clinic")
    assert cedar.arn in admitted(aws.repository_policy("acme/server"))
    # The write set the whole of it right.
    assert Drift.objects.get(kind="statement_changed").ending == "repaired"


def test_key_is_created_while_a_users_drift_waits(aws: Aws, cast: Cast, settings: Settings) -> None:
    approved(cast)
    run_until_settled()
    settings.DRIFT_CONFIRM = timedelta(hours=1)
    aws.iam.tag_user(UserName="birch-bank", Tags=[{"Key": "ecr-portal:label", "Value": "x"}])
    reissue(PullUser.objects.get(), by=Actor(cast.otto), reason="Leaked", overlap=timedelta(0))
    take_turns()
    assert list(aws.keys("birch-bank")) == [AccessKey.objects.current().get().access_key_id]
