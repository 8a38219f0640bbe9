"""Whether the portal may make each of its calls. The list is that of ``portal_role_policy``:
reads are made, the rest is what a round trip showed, or what IAM says it would allow."""

from collections.abc import Callable, Container, Iterator, Mapping
from typing import Any

from provisioning import role
from provisioning.aws.inspection import Answer, Inspection
from provisioning.checkup.findings import CHECK_USER, Finding, Outcome, Subject, fail, ok, warn
from provisioning.role import Permission

SIMULATE = "iam:SimulatePrincipalPolicy"
# The portal works without: this checkup then knows less, or a page does.
DISPENSABLE = {SIMULATE, "iam:GetAccountSummary", "ecr:BatchGetImage"}

# Reads that may be made at any time. Of what is not there, the answer is as good: who may
# not look is told so first.
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
    inspection: Inspection,
    principal_arn: str,
    tried: Mapping[str, list[Answer]],
) -> Iterator[Finding]:
    """One finding for each action. ``tried`` are the answers that a round trip had."""
    for permission in role.permissions(subject.role_policy):
        if permission.action in tried:
            answers = tried[permission.action]
            # Any answer but a denial shows that it is allowed.
            proofs = [answer for answer in answers if not (answer.is_denied or answer.is_fault)]
            yield _by_answers(subject, permission, proofs or answers)
        elif permission.action in READS:
            parameters = READS[permission.action]
            asked = _repositories(subject) if permission.action.startswith("ecr:") else ("",)
            answers = [
                inspection.ask(permission.action, **parameters(subject, name)) for name in asked
            ]
            yield _by_answers(subject, permission, answers)
        else:
            yield _by_simulation(subject, inspection, principal_arn, permission)


def denied(
    subject: Subject, inspection: Inspection, principal_arn: str, actions: Container[str]
) -> list[str]:
    """Those of ``actions`` that IAM says it would deny."""
    return [
        permission.action
        for permission in role.permissions(subject.role_policy)
        if permission.action in actions
        and _by_simulation(subject, inspection, principal_arn, permission).outcome is Outcome.FAIL
    ]


def principal_of(arn: str) -> str:
    """Whose policies hold for a caller: a session of a role goes by those of the role."""
    if ":assumed-role/" not in arn:
        return arn
    account_id, role_name = arn.split(":")[4], arn.split("/")[1]
    return f"arn:aws:iam::{account_id}:role/{role_name}"


def _by_answers(subject: Subject, permission: Permission, answers: list[Answer]) -> Finding:
    denied = [answer for answer in answers if answer.is_denied]
    if denied:
        return _denied(subject, permission, denied[0].message)
    if all(answer.is_fault for answer in answers):
        return warn(_name(permission), f"Not known: {answers[0]}", "Run this again later.")
    return ok(_name(permission), "Allowed: it was tried.")


def _by_simulation(
    subject: Subject, inspection: Inspection, principal_arn: str, permission: Permission
) -> Finding:
    for resource in _resources(subject, permission):
        answer = inspection.ask(SIMULATE, **_simulation(principal_arn, permission, resource))
        if not answer.is_done:
            return warn(
                _name(permission),
                f"Not known: {answer}",
                f"{subject.administrator} can allow {SIMULATE} to the portal; or run this with "
                "--write.",
            )
        (result,) = answer.content["EvaluationResults"]
        if permission.action != SIMULATE and result["EvalDecision"] != "allowed":
            return _denied(subject, permission, f"{result['EvalDecision']} on {resource}")
    return ok(_name(permission), "Allowed, as IAM says.")


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
    """Things that the permission must hold for, in place of its wild cards."""
    if ":user/" in permission.resource:
        return [subject.check_user_arn]
    if ":repository/" in permission.resource:
        prefix = f"arn:aws:ecr:{subject.region}:{subject.account_id}:repository/"
        return [prefix + name for name in _repositories(subject)]
    return [permission.resource]


def _repositories(subject: Subject) -> tuple[str, ...]:
    return subject.repositories or (CHECK_USER,)


def _denied(subject: Subject, permission: Permission, words: str) -> Finding:
    remedy = (
        f"{subject.administrator} can add {permission.action} on {permission.resource} to the "
        "portal's role (docs/aws-role.md)."
    )
    as_found = warn if permission.action in DISPENSABLE else fail
    return as_found(_name(permission), f"Denied: {words}", remedy)


def _name(permission: Permission) -> str:
    return f"permission {permission.action}"
