"""The embedded AWS behaves as AWS does where the portal's tests rely on it: who is calling, what
they may do, and how it refuses."""

import json

import boto3
import pytest

from provisioning.embedded_aws import (
    EXTERNAL_ID,
    PORTAL_ACCESS_KEY_ID,
    PORTAL_SECRET_ACCESS_KEY,
    ROOT_ACCESS_KEY_ID,
    ROOT_SECRET_ACCESS_KEY,
    boundary_arn,
    repository_policies,
    role_arn,
)
from tests.aws import ACCOUNT_ID, REGION, Aws
from tests.embedded_aws.users import (
    User,
    certificate,
    policy_allowing,
    pulls,
    refused,
    repository_policy,
)

# --- Who is calling ----------------------------------------------------------------


def test_caller_is_identified_by_the_key_of_the_signature(aws: Aws) -> None:
    alice = User(aws, "alice")
    alice.allow("iam:GetUser")
    assert alice.client("sts").get_caller_identity()["Arn"] == alice.arn


def test_signature_with_another_secret_is_refused(aws: Aws) -> None:
    alice = User(aws, "alice")
    iam = aws.client("iam", alice.key_id, "not-her-secret")
    assert refused(iam.get_user, UserName="alice")[:2] == (403, "SignatureDoesNotMatch")
    ecr = aws.client("ecr", alice.key_id, "not-her-secret")
    assert refused(ecr.get_authorization_token)[:2] == (400, "InvalidSignatureException")


@pytest.mark.parametrize("change", ["deactivate", "delete"])
def test_inactive_or_deleted_key_is_refused(aws: Aws, change: str) -> None:
    alice = User(aws, "alice")
    alice.allow("ecr:GetAuthorizationToken", "iam:GetUser")
    alice.client("ecr").get_authorization_token()
    key = {"UserName": "alice", "AccessKeyId": alice.key_id}
    if change == "deactivate":
        aws.iam.update_access_key(**key, Status="Inactive")
    else:
        aws.iam.delete_access_key(**key)
    message = "The security token included in the request is invalid."
    assert refused(alice.client("ecr").get_authorization_token) == (
        400,
        "UnrecognizedClientException",
        message,
    )
    assert refused(alice.client("iam").get_user)[1:] == ("InvalidClientTokenId", message)


def test_key_id_copied_with_a_blank_makes_an_incomplete_signature(aws: Aws) -> None:
    alice = User(aws, "alice")
    iam = aws.client("iam", f" {alice.key_id}", alice.secret)
    assert refused(iam.get_user)[:2] == (403, "IncompleteSignature")
    ecr = aws.client("ecr", f" {alice.key_id}", alice.secret)
    assert refused(ecr.get_authorization_token)[:2] == (400, "IncompleteSignatureException")


def test_user_moved_to_another_path_keeps_its_tags_and_its_place_in_policies(aws: Aws) -> None:
    alice = User(aws, "alice")
    aws.iam.tag_user(UserName="alice", Tags=[{"Key": "team", "Value": "one"}])
    aws.set_repository_policy("acme/server", json.loads(repository_policy(alice.arn)))
    aws.iam.update_user(UserName="alice", NewPath="/people/")
    moved = aws.iam.get_user(UserName="alice")["User"]
    assert moved["Tags"] == [{"Key": "team", "Value": "one"}]
    assert moved["Arn"] == f"arn:aws:iam::{ACCOUNT_ID}:user/people/alice"
    assert repository_policies.named_in(
        aws.repository_policy("acme/server")["Statement"][0]  # type: ignore[index]
    ) == [moved["Arn"]]
    # The old ARN names nobody any more.
    assert "Principal not found" in set_policy(aws, repository_policy(alice.arn))[2]


