"""Repository policies as AWS shows them and goes by them: a user that is gone stands there
by its unique id, and a namesake made in its place is not let in."""

import json
from typing import Any

from provisioning.embedded_aws import directory
from provisioning.embedded_aws.calls import Call
from provisioning.embedded_aws.directory import Document
from provisioning.embedded_aws.refusals import Refusal


class RepositoryPolicies:
    """moto keeps the text; here is remembered which user each ARN meant when it was set."""

    def __init__(self) -> None:
        # (account, region, repository) → ARN → unique id of the user when it was named.
        self._named: dict[tuple[str, str, str], dict[str, str]] = {}
        # The same → the policy that was set last, and the one before it.
        self._set: dict[tuple[str, str, str], tuple[Document | None, Document]] = {}

    def remember(self, call: Call) -> None:
        """Take note of whom a SetRepositoryPolicy that went through has named."""
        document = json.loads(call.parameters["policyText"])
        key = (call.account_id, call.region, call.repository)
        self._set[key] = (self._set[key][1] if key in self._set else None, document)
        statements = document["Statement"]
        users = {arn: directory.user_of_arn(arn) for s in statements for arn in named_in(s)}
        self._named[key] = {
            arn: directory.unique_id(user) for arn, user in users.items() if user is not None
        }

    def before(self, call: Call) -> Document:
        """The policy before the last SetRepositoryPolicy, as a stale read shows it."""
        before, _ = self._set.get((call.account_id, call.region, call.repository), (None, {}))
        if before is None:
            raise Refusal(400, "RepositoryPolicyNotFoundException", "Not found, as yet.")
        return before

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


def reordered(part: Any) -> Any:
    """The same policy as AWS may write it back: keys and lists in another order."""
    if isinstance(part, dict):
        return {key: reordered(part[key]) for key in reversed(part)}
    if isinstance(part, list):
        return [reordered(item) for item in reversed(part)]
    return part


def _shown(arn: str, named: dict[str, str]) -> str:
    """The ARN while it names the same user as when the policy was set; else that one's id."""
    user = directory.user_of_arn(arn)
    if arn not in named or (user is not None and directory.unique_id(user) == named[arn]):
        return arn
    return named[arn]
