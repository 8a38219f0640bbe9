"""The check that the fault suites end with: it notices what nobody expects."""

from provisioning.demo.seed import Cast
from tests.agreement import disagreements
from tests.aws import LOGIN_POLICY, Aws
from tests.entitlements import approved
from tests.worker import take_turns


def test_anything_of_a_user_that_is_not_expected_is_a_disagreement(aws: Aws, cast: Cast) -> None:
    approved(cast)
    take_turns()
    assert disagreements(aws) == []
    aws.iam.tag_user(UserName="birch-bank", Tags=[{"Key": "tier", "Value": "gold"}])
    (found,) = disagreements(aws)
    assert "'tier': 'gold'" in found


def test_user_that_cannot_sign_in_is_a_disagreement(aws: Aws, cast: Cast) -> None:
    approved(cast)
    take_turns()
    aws.iam.detach_user_policy(UserName="birch-bank", PolicyArn=LOGIN_POLICY)
    (found,) = disagreements(aws)
    assert "may not sign in" in found
