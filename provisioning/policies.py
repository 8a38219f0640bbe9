"""The policy documents: pure, and the only place that knows their shape.

A document is the dict that its JSON spells. Sources: the IAM user guide ("Grammar of
the IAM JSON policy language") and the ECR user guide ("Private repository policies").
"""

import json
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Any

Document = dict[str, Any]

VERSION = "2012-10-17"
# Marks the one statement of a repository's policy that the portal owns.
OUR_SID = "EcrPortal"
# What docker pull needs, and the check that is customarily granted with it.
PULL_ACTIONS = (
    "ecr:BatchCheckLayerAvailability",
    "ecr:BatchGetImage",
    "ecr:GetDownloadUrlForLayer",
)


class MalformedPolicy(ValueError):
    """A document found in AWS is not one that the portal can carry over."""


def to_json(document: Document) -> str:
    """The document as AWS is given it. Minified: ECR counts white space."""
    return json.dumps(document, separators=(",", ":"))


def from_json(text: str) -> Document:
    """The document that ``text`` spells. Raises MalformedPolicy."""
    try:
        document = json.loads(text)
    except ValueError as error:
        raise MalformedPolicy(f"The policy is not JSON: {error}") from None
    if not isinstance(document, dict):
        raise MalformedPolicy("The policy is not a JSON object.")
    for statement in statements(document):
        if not isinstance(statement, dict):
            raise MalformedPolicy("The policy has a statement that is not an object.")
    return document


def login_policy() -> Document:
    """Lets its bearer sign in to every registry of the account, and nothing else.

    GetAuthorizationToken knows no resource ("Actions, resources, and condition keys for
    Amazon ECR"), hence the star.
    """
    return {
        "Version": VERSION,
        "Statement": [{"Effect": "Allow", "Action": "ecr:GetAuthorizationToken", "Resource": "*"}],
    }


def statements(document: Document | None) -> list[Any]:
    """The statements of a document; a lone one may stand without its list."""
    found = (document or {}).get("Statement", [])
    return found if isinstance(found, list) else [found]


def repository_policy(observed: Document | None, user_arns: Collection[str]) -> Document | None:
    """The policy a repository should have: every statement found there that is not ours,
    untouched and in its order, then ours, which names exactly ``user_arns``.

    None means that there should be no policy at all.
    """
    foreign = [s for s in statements(observed) if s.get("Sid") != OUR_SID]
    ours = [pull_statement(user_arns)] if user_arns else []
    if not foreign and not ours:
        return None
    kept = {key: value for key, value in (observed or {}).items() if key != "Statement"}
    return {"Version": VERSION} | kept | {"Statement": foreign + ours}


def pull_statement(user_arns: Iterable[str]) -> Document:
    """The portal's own statement. A repository policy takes no Resource element."""
    return {
        "Sid": OUR_SID,
        "Effect": "Allow",
        "Principal": {"AWS": sorted(user_arns)},
        "Action": list(PULL_ACTIONS),
    }


def principals(document: Document | None) -> set[str]:
    """Who our own statement names in a document found in AWS."""
    found: set[str] = set()
    for statement in statements(document):
        if statement.get("Sid") == OUR_SID and isinstance(statement.get("Principal"), dict):
            found.update(_as_list(statement["Principal"].get("AWS", [])))
    return found


def same_meaning(one: Document | None, other: Document | None) -> bool:
    """Whether two documents grant the same, however AWS wrote them back: the order of
    keys, actions and principals, and a scalar for a list of one, carry no meaning."""
    return _normal(one) == _normal(other)


def _normal(document: Document | None) -> Any:
    if document is None:
        return None
    rest = {key: value for key, value in document.items() if key != "Statement"}
    return rest, sorted((_normal_part(s) for s in statements(document)), key=repr)


def _normal_part(part: Any) -> Any:
    if isinstance(part, dict):
        return tuple(sorted((key, _normal_part(value)) for key, value in part.items()))
    return tuple(sorted(str(item) for item in _as_list(part)))


def _as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


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
        for statement in statements(document)
        for action in _as_list(statement["Action"])
    ]


def portal_role_policy(
    account_id: str, path: str, login_policy_name: str, role_name: str = "ecr-portal"
) -> Document:
    """The least that the portal's own role needs in a registry's account: IAM users under
    its ``path`` only, and the policies of the account's repositories.

    It names the one login policy and no other: who may make any policy and attach it to
    a user with keys has the whole account.
    """
    users = f"arn:aws:iam::{account_id}:user{path}*"
    login_policy = f"arn:aws:iam::{account_id}:policy{path}{login_policy_name}"
    return {
        "Version": VERSION,
        "Statement": [
            {
                # IAM looks for a user that is not there under no path, so that a role held
                # to a path would be denied where it should be told that there is none.
                "Sid": "LookAtUsers",
                "Effect": "Allow",
                "Action": ["iam:GetUser", "iam:ListAccessKeys", "iam:ListAttachedUserPolicies"],
                "Resource": f"arn:aws:iam::{account_id}:user/*",
            },
            {
                "Sid": "PullUsers",
                "Effect": "Allow",
                "Action": [
                    "iam:CreateAccessKey",
                    "iam:CreateUser",
                    "iam:DeleteAccessKey",
                    "iam:DeleteUser",
                    "iam:DetachUserPolicy",
                    "iam:TagUser",
                    "iam:UpdateAccessKey",
                ],
                "Resource": users,
            },
            {
                "Sid": "AttachTheLoginPolicyOnly",
                "Effect": "Allow",
                "Action": "iam:AttachUserPolicy",
                "Resource": users,
                "Condition": {"ArnEquals": {"iam:PolicyARN": login_policy}},
            },
            {
                "Sid": "LoginPolicy",
                "Effect": "Allow",
                "Action": ["iam:CreatePolicy", "iam:GetPolicy"],
                "Resource": login_policy,
            },
            {
                "Sid": "RepositoryPolicies",
                "Effect": "Allow",
                "Action": [
                    "ecr:DeleteRepositoryPolicy",
                    "ecr:DescribeImages",
                    "ecr:DescribeRepositories",
                    "ecr:GetRepositoryPolicy",
                    "ecr:SetRepositoryPolicy",
                ],
                "Resource": f"arn:aws:ecr:*:{account_id}:repository/*",
            },
            {
                # GetAccountSummary knows no resource ("Actions, resources, and condition
                # keys for AWS Identity and Access Management"), hence the star.
                "Sid": "QuotasOfTheAccount",
                "Effect": "Allow",
                "Action": "iam:GetAccountSummary",
                "Resource": "*",
            },
            {
                "Sid": "WhatItMayItself",
                "Effect": "Allow",
                "Action": "iam:SimulatePrincipalPolicy",
                "Resource": f"arn:aws:iam::{account_id}:role/{role_name}",
            },
        ],
    }
