"""What the embedded AWS tells to whoever checks it: its clock, its quotas, and what a policy
would allow."""

import json
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import pytest

from provisioning.embedded_aws import role_arn
from tests.aws import ACCOUNT_ID, Aws
from tests.embedded_aws.test_apis import User, allow, refused

USER = f"arn:aws:iam::{ACCOUNT_ID}:user/ecr-portal/x"
LOGIN_POLICY = f"arn:aws:iam::{ACCOUNT_ID}:policy/ecr-portal/AmazonEC2ContainerRegistryLogin"


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
    told: str = result["EvalDecision"]
    return told


def test_simulation_says_what_the_policy_of_a_role_allows(aws: Aws) -> None:
    assert decision(aws, "iam:CreateAccessKey", USER) == "allowed"
    assert decision(aws, "iam:CreateAccessKey", USER.replace("/ecr-portal/", "/")) == "implicitDeny"
    assert decision(aws, "s3:GetObject", "*") == "implicitDeny"


def test_simulation_goes_by_the_condition_that_it_is_told(aws: Aws) -> None:
    attach = "iam:AttachUserPolicy"
    assert decision(aws, attach, USER, policy_arn=LOGIN_POLICY) == "allowed"
    assert decision(aws, attach, USER, policy_arn=LOGIN_POLICY + "2") == "implicitDeny"
    assert decision(aws, attach, USER) == "implicitDeny"


def test_simulation_tells_a_deny_from_a_silence(aws: Aws) -> None:
    alice = User(aws, "alice")
    denial = json.loads(allow("s3:*"))
    denial["Statement"][0]["Effect"] = "Deny"
    aws.iam.put_user_policy(UserName="alice", PolicyName="p", PolicyDocument=json.dumps(denial))
    assert decision(aws, "s3:GetObject", "*", of=alice.arn) == "explicitDeny"


def test_simulation_of_nobody_is_refused(aws: Aws) -> None:
    told = refused(
        aws.iam.simulate_principal_policy,
        PolicySourceArn=role_arn(ACCOUNT_ID) + "2",
        ActionNames=["s3:GetObject"],
    )
    assert told[:2] == (404, "NoSuchEntity")


@pytest.mark.parametrize(
    ("seconds", "words"), [(301, "Signature expired"), (-310, "Signature not yet current")]
)
def test_signature_of_another_time_of_day_is_refused(aws: Aws, seconds: float, words: str) -> None:
    aws.embedded.rules.seconds_ahead = seconds
    status, code, message = refused(aws.iam.list_users)
    assert (status, code) == (403, "SignatureDoesNotMatch")
    assert message.startswith(words)
    status, code, message = refused(aws.ecr.describe_repositories)
    assert (status, code) == (400, "InvalidSignatureException")
    assert message.startswith(words)


def test_signature_some_minutes_old_is_taken_and_the_date_is_told(aws: Aws) -> None:
    aws.embedded.rules.seconds_ahead = 240
    answer = aws.iam.list_users()
    date = parsedate_to_datetime(answer["ResponseMetadata"]["HTTPHeaders"]["date"])
    assert 235 < (date - datetime.now(UTC)).total_seconds() < 245


def test_summary_tells_the_users_and_their_quota(aws: Aws) -> None:
    aws.embedded.rules.users_per_account = 7
    User(aws, "alice")
    summary = aws.iam.get_account_summary()["SummaryMap"]
    assert (summary["Users"], summary["UsersQuota"]) == (1, 7)


def test_user_with_tags_is_made_only_by_who_may_tag(aws: Aws) -> None:
    alice = User(aws, "alice")
    alice.may("iam:CreateUser")
    iam = alice.client("iam")
    iam.create_user(UserName="plain")
    told = refused(iam.create_user, UserName="tagged", Tags=[{"Key": "k", "Value": "v"}])
    assert told[1] == "AccessDenied"
    assert "iam:TagUser" in told[2]
    alice.may("iam:CreateUser", "iam:TagUser")
    iam.create_user(UserName="tagged", Tags=[{"Key": "k", "Value": "v"}])