@pytest.mark.parametrize("element", ["Principal", "NotPrincipal"])
@pytest.mark.parametrize("who", ["AROAEXAMPLEEXAMPLE001", "arn:aws:iam::210987654321:role/ci"])
def test_policy_that_names_somebody_who_is_gone_is_refused(
    aws: Aws, element: str, who: str
) -> None:
    aws.embedded.config.closed_accounts = frozenset({"210987654321"})
    statement = {"Effect": "Deny", element: {"AWS": who}, "Action": "ecr:*"}
    text = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    assert "Principal not found" in set_policy(aws, text)[2]


def test_role_can_be_assumed_only_with_its_external_id(aws: Aws) -> None:
    sts = aws.client("sts", PORTAL_ACCESS_KEY_ID, PORTAL_SECRET_ACCESS_KEY)
    role = {"RoleArn": role_arn(ACCOUNT_ID), "RoleSessionName": "test"}
    assert refused(sts.assume_role, **role)[:2] == (403, "AccessDenied")
    assert refused(sts.assume_role, **role, ExternalId="guess")[:2] == (403, "AccessDenied")
    assert sts.assume_role(**role, ExternalId=EXTERNAL_ID)["Credentials"]


def test_key_of_a_session_is_refused_without_its_token(aws: Aws) -> None:
    sts = aws.client("sts", PORTAL_ACCESS_KEY_ID, PORTAL_SECRET_ACCESS_KEY)
    role = {"RoleArn": role_arn(ACCOUNT_ID), "RoleSessionName": "test", "ExternalId": EXTERNAL_ID}
    session = sts.assume_role(**role)["Credentials"]
    iam = aws.client("iam", session["AccessKeyId"], session["SecretAccessKey"])
    assert refused(iam.get_user, UserName="x")[:2] == (403, "InvalidClientTokenId")


def test_portals_own_identity_may_do_nothing_but_assume_roles(aws: Aws) -> None:
    iam = aws.client("iam", PORTAL_ACCESS_KEY_ID, PORTAL_SECRET_ACCESS_KEY)
    status, code, message = refused(iam.list_users)
    assert (status, code) == (403, "AccessDenied")
    assert "is not authorized to perform: iam:ListUsers" in message


def test_portals_role_may_do_what_its_policy_allows_and_no_more(aws: Aws) -> None:
    sts = aws.client("sts", PORTAL_ACCESS_KEY_ID, PORTAL_SECRET_ACCESS_KEY)
    session = sts.assume_role(
        RoleArn=role_arn(ACCOUNT_ID), RoleSessionName="test", ExternalId=EXTERNAL_ID
    )["Credentials"]
    client = boto3.Session(
        aws_access_key_id=session["AccessKeyId"],
        aws_secret_access_key=session["SecretAccessKey"],
        aws_session_token=session["SessionToken"],
        region_name=REGION,
    ).client
    iam, ecr = client("iam", endpoint_url=aws.url), client("ecr", endpoint_url=aws.url)
    bounded = {"PermissionsBoundary": boundary_arn(ACCOUNT_ID)}
    iam.create_user(UserName="ours", Path="/ecr-portal/", **bounded)
    assert refused(iam.create_user, UserName="stray", Path="/", **bounded)[1] == "AccessDenied"
    assert refused(iam.create_user, UserName="wild", Path="/ecr-portal/")[1] == "AccessDenied"
    assert refused(iam.list_roles)[1] == "AccessDenied"
    # It can neither write nor attach a policy of its own: that would give it the account.
    admin = {"PolicyName": "Admin", "PolicyDocument": policy_allowing("*"), "Path": "/ecr-portal/"}
    assert refused(iam.create_policy, **admin)[1] == "AccessDenied"
    arn = aws.iam.create_policy(**admin)["Policy"]["Arn"]
    attached = refused(iam.attach_user_policy, UserName="ours", PolicyArn=arn)
    assert attached[1] == "AccessDenied"
    assert refused(ecr.get_authorization_token)[:2] == (400, "AccessDeniedException")


# --- What is refused ---------------------------------------------------------------


def set_policy(aws: Aws, text: str) -> tuple[int, str, str]:
    return refused(aws.ecr.set_repository_policy, repositoryName="acme/server", policyText=text)


