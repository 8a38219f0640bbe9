"""What the embedded AWS reports to a check of its set-up: its clock, its quotas, and what a policy
would allow."""

import json
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import pytest

from provisioning.embedded_aws import role_arn
from tests.aws import ACCOUNT_ID, LOGIN_POLICY, Aws
from tests.embedded_aws.users import User, policy_allowing, refused

USER = f"arn:aws:iam::{ACCOUNT_ID}:user/ecr-portal/x"


def decision(aws: Aws, action: str, resource: str, *, policy_arn: str = "", of: str = "") -> str:
    context = [
        {
            "ContextKeyName": "iam:PolicyARN",
            "ContextKeyValues": [policy_arn],
            "ContextKeyType": "string",
        }
    ]
    (result,) = aws.iam.simulate_principal_policy(
        PolicySourceArn=of or role_arn(ACCOUNT_ID),
        ActionNames=[action],
        ResourceArns=[resource],
        ContextEntries=context if policy_arn else [],
    )["EvaluationResults"]
    assert (result["EvalActionName"], result["EvalResourceName"]) == (action, resource)
    decided: str = result["EvalDecision"]
    return decided


def test_simulation_reports_what_the_policy_of_a_role_allows(aws: Aws) -> None:
    assert decision(aws, "iam:CreateAccessKey", USER) == "allowed"
    assert decision(aws, "iam:CreateAccessKey", USER.replace("/ecr-portal/", "/")) == "implicitDeny"
    assert decision(aws, "s3:GetObject", "*") == "implicitDeny"


def test_simulation_respects_the_condition_keys_it_is_given(aws: Aws) -> None:
    attach = "iam:AttachUserPolicy"
    assert decision(aws, attach, USER, policy_arn=LOGIN_POLICY) == "allowed"
    assert decision(aws, attach, USER, policy_arn=LOGIN_POLICY + "2") == "implicitDeny"
    assert decision(aws, attach, USER) == "implicitDeny"


def test_simulation_distinguishes_explicit_from_implicit_deny(aws: Aws) -> None:
    alice = User(aws, "alice")
    denial = json.loads(policy_allowing("s3:*"))
    denial["Statement"][0]["Effect"] = "Deny"
    aws.iam.put_user_policy(UserName="alice", PolicyName="p", PolicyDocument=json.dumps(denial))
    assert decision(aws, "s3:GetObject", "*", of=alice.arn) == "explicitDeny"


def test_simulation_for_a_missing_principal_is_refused(aws: Aws) -> None:
    refusal = refused(
        aws.iam.simulate_principal_policy,
        PolicySourceArn=role_arn(ACCOUNT_ID) + "2",
        ActionNames=["s3:GetObject"],
    )
    assert refusal[:2] == (404, "NoSuchEntity")


@pytest.mark.parametrize(
    ("seconds", "beginning"), [(301, "Signature expired"), (-310, "Signature not yet current")]
)
def test_signature_from_a_wrong_clock_is_refused(aws: Aws, seconds: float, beginning: str) -> None:
    aws.embedded.config.seconds_ahead = seconds
    status, code, message = refused(aws.iam.list_users)
    assert (status, code) == (403, "SignatureDoesNotMatch")
    assert message.startswith(beginning)
    status, code, message = refused(aws.ecr.describe_repositories)
    assert (status, code) == (400, "InvalidSignatureException")
    assert message.startswith(beginning)


def test_signature_some_minutes_old_is_accepted_and_the_answer_is_dated(aws: Aws) -> None:
    aws.embedded.config.seconds_ahead = 240
    answer = aws.iam.list_users()
    date = parsedate_to_datetime(answer["ResponseMetadata"]["HTTPHeaders"]["date"])
    assert 235 < (date - datetime.now(UTC)).total_seconds() < 245


def test_summary_has_the_number_of_users_and_their_quota(aws: Aws) -> None:
    aws.embedded.config.users_per_account = 7
    User(aws, "alice")
    summary = aws.iam.get_account_summary()["SummaryMap"]
    assert (summary["Users"], summary["UsersQuota"]) == (1, 7)


def test_creating_a_user_with_tags_needs_permission_to_tag(aws: Aws) -> None:
    alice = User(aws, "alice")
    alice.allow("iam:CreateUser")
    iam = alice.client("iam")
    iam.create_user(UserName="plain")
    refusal = refused(iam.create_user, UserName="tagged", Tags=[{"Key": "k", "Value": "v"}])
    assert refusal[1] == "AccessDenied"
    assert "iam:TagUser" in refusal[2]
    alice.allow("iam:CreateUser", "iam:TagUser")
    iam.create_user(UserName="tagged", Tags=[{"Key": "k", "Value": "v"}])
