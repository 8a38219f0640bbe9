"""Who may do what in the embedded AWS: identity policies, permissions boundaries, the policies of
repositories and registries, and sessions."""

import json
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from provisioning.documents import grammar, role
from provisioning.embedded_aws import boundary_arn
from provisioning.embedded_aws.config import Broken
from tests.aws import ACCOUNT_ID, REGION, Aws
from tests.embedded_aws.users import PULL, User, pulls, refused, repository_policy

ROOT = f"arn:aws:iam::{ACCOUNT_ID}:root"
OTHER_ACCOUNT = "arn:aws:iam::210987654321:root"


def test_in_one_account_either_policy_is_enough(aws: Aws, alice: User) -> None:
    assert not pulls(aws, alice)
    aws.ecr.set_repository_policy(
        repositoryName="acme/server", policyText=repository_policy(alice.arn)
    )
    assert pulls(aws, alice)
    aws.ecr.delete_repository_policy(repositoryName="acme/server")
    alice.allow("ecr:*")
    assert pulls(aws, alice)


def test_deny_is_final(aws: Aws, alice: User) -> None:
    alice.allow("ecr:*")
    denial = repository_policy(alice.arn, effect="Deny")
    aws.ecr.set_repository_policy(repositoryName="acme/server", policyText=denial)
    assert not pulls(aws, alice)


@pytest.mark.parametrize(
    ("more", "admits"),
    [
        ({"Principal": "*"}, True),
        ({"Action": ["ecr:Batch*", "ecr:Get*"]}, True),
        ({"Action": "ecr:PutImage"}, False),
        ({"Principal": {"AWS": f"arn:aws:iam::{ACCOUNT_ID}:root"}}, False),
        (
            {"Condition": {"ArnLike": {"aws:PrincipalArn": "arn:aws:iam::*:user/ecr-portal/*"}}},
            True,
        ),
        ({"Condition": {"StringEquals": {"aws:PrincipalArn": "someone"}}}, False),
        # A condition that is not understood admits nobody.
        ({"Condition": {"BinaryEquals": {"key": "QmluYXJ5"}}}, False),
        ({"Condition": {"StringEquals": {"aws:PrincipalArn": "${aws:PrincipalArn}"}}}, False),
        ({"Condition": {"NumericLessThan": {"aws:MultiFactorAuthAge": 3600}}}, False),
        ({"Condition": {"NumericLessThanIfExists": {"aws:MultiFactorAuthAge": 3600}}}, True),
        ({"Condition": {"Bool": {"aws:PrincipalIsAWSService": False}}}, True),
        ({"Condition": {"Null": {"aws:TokenIssueTime": True}}}, True),
        ({"Condition": {"StringNotLike": {"aws:PrincipalArn": "*:user/staff/*"}}}, True),
        ({"Principal": {"Service": "lambda.amazonaws.com"}}, False),
        ({"Principal": {"Federated": "cognito-identity.amazonaws.com"}}, False),
    ],
)
def test_statement_admits_whom_it_names_to_the_actions_it_lists(
    aws: Aws, alice: User, more: dict[str, Any], *, admits: bool
) -> None:
    aws.ecr.set_repository_policy(
        repositoryName="acme/server", policyText=repository_policy(alice.arn, **more)
    )
    assert pulls(aws, alice) is admits


def test_condition_that_is_not_understood_denies(aws: Aws, alice: User) -> None:
    alice.allow("ecr:*")
    condition = {"BinaryEquals": {"key": "QmluYXJ5"}}
    denial = repository_policy(alice.arn, effect="Deny", Condition=condition)
    aws.ecr.set_repository_policy(repositoryName="acme/server", policyText=denial)
    assert not pulls(aws, alice)


def test_broken_enforcement_admits_what_it_should_refuse(aws: Aws, alice: User) -> None:
    assert not pulls(aws, alice)
    for place in (Broken.REPOSITORY_POLICY, Broken.IDENTITY_POLICY):
        aws.embedded.config.broken = frozenset({place})
        assert pulls(aws, alice)
    aws.embedded.config.broken = frozenset()
    aws.iam.update_access_key(UserName="alice", AccessKeyId=alice.key_id, Status="Inactive")
    assert refused(alice.client("ecr").get_authorization_token)[0] == 400
    aws.embedded.config.broken = frozenset({Broken.KEY_AT_API})
    alice.client("ecr").get_authorization_token()


def set_statements(aws: Aws, statements: Any) -> None:
    aws.set_repository_policy("acme/server", {"Version": "2012-10-17", "Statement": statements})


def test_statement_may_stand_without_a_list_and_names_services(aws: Aws, alice: User) -> None:
    lone = json.loads(repository_policy(alice.arn))["Statement"][0]
    set_statements(aws, lone)
    assert pulls(aws, alice)
    function = lone | {"Principal": {"Service": "lambda.amazonaws.com"}}
    set_statements(aws, [function, lone])
    assert pulls(aws, alice)
    shown = grammar.statements(aws.repository_policy("acme/server"))
    assert shown[0]["Principal"] == {"Service": "lambda.amazonaws.com"}


def test_negated_elements_are_about_everything_else(aws: Aws, alice: User) -> None:
    allowed = {"Effect": "Allow", "Principal": {"AWS": alice.arn}, "NotAction": "ecr:PutImage"}
    set_statements(aws, [allowed])
    assert pulls(aws, alice)
    set_statements(aws, [allowed | {"NotAction": PULL}])
    assert not pulls(aws, alice)


