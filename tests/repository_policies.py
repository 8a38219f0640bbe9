"""Repository policies as someone else may have written them."""

from typing import Any

from django.utils import timezone

from provisioning.demo.seed import ACCOUNT_ID
from provisioning.documents import grammar, limits, policies
from provisioning.embedded_aws.repository_policies import named_in
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


def is_ours(statement: dict[str, Any]) -> bool:
    """Whether a portal wrote the statement."""
    return str(statement.get("Sid")).startswith(policies.OUR_SID)


def admitted(found: dict[str, Any] | None) -> set[str]:
    """The users whom the portal's statement in a policy names."""
    ours = [each for each in grammar.statements(found) if is_ours(each)]
    return {arn for each in ours for arn in named_in(each)}


def document(*statements: dict[str, Any]) -> dict[str, Any]:
    return {"Version": "2012-10-17", "Statement": list(statements)}


def fill_policy(aws: Aws, name: str, *, leaving: int) -> None:
    """Set a foreign statement that leaves this many characters of the policy free."""
    statement = FOREIGN | {"Condition": {"StringEquals": {"aws:PrincipalTag/x": ""}}}
    length = limits.policy_length(document(statement))
    filler = "x" * (limits.REPOSITORY_POLICY_LIMIT - leaving - length)
    statement["Condition"] = {"StringEquals": {"aws:PrincipalTag/x": filler}}
    aws.ecr.set_repository_policy(
        repositoryName=name, policyText=grammar.to_json(document(statement))
    )


def look_at_repositories() -> None:
    """Have the portal read every repository's policy now."""
    Repository.objects.update(due_at=timezone.now())
    take_turns()
