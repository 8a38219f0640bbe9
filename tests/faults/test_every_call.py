"""Whatever single call of AWS goes wrong, and however: the end is as if it had not."""

from datetime import timedelta

import pytest

from provisioning import policies
from provisioning.demo.cast import Cast
from provisioning.embedded_aws.faults import Fault, Kind
from provisioning.flows import By
from provisioning.flows.decide import withdraw
from provisioning.flows.reissue import reissue
from provisioning.flows.reveal import reveal
from provisioning.models import AccessKey, Grant, PullUser
from tests.aws import Aws
from tests.provisioning.test_reconcile import approved
from tests.turns import take_turns

PROVISIONING = [
    "AssumeRole",
    "GetUser",
    "GetPolicy",
    "CreatePolicy",
    "CreateUser",
    "AttachUserPolicy",
    "CreateAccessKey",
    "DescribeRepositories",
    "DescribeImages",
    "GetRepositoryPolicy",
    "SetRepositoryPolicy",
]
REMOVAL = [
    "DeleteRepositoryPolicy",
    "ListAccessKeys",
    "DeleteAccessKey",
    "ListAttachedUserPolicies",
    "DetachUserPolicy",
    "DeleteUser",
]
# More than botocore's own tries, so that the turn itself fails.
OFTEN = 4


def fault(operation: str, how: str) -> Fault:
    match how:
        case "refused":
            return Fault(operation, Kind.REFUSED, times=OFTEN)
        case "throttled":
            refusal = {"status": 400, "code": "ThrottlingException", "message": "Rate exceeded"}
            return Fault(operation, Kind.REFUSED, times=OFTEN, **refusal)  # type: ignore[arg-type]
        case "failed after it was done":
            return Fault(operation, Kind.FAILED, times=1)
        case _:
            return Fault(operation, Kind.LOST, times=1)


HOW = ["refused", "throttled", "failed after it was done", "answer lost"]


def take_turns_until_quiet() -> None:
    for _ in range(6):
        take_turns(even_if_not_due=True)


@pytest.fixture(autouse=True)
def _without_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """botocore waits between its tries; what it waits for is not what is tested."""
    monkeypatch.setattr("botocore.retries.standard.ExponentialBackoff.delay_amount", lambda *_: 0)


@pytest.mark.parametrize("how", HOW)
@pytest.mark.parametrize("operation", PROVISIONING)
def test_customer_is_provisioned_in_the_end(aws: Aws, cast: Cast, operation: str, how: str) -> None:
    aws.embedded.faults.lay(fault(operation, how))
    approved(cast)
    take_turns()
    take_turns_until_quiet()
    assert aws.embedded.faults.are_used_up
    assert_provisioned(aws, cast)


@pytest.mark.parametrize("how", HOW)
@pytest.mark.parametrize("operation", REMOVAL)
def test_access_is_gone_in_the_end(aws: Aws, cast: Cast, operation: str, how: str) -> None:
    entitlement = approved(cast)
    take_turns()
    aws.embedded.faults.lay(fault(operation, how))
    withdraw(entitlement, by=By(cast.sandra), reason="Contract ended")
    take_turns()
    take_turns_until_quiet()
    assert aws.embedded.faults.are_used_up
    assert aws.users() == []
    assert aws.repository_policy("acme/server") is None
    assert PullUser.objects.get().status == "gone"
    assert set(Grant.objects.values_list("status", flat=True)) == {"gone"}
    assert not AccessKey.objects.living().exists()


@pytest.mark.parametrize("how", HOW)
@pytest.mark.parametrize("operation", ["CreateAccessKey", "ListAccessKeys", "DeleteAccessKey"])
def test_key_is_reissued_in_the_end(aws: Aws, cast: Cast, operation: str, how: str) -> None:
    approved(cast)
    take_turns()
    old = reveal(PullUser.objects.get(), by=By(cast.alice))
    aws.embedded.faults.lay(fault(operation, how))
    reissue(PullUser.objects.get(), by=By(cast.otto), reason="Leaked", overlap=timedelta(0))
    take_turns()
    take_turns_until_quiet()
    assert aws.embedded.faults.are_used_up
    assert old.access_key_id not in aws.keys("birch-bank")
    assert_provisioned(aws, cast)


def assert_provisioned(aws: Aws, cast: Cast) -> None:
    """One user, one key that is known and whose secret can be revealed, and the grants."""
    pull_user = PullUser.objects.get()
    assert (pull_user.status, pull_user.attention, pull_user.failures) == ("ready", "", 0)
    assert aws.users() == ["birch-bank"]
    for repository in ("acme/server", "acme/agent"):
        assert policies.principals(aws.repository_policy(repository)) == {pull_user.arn}
    credentials = reveal(pull_user, by=By(cast.alice))
    assert aws.keys("birch-bank") == {credentials.access_key_id: "Active"}
    machine = aws.machine(credentials.access_key_id, credentials.secret_access_key)
    machine.pull("acme/server", "1.1")
