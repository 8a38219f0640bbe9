"""The least that the portal's own role needs in a registry's account. Pure."""

from dataclasses import dataclass
from typing import Any

from provisioning.policies import PULL_ACTIONS, VERSION, Document


def boundary(account_id: str) -> Document:
    """What no pull user can exceed, whatever policies it is given: sign in to the account's
    registry, and pull."""
    return {
        "Version": VERSION,
        "Statement": [
            {"Effect": "Allow", "Action": "ecr:GetAuthorizationToken", "Resource": "*"},
            {
                "Effect": "Allow",
                "Action": list(PULL_ACTIONS),
                "Resource": f"arn:aws:ecr:*:{account_id}:repository/*",
            },
        ],
    }


@dataclass(frozen=True)
class Permission:
    """One action that a policy allows on one resource; ``context`` are the condition keys
    that it asks for."""

    action: str
    resource: str
    context: dict[str, str]


def permissions(document: Document) -> list[Permission]:
    """What a policy like ``portal_role_policy`` allows, one by one."""
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
    boundary_arn: str = "",
    role_name: str = "ecr-portal",
) -> Document:
    """IAM users under ``path`` only, and the policies of the account's repositories.

    It names the one login policy and no other: who may make any policy and attach it to
    a user with keys has the whole account. With a boundary, the role makes no user outside
    it; without one, it may not write users' own policies.
    """
    users = f"arn:aws:iam::{account_id}:user{path}*"
    login_policy = f"arn:aws:iam::{account_id}:policy{path}{login_policy_name}"
    bounded = {"ArnEquals": {"iam:PermissionsBoundary": boundary_arn}} if boundary_arn else {}
    making = ["iam:CreateUser", *(["iam:PutUserPermissionsBoundary"] if bounded else [])]
    statements = [
        # IAM looks for a user that is not there under no path, so that a role held to a path
        # would be denied where it should be told that there is none.
        _statement("LookAtUsers", LOOKING, f"arn:aws:iam::{account_id}:user/*"),
        _statement("LookAtTheAccount", ["iam:GetAccountSummary", "iam:ListUsers"], "*"),
        _statement("PullUsers", WORKING, users),
        _statement("MakePullUsers", making, users, bounded),
        _statement(
            "AttachTheLoginPolicyOnly",
            ["iam:AttachUserPolicy"],
            users,
            {"ArnEquals": {"iam:PolicyARN": login_policy}},
        ),
        _statement("LoginPolicy", LOGIN_POLICY, login_policy),
        _statement("Repositories", ECR, f"arn:aws:ecr:*:{account_id}:repository/*"),
    ]
    itself = f"arn:aws:iam::{account_id}:role/{role_name}"
    statements.append(_statement("WhatItMayItself", ["iam:SimulatePrincipalPolicy"], itself))
    if bounded:
        statements.append(_statement("OwnPolicies", ["iam:PutUserPolicy"], users, bounded))
    return {"Version": VERSION, "Statement": statements}


LOOKING = [
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
WORKING = [
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
]
ECR = [
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
