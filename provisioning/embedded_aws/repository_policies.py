"""Repository policies as AWS shows and applies them: a deleted user appears by its unique id, and
a user created later with the same name is not admitted."""

import json
from typing import Any

from provisioning.embedded_aws import identities
from provisioning.embedded_aws.calls import Call
from provisioning.embedded_aws.errors import ApiError
from provisioning.embedded_aws.identities import Document


class RepositoryPolicies:
    """moto keeps the text; this remembers which user each ARN meant when it was set."""

    def __init__(self) -> None:
        # (account, region, repository) → ARN → unique id of the user when it was named.
        self._named: dict[tuple[str, str, str], dict[str, str]] = {}
        # The same → the policy that was set last, and the one before it.
        self._set: dict[tuple[str, str, str], tuple[Document | None, Document]] = {}

    def remember(self, call: Call) -> None:
        """Remember whom a successful SetRepositoryPolicy has named."""
        document = json.loads(call.parameters["policyText"])
        key = (call.account_id, call.region, call.repository)
        self._set[key] = (self._set[key][1] if key in self._set else None, document)
        statements = document["Statement"]
        users = {arn: identities.user_of_arn(arn) for s in statements for arn in named_in(s)}
        self._named[key] = {
            arn: identities.unique_id(user) for arn, user in users.items() if user is not None
        }

    def before(self, call: Call) -> Document:
        """The policy before the last SetRepositoryPolicy, as a stale read shows it."""
        before, _ = self._set.get((call.account_id, call.region, call.repository), (None, {}))
        if before is None:
            raise ApiError(400, "RepositoryPolicyNotFoundException", "Not found yet.")
        return before

    def shown(self, account_id: str, region: str, repository: str) -> Document | None:
        """The policy of a repository, or None if it has none."""
        found = identities.ecr(account_id, region).repositories.get(repository)
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
    """The ARN while it names the same user as when the policy was set; otherwise that user's id."""
    user = identities.user_of_arn(arn)
    if arn not in named or (user is not None and identities.unique_id(user) == named[arn]):
        return arn
    return named[arn]
