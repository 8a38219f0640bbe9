"""Repository policies as someone else may have written them."""

from typing import Any

from django.utils import timezone

from provisioning.demo.seed import ACCOUNT_ID
from provisioning.documents import limits, policies
from provisioning.models import Repository
from tests.aws import Aws
from tests.worker import take_turns

# A statement that is not the portal's, and that lets nobody pull.
FOREIGN: dict[str, Any] = {
    "Sid": "BuildServer",
    "Effect": "Allow",
    "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT_ID}:root"},
    "Action": ["ecr:PutImage"],
}


def document(*statements: dict[str, Any]) -> dict[str, Any]:
    return {"Version": "2012-10-17", "Statement": list(statements)}


def fill_policy(aws: Aws, name: str, *, leaving: int) -> None:
    """Set a foreign statement that leaves this many characters of the policy free."""
    statement = FOREIGN | {"Condition": {"StringEquals": {"aws:PrincipalTag/x": ""}}}
    length = limits.policy_length(document(statement))
    filler = "x" * (limits.REPOSITORY_POLICY_LIMIT - leaving - length)
    statement["Condition"] = {"StringEquals": {"aws:PrincipalTag/x": filler}}
    aws.ecr.set_repository_policy(
        repositoryName=name, policyText=policies.to_json(document(statement))
    )


def look_at_repositories() -> None:
    """Have the portal read every repository's policy now."""
    Repository.objects.update(due_at=timezone.now())
    take_turns()
