"""Whichever call of AWS fails, and however it fails: the end is as if it had not."""

from datetime import timedelta

import pytest

from provisioning.demo.seed import Cast
from provisioning.embedded_aws.faults import Fault, Kind
from provisioning.flows import Actor
from provisioning.flows.credentials import reissue, reveal
from provisioning.flows.entitlements import withdraw
from provisioning.models import AccessKey, Grant, PullUser
from tests.agreement import assert_provisioned
from tests.aws import Aws
from tests.entitlements import approved
from tests.faults.operations import PROVISIONING, REMOVAL
from tests.worker import run_until_settled, take_turns

# More often than botocore itself retries, so that the turn fails.
OFTEN = 4


def fault(operation: str, how: str) -> Fault:
    match how:
        case "refused":
            return Fault(operation, Kind.REFUSED, times=OFTEN)
        case "throttled":
            refusal = {"status": 400, "code": "ThrottlingException", "message": "Rate exceeded"}
            return Fault(operation, Kind.REFUSED, times=OFTEN, **refusal)  # type: ignore[arg-type]
        case "failed after it took effect":
            return Fault(operation, Kind.FAILED, times=1)
        case _:
            return Fault(operation, Kind.LOST, times=1)


HOW = ["refused", "throttled", "failed after it took effect", "answer lost"]


@pytest.fixture(autouse=True)
def _retry_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """botocore waits between its retries."""
    monkeypatch.setattr("botocore.retries.standard.ExponentialBackoff.delay_amount", lambda *_: 0)


@pytest.mark.parametrize("how", HOW)
@pytest.mark.parametrize("operation", PROVISIONING)
def test_customer_is_provisioned_in_the_end(aws: Aws, cast: Cast, operation: str, how: str) -> None:
    aws.embedded.faults.lay(fault(operation, how))
    approved(cast)
    take_turns()
    run_until_settled()
    assert aws.embedded.faults.are_used_up
    assert_provisioned(aws, cast)


@pytest.mark.parametrize("how", HOW)
@pytest.mark.parametrize("operation", REMOVAL)
def test_access_is_gone_in_the_end(aws: Aws, cast: Cast, operation: str, how: str) -> None:
    entitlement = approved(cast)
    take_turns()
    aws.embedded.faults.lay(fault(operation, how))
    withdraw(entitlement, by=Actor(cast.sandra), reason="Contract ended")
    take_turns()
    run_until_settled()
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
    old = reveal(PullUser.objects.get(), by=Actor(cast.alice))
    aws.embedded.faults.lay(fault(operation, how))
    reissue(PullUser.objects.get(), by=Actor(cast.otto), reason="Leaked", overlap=timedelta(0))
    take_turns()
    run_until_settled()
    assert aws.embedded.faults.are_used_up
    assert old.access_key_id not in aws.keys("birch-bank")
    assert_provisioned(aws, cast)
