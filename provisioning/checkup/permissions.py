"""Whether the portal may make each of its calls, as listed by ``portal_role_policy``: reads are
tried; the rest is known from a round trip, or from IAM's simulation."""

from collections.abc import Callable, Container, Iterator, Mapping
from typing import Any

from provisioning.aws.probe import Answer, Probe
from provisioning.checkup.results import (
    CHECK_USER,
    CheckResult,
    CheckStatus,
    Subject,
    fail,
    ok,
    warn,
)
from provisioning.documents import role
from provisioning.documents.role import Permission

SIMULATE = "iam:SimulatePrincipalPolicy"
# The portal works without them: only this checkup, or a page, then knows less.
DISPENSABLE = {SIMULATE, "iam:GetAccountSummary", "ecr:BatchGetImage"}

# Reads that may be made at any time. That a thing does not exist is as good an answer: a caller
# without permission gets a denial instead.
READS: dict[str, Callable[[Subject, str], dict[str, Any]]] = {
    "iam:GetAccountSummary": lambda *_: {},
    "iam:GetUser": lambda *_: {"UserName": CHECK_USER},
    "iam:ListAccessKeys": lambda *_: {"UserName": CHECK_USER},
    "iam:ListAttachedUserPolicies": lambda *_: {"UserName": CHECK_USER},
    "iam:GetPolicy": lambda subject, _: {"PolicyArn": subject.login_policy_arn},
    "ecr:BatchGetImage": lambda _, repository: {
        "repositoryName": repository,
        "imageIds": [{"imageTag": CHECK_USER}],
    },
    "ecr:DescribeRepositories": lambda _, repository: {"repositoryNames": [repository]},
    "ecr:DescribeImages": lambda _, repository: {"repositoryName": repository, "maxResults": 1},
    "ecr:GetRepositoryPolicy": lambda _, repository: {"repositoryName": repository},
}


def check(
    subject: Subject,
    probe: Probe,
    principal_arn: str,
    tried: Mapping[str, list[Answer]],
) -> Iterator[CheckResult]:
    """One result for each action. ``tried``: the answers that a round trip got."""
    for permission in role.permissions(subject.role_policy):
        if permission.action in tried:
            answers = tried[permission.action]
            # Any answer but a denial shows that it is allowed.
            proofs = [answer for answer in answers if not (answer.is_denied or answer.is_fault)]
            yield _by_answers(subject, permission, proofs or answers)
        elif permission.action in READS:
            parameters = READS[permission.action]
            asked = _repositories(subject) if permission.action.startswith("ecr:") else ("",)
            answers = [probe.ask(permission.action, **parameters(subject, name)) for name in asked]
            yield _by_answers(subject, permission, answers)
        else:
            yield _by_simulation(subject, probe, principal_arn, permission)


def denied(
    subject: Subject, probe: Probe, principal_arn: str, actions: Container[str]
) -> list[str]:
    """Those of ``actions`` that IAM says it would deny."""
    return [
        permission.action
        for permission in role.permissions(subject.role_policy)
        if permission.action in actions
        and _by_simulation(subject, probe, principal_arn, permission).status is CheckStatus.FAIL
    ]


def principal_of(arn: str) -> str:
    """The principal whose policies apply to a caller: for a session of a role, the role."""
    if ":assumed-role/" not in arn:
        return arn
    account_id, role_name = arn.split(":")[4], arn.split("/")[1]
    return f"arn:aws:iam::{account_id}:role/{role_name}"


def _by_answers(subject: Subject, permission: Permission, answers: list[Answer]) -> CheckResult:
    denied = [answer for answer in answers if answer.is_denied]
    if denied:
        return _denied(subject, permission, denied[0].message)
    if all(answer.is_fault for answer in answers):
        return warn(_name(permission), f"Not known: {answers[0]}", "Run this again later.")
    return ok(_name(permission), "Allowed: it was tried.")


def _by_simulation(
    subject: Subject, probe: Probe, principal_arn: str, permission: Permission
) -> CheckResult:
    for resource in _resources(subject, permission):
        answer = probe.ask(SIMULATE, **_simulation(principal_arn, permission, resource))
        if not answer.is_done:
            return warn(
                _name(permission),
                f"Not known: {answer}",
                f"{subject.administrator} can allow the portal {SIMULATE}, or run this with "
                "--write.",
            )
        (result,) = answer.content["EvaluationResults"]
        if permission.action != SIMULATE and result["EvalDecision"] != "allowed":
            return _denied(subject, permission, f"{result['EvalDecision']} on {resource}")
    return ok(_name(permission), "Allowed, according to IAM.")


def _simulation(principal_arn: str, permission: Permission, resource: str) -> dict[str, Any]:
    return {
        "PolicySourceArn": principal_arn,
        "ActionNames": [permission.action],
        "ResourceArns": [resource],
        "ContextEntries": [
            {"ContextKeyName": key, "ContextKeyValues": [value], "ContextKeyType": "string"}
            for key, value in permission.context.items()
        ],
    }


def _resources(subject: Subject, permission: Permission) -> list[str]:
    """Resources that the permission must cover, in place of its wildcards."""
    if ":user/" in permission.resource:
        return [subject.check_user_arn]
    if ":repository/" in permission.resource:
        prefix = f"arn:aws:ecr:{subject.region}:{subject.account_id}:repository/"
        return [prefix + name for name in _repositories(subject)]
    return [permission.resource]


def _repositories(subject: Subject) -> tuple[str, ...]:
    return subject.repositories or (CHECK_USER,)


def _denied(subject: Subject, permission: Permission, words: str) -> CheckResult:
    remedy = (
        f"{subject.administrator} can add {permission.action} on {permission.resource} to the "
        "portal's role (docs/aws-role.md)."
    )
    as_found = warn if permission.action in DISPENSABLE else fail
    return as_found(_name(permission), f"Denied: {words}", remedy)


def _name(permission: Permission) -> str:
    return f"permission {permission.action}"