def test_user_that_ecr_does_not_know_yet_is_refused_with_its_message(aws: Aws) -> None:
    aws.embedded.config.propagation_seconds = 3600
    alice = User(aws, "alice")
    assert set_policy(aws, repository_policy(alice.arn)) == (
        400,
        "InvalidParameterException",
        "Invalid parameter at 'PolicyText' failed to satisfy constraint: 'Principal not found'",
    )
    aws.embedded.config.propagation_seconds = 0
    aws.ecr.set_repository_policy(
        repositoryName="acme/server", policyText=repository_policy(alice.arn)
    )


def test_deleted_user_is_shown_as_an_id_that_ecr_refuses_to_take_back(
    aws: Aws, alice: User
) -> None:
    aws.ecr.set_repository_policy(
        repositoryName="acme/server", policyText=repository_policy(alice.arn)
    )
    aws.iam.delete_user_policy(UserName="alice", PolicyName="p")
    aws.delete_user("alice")
    found = aws.repository_policy("acme/server")
    assert found is not None
    assert found["Statement"][0]["Principal"]["AWS"].startswith("AIDA")
    assert "Principal not found" in set_policy(aws, json.dumps(found))[2]
    # Another user of the same name is not admitted by it.
    successor = User(aws, "alice")
    successor.allow("ecr:GetAuthorizationToken")
    assert not pulls(aws, successor)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "Invalid repository policy provided"),
        (repository_policy("arn:aws:iam::123456789012:root", Resource="*"), "Invalid repository"),
        (repository_policy("arn:aws:iam::123456789012:user/nobody"), "Principal not found"),
        (repository_policy("AIDAEXAMPLEEXAMPLE123"), "Principal not found"),
        (" " * 10_241, "less than or equal to 10240"),
    ],
)
def test_repository_policy_that_ecr_would_refuse_is_refused(
    aws: Aws, text: str, message: str
) -> None:
    status, code, answered = set_policy(aws, text)
    assert (status, code) == (400, "InvalidParameterException")
    assert message in answered


def test_policy_of_exactly_10240_characters_is_accepted(aws: Aws, alice: User) -> None:
    text = repository_policy(alice.arn)
    aws.ecr.set_repository_policy(
        repositoryName="acme/server", policyText=text + " " * (10_240 - len(text))
    )


@pytest.mark.parametrize("name", ["with space", "ä", "a" * 65])
def test_user_name_that_iam_does_not_accept_is_refused(aws: Aws, name: str) -> None:
    unvalidated = boto3.client(
        "iam",
        endpoint_url=aws.url,
        region_name=REGION,
        aws_access_key_id="AKIAROOTROOTROOTDEMO",
        aws_secret_access_key="root-secret-of-the-embedded-aws-00000000",
        config=boto3.session.Config(parameter_validation=False),
    )
    assert refused(unvalidated.create_user, UserName=name)[1] == "ValidationError"


def test_service_that_is_not_embedded_is_refused_with_words(aws: Aws) -> None:
    sns = aws.client("sns", ROOT_ACCESS_KEY_ID, ROOT_SECRET_ACCESS_KEY)
    assert refused(sns.list_topics) == (
        404,
        "UnknownOperationException",
        "The embedded AWS has no sns.",
    )


def test_names_that_differ_only_in_case_conflict(aws: Aws) -> None:
    aws.iam.create_user(UserName="Birch-Bank")
    assert refused(aws.iam.create_user, UserName="birch-bank") == (
        409,
        "EntityAlreadyExists",
        "User with name birch-bank already exists.",
    )


