"""Repository policies as AWS shows them and goes by them: a user that is gone stands there
by its unique id, and a namesake made in its place is not let in."""

import json
from typing import Any

from provisioning.embedded_aws import directory
from provisioning.embedded_aws.calls import Call
from provisioning.embedded_aws.directory import Document


class RepositoryPolicies:
    """moto keeps the text; here is remembered which user each ARN meant when it was set."""

    def __init__(self) -> None:
        # (account, region, repository) → ARN → unique id of the user when it was named.
        self._named: dict[tuple[str, str, str], dict[str, str]] = {}

    def remember(self, call: Call) -> None:
        """Take note of whom a SetRepositoryPolicy that went through has named."""
        statements = json.loads(call.parameters["policyText"])["Statement"]
        users = {arn: directory.user_of_arn(arn) for s in statements for arn in named_in(s)}
        self._named[call.account_id, call.region, call.repository] = {
            arn: directory.unique_id(user) for arn, user in users.items() if user is not None
        }

    def shown(self, account_id: str, region: str, repository: str) -> Document | None:
        """The policy of a repository, or None where there is none."""
        found = directory.ecr(account_id, region).repositories.get(repository)
        if found is None or found.policy is None:
            return None
        document: Document = json.loads(found.policy)
        named = self._named.get((account_id, region, repository), {})
        for statement in document["Statement"]:
            if isinstance(statement.get("Principal"), dict):
                shown = [_shown(arn, named) for arn in named_in(statement)]
                statement["Principal"]["AWS"] = shown if len(shown) > 1 else shown[0]
        return document


def named_in(statement: dict[str, Any]) -> list[str]:
    """The AWS principals of a statement."""
    principal = statement.get("Principal", {})
    named = principal.get("AWS", []) if isinstance(principal, dict) else []
    return named if isinstance(named, list) else [named]


def _shown(arn: str, named: dict[str, str]) -> str:
    """The ARN while it names the same user as when the policy was set; else that one's id."""
    user = directory.user_of_arn(arn)
    if arn not in named or (user is not None and directory.unique_id(user) == named[arn]):
        return arn
    return named[arn]