@pytest.mark.parametrize(
    ("spared", "is_bounded", "admits"),
    [
        ([ROOT], False, False),
        (["{arn}"], False, False),
        (["{arn}", ROOT], False, True),
        # "Permissions boundaries": such a Deny is for every user that has one.
        (["{arn}", ROOT], True, False),
    ],
)
def test_deny_spares_only_those_named_together_with_their_account(
    aws: Aws, alice: User, spared: list[str], *, is_bounded: bool, admits: bool
) -> None:
    alice.allow("ecr:*")
    if is_bounded:
        aws.iam.put_user_permissions_boundary(
            UserName="alice", PermissionsBoundary=boundary_arn(ACCOUNT_ID)
        )
    names = [name.format(arn=alice.arn) for name in spared]
    denial = {"Effect": "Deny", "NotPrincipal": {"AWS": names}, "Action": PULL}
    set_statements(aws, [denial])
    assert pulls(aws, alice) is admits


def test_deny_that_names_an_account_is_for_everybody_in_it(aws: Aws, alice: User) -> None:
    alice.allow("ecr:*")
    set_statements(aws, [{"Effect": "Deny", "Principal": {"AWS": ROOT}, "Action": PULL}])
    assert not pulls(aws, alice)


def test_registrys_policy_applies_beside_that_of_a_repository(aws: Aws, alice: User) -> None:
    alice.allow("ecr:*")
    denial = {"Effect": "Deny", "Principal": "*", "Action": PULL, "Resource": "*"}
    text = json.dumps({"Version": "2012-10-17", "Statement": [denial]})
    aws.ecr.put_registry_policy(policyText=text)
    assert json.loads(aws.ecr.get_registry_policy()["policyText"])["Statement"] == [denial]
    assert not pulls(aws, alice)
    aws.ecr.delete_registry_policy()
    assert pulls(aws, alice)
    assert refused(aws.ecr.get_registry_policy)[1] == "RegistryPolicyNotFoundException"


@pytest.mark.parametrize(
    ("break_it", "words"),
    [
        (lambda aws, alice: None, "because no resource-based policy allows the ecr:"),
        (
            lambda aws, alice: set_statements(
                aws, [{"Effect": "Deny", "Principal": "*", "Action": "ecr:*"}]
            ),
            "with an explicit deny in a resource-based policy",
        ),
        (
            lambda aws, alice: aws.iam.put_user_policy(
                UserName="alice",
                PolicyName="deny",
                PolicyDocument=json.dumps(
                    {
                        "Version": "2012-10-17",
                        "Statement": {"Effect": "Deny", "Action": "ecr:*", "Resource": "*"},
                    }
                ),
            ),
            "with an explicit deny in an identity-based policy",
        ),
    ],
)
def test_refusal_says_which_policy_denies(aws: Aws, alice: User, break_it: Any, words: str) -> None:
    break_it(aws, alice)
    call = alice.client("ecr").describe_images
    assert words in refused(call, repositoryName="acme/server")[2]


# --- Boundaries and sessions -------------------------------------------------------


@pytest.fixture
def bounded(aws: Aws, alice: User) -> User:
    """A user within the portal's boundary, whom the repository's policy admits."""
    aws.iam.put_user_permissions_boundary(
        UserName="alice", PermissionsBoundary=boundary_arn(ACCOUNT_ID)
    )
    statement = json.loads(repository_policy(alice.arn))["Statement"][0]
    set_statements(aws, [statement | {"Action": [*PULL, "ecr:DescribeImages"]}])
    return alice


def test_boundary_limits_what_the_users_own_policies_allow(aws: Aws, bounded: User) -> None:
    bounded.allow("ecr:*", "iam:*")
    assert pulls(aws, bounded)
    words = refused(bounded.client("iam").get_user)[2]
    assert "explicit deny in a permissions boundary" in words


def test_boundary_that_only_does_not_allow_leaves_a_repositorys_policy_effective(
    aws: Aws, bounded: User
) -> None:
    describe = bounded.client("ecr").describe_images
    assert "explicit deny" in refused(describe, repositoryName="acme/server")[2]
    silent = role.boundary(ACCOUNT_ID)
    silent["Statement"] = [each for each in silent["Statement"] if each["Effect"] == "Allow"]
    arn = aws.iam.create_policy(PolicyName="silent", PolicyDocument=json.dumps(silent))
    aws.iam.put_user_permissions_boundary(
        UserName="alice", PermissionsBoundary=arn["Policy"]["Arn"]
    )
    assert describe(repositoryName="acme/server")["imageDetails"]


def session_of(aws: Aws, user: User) -> Any:
    """ECR, called by a session that the user's key has got."""
    session = user.client("sts").get_session_token()["Credentials"]
    return boto3.client(
        "ecr",
        endpoint_url=aws.url,
        region_name=REGION,
        aws_access_key_id=session["AccessKeyId"],
        aws_secret_access_key=session["SecretAccessKey"],
        aws_session_token=session["SessionToken"],
    )


def test_session_of_a_user_outlives_its_key_and_ends_with_the_user(aws: Aws, alice: User) -> None:
    ecr = session_of(aws, alice)
    aws.iam.update_access_key(UserName="alice", AccessKeyId=alice.key_id, Status="Inactive")
    ecr.get_authorization_token()
    aws.delete_user("alice")
    with pytest.raises(ClientError, match="security token"):
        ecr.get_authorization_token()


def test_boundary_refuses_the_sessions_of_a_pull_user(aws: Aws, bounded: User) -> None:
    assert pulls(aws, bounded)
    ecr = session_of(aws, bounded)
    assert "permissions boundary" in refused(ecr.get_authorization_token)[2]
    pulled = {"repositoryName": "acme/server", "imageIds": [{"imageTag": "1.1"}]}
    assert "permissions boundary" in refused(ecr.batch_get_image, **pulled)[2]