def test_refusal_names_the_exceeded_quota(aws: Aws) -> None:
    aws.embedded.config.users_per_account = 1
    aws.embedded.config.policies_per_user = 1
    User(aws, "alice")
    aws.iam.create_access_key(UserName="alice")
    document = policy_allowing("s3:*")
    arns = [
        aws.iam.create_policy(PolicyName=name, PolicyDocument=document)["Policy"]["Arn"]
        for name in ("one", "two")
    ]
    aws.iam.attach_user_policy(UserName="alice", PolicyArn=arns[0])
    for call, parameters, quota in [
        (aws.iam.create_user, {"UserName": "bob"}, "UsersPerAccount: 1"),
        (aws.iam.create_access_key, {"UserName": "alice"}, "AccessKeysPerUser: 2"),
        (
            aws.iam.attach_user_policy,
            {"UserName": "alice", "PolicyArn": arns[1]},
            "PoliciesPerUser: 1",
        ),
        (
            aws.iam.create_policy,
            {"PolicyName": "long", "PolicyDocument": policy_allowing("s3:" + "x" * 6_144)},
            "PolicySize: 6144",
        ),
    ]:
        assert refused(call, **parameters) == (
            409,
            "LimitExceeded",
            f"Cannot exceed quota for {quota}",
        )
    aws.embedded.config.users_per_account = 10
    tags = [{"Key": f"k{n}", "Value": "v"} for n in range(51)]
    assert "TagsPerUser" in refused(aws.iam.create_user, UserName="bob", Tags=tags)[2]


def test_user_with_dependencies_cannot_be_deleted(aws: Aws) -> None:
    alice = User(aws, "alice")
    alice.allow("s3:*")
    aws.iam.create_login_profile(UserName="alice", Password="A-password-1")
    aws.iam.create_group(GroupName="g")
    aws.iam.add_user_to_group(GroupName="g", UserName="alice")
    aws.iam.create_virtual_mfa_device(VirtualMFADeviceName="phone")
    serial = f"arn:aws:iam::{ACCOUNT_ID}:mfa/phone"
    codes = {"AuthenticationCode1": "123456", "AuthenticationCode2": "654321"}
    aws.iam.enable_mfa_device(UserName="alice", SerialNumber=serial, **codes)
    ssh_key = aws.iam.upload_ssh_public_key(UserName="alice", SSHPublicKeyBody="ssh-rsa AAAA")
    ssh_key_id = ssh_key["SSHPublicKey"]["SSHPublicKeyId"]
    signing = aws.iam.upload_signing_certificate(UserName="alice", CertificateBody=certificate())[
        "Certificate"
    ]["CertificateId"]
    undo = [
        lambda: aws.iam.deactivate_mfa_device(UserName="alice", SerialNumber=serial),
        lambda: aws.iam.delete_ssh_public_key(UserName="alice", SSHPublicKeyId=ssh_key_id),
        lambda: aws.iam.delete_signing_certificate(UserName="alice", CertificateId=signing),
        lambda: aws.iam.delete_access_key(UserName="alice", AccessKeyId=alice.key_id),
        lambda: aws.iam.delete_user_policy(UserName="alice", PolicyName="p"),
        lambda: aws.iam.delete_login_profile(UserName="alice"),
        lambda: aws.iam.remove_user_from_group(GroupName="g", UserName="alice"),
    ]
    for step in undo:
        assert refused(aws.iam.delete_user, UserName="alice")[:2] == (409, "DeleteConflict")
        step()
    aws.iam.delete_user(UserName="alice")


def test_attached_policy_cannot_be_deleted(aws: Aws) -> None:
    User(aws, "alice")
    policy = {"PolicyName": "one", "PolicyDocument": policy_allowing("s3:*")}
    arn = aws.iam.create_policy(**policy)["Policy"]["Arn"]
    aws.iam.attach_user_policy(UserName="alice", PolicyArn=arn)
    assert refused(aws.iam.delete_policy, PolicyArn=arn)[:2] == (409, "DeleteConflict")
    aws.iam.detach_user_policy(UserName="alice", PolicyArn=arn)
    aws.iam.delete_policy(PolicyArn=arn)


# --- Switches and reset ------------------------------------------------------------


def test_reset_forgets_everything(aws: Aws) -> None:
    alice = User(aws, "alice")
    aws.begin()
    assert aws.users() == []
    assert refused(alice.client("ecr").get_authorization_token)[1] == "UnrecognizedClientException"
    assert aws.embedded.calls == []
