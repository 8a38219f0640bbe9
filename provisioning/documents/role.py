"""The least privilege that the portal's role needs in a registry's account. Pure."""

from dataclasses import dataclass
from typing import Any

from provisioning.documents.grammar import VERSION, Document
from provisioning.documents.policies import PULL_ACTIONS


def boundary(account_id: str) -> Document:
    """The limit for every pull user: signing in to the account's registry, and pulling, with an
    access key.

    What a boundary only does not allow, a resource's policy that names the user can still allow;
    what it denies, nothing can: IAM user guide, "Permissions boundaries for IAM entities", on
    resource-based policies. Hence the third statement. The last one refuses sessions: every user
    can get one of up to 36 hours from ``sts:GetSessionToken``, which needs no permission, and it
    outlives the deactivation of its key (STS API reference, "GetSessionToken"). Only requests of
    sessions bring the key ``aws:TokenIssueTime``.
    """
    may = ["ecr:GetAuthorizationToken", *PULL_ACTIONS]
    return {
        "Version": VERSION,
        "Statement": [
            {"Effect": "Allow", "Action": "ecr:GetAuthorizationToken", "Resource": "*"},
            {
                "Effect": "Allow",
                "Action": list(PULL_ACTIONS),
                "Resource": f"arn:aws:ecr:*:{account_id}:repository/*",
            },
            {"Effect": "Deny", "NotAction": may, "Resource": "*"},
            {
                "Effect": "Deny",
                "Action": "*",
                "Resource": "*",
                "Condition": {"Null": {"aws:TokenIssueTime": "false"}},
            },
        ],
    }


@dataclass(frozen=True)
class Permission:
    """One action that a policy allows on one resource; ``context`` holds the condition keys that
    it requires."""

    action: str
    resource: str
    context: dict[str, str]


def permissions(document: Document) -> list[Permission]:
    """The single permissions of a policy like ``portal_role_policy``."""
    return [
        Permission(
            action, statement["Resource"], statement.get("Condition", {}).get("ArnEquals", {})
        )
        for statement in document["Statement"]
        for action in statement["Action"]
    ]


def portal_role_policy(
    account_id: str,
    path: str,
    login_policy_name: str,
    boundary_arn: str,
    *,
    role_name: str = "ecr-portal",
    repositories: str = "*",
) -> Document:
    """IAM users under ``path`` only and within the boundary, and the policies of the repositories
    whose names match ``repositories``.

    It names the one sign-in policy and no other: anyone who may create any policy and attach it to
    a user with keys controls the account, unless that user is within a boundary.
    """
    users = f"arn:aws:iam::{account_id}:user{path}*"
    login_policy = f"arn:aws:iam::{account_id}:policy{path}{login_policy_name}"
    bounded = {"ArnEquals": {"iam:PermissionsBoundary": boundary_arn}}
    create = ["iam:CreateUser", "iam:PutUserPermissionsBoundary"]
    in_repositories = f"arn:aws:ecr:*:{account_id}:repository/{repositories}"
    statements = [
        # IAM looks for a user that does not exist under no path, so a role limited to a path would
        # be denied where it should learn that there is no such user.
        _statement("ReadUsers", READ_USERS, f"arn:aws:iam::{account_id}:user/*"),
        _statement("ReadAccount", ["iam:GetAccountSummary", "iam:ListUsers"], "*"),
        _statement("PullUsers", MANAGE_USERS, users),
        _statement("CreatePullUsers", create, users, bounded),
        _statement(
            "AttachLoginPolicyOnly",
            ["iam:AttachUserPolicy"],
            users,
            {"ArnEquals": {"iam:PolicyARN": login_policy}},
        ),
        _statement("LoginPolicy", LOGIN_POLICY, login_policy),
        _statement("Repositories", REPOSITORIES, in_repositories),
        _statement("ReadRegistryPolicy", ["ecr:GetRegistryPolicy"], "*"),
        _statement(
            "SimulateOwnPermissions",
            ["iam:SimulatePrincipalPolicy"],
            f"arn:aws:iam::{account_id}:role/{role_name}",
        ),
        _statement("UserPolicies", ["iam:PutUserPolicy"], users, bounded),
    ]
    return {"Version": VERSION, "Statement": statements}


READ_USERS = [
    "iam:GetAccessKeyLastUsed",
    "iam:GetUser",
    "iam:GetUserPolicy",
    "iam:ListAccessKeys",
    "iam:ListAttachedUserPolicies",
    "iam:ListGroupsForUser",
    "iam:ListMFADevices",
    "iam:ListSSHPublicKeys",
    "iam:ListServiceSpecificCredentials",
    "iam:ListSigningCertificates",
    "iam:ListUserPolicies",
]
MANAGE_USERS = [
    "iam:CreateAccessKey",
    "iam:DeactivateMFADevice",
    "iam:DeleteAccessKey",
    "iam:DeleteLoginProfile",
    "iam:DeleteSSHPublicKey",
    "iam:DeleteServiceSpecificCredential",
    "iam:DeleteSigningCertificate",
    "iam:DeleteUser",
    "iam:DeleteUserPolicy",
    "iam:DetachUserPolicy",
    "iam:TagUser",
    "iam:UpdateAccessKey",
]
LOGIN_POLICY = [
    "iam:CreatePolicy",
    "iam:CreatePolicyVersion",
    "iam:DeletePolicyVersion",
    "iam:GetPolicy",
    "iam:GetPolicyVersion",
    "iam:ListPolicyVersions",
    "iam:TagPolicy",
]
REPOSITORIES = [
    "ecr:BatchGetImage",
    "ecr:DeleteRepositoryPolicy",
    "ecr:DescribeImages",
    "ecr:DescribeRepositories",
    "ecr:GetRepositoryPolicy",
    "ecr:SetRepositoryPolicy",
]


def _statement(
    sid: str, actions: list[str], resource: str, condition: Document | None = None
) -> dict[str, Any]:
    statement = {"Sid": sid, "Effect": "Allow", "Action": actions, "Resource": resource}
    return statement | ({"Condition": condition} if condition else {})
