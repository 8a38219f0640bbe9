"""Repository policies as AWS shows and applies them: a deleted user appears by its unique id, and
a user created later with the same name is not admitted."""

import json
from typing import Any

from provisioning.embedded_aws import identities
from provisioning.embedded_aws.authorization import aws_principals, statements_of
from provisioning.embedded_aws.calls import Call
from provisioning.embedded_aws.errors import ApiError
from provisioning.embedded_aws.identities import Document

PRINCIPALS = ("Principal", "NotPrincipal")


class RepositoryPolicies:
    """moto keeps the text; this remembers which user each ARN meant when it was set."""

    def __init__(self) -> None:
        # (account, region, repository) → ARN → unique id of the user when it was named.
        self._named: dict[tuple[str, str, str], dict[str, str]] = {}
        # The same → the policy that was set last, and the one before it.
        self._set: dict[tuple[str, str, str], tuple[Document | None, Document]] = {}
        self._of_registries: dict[tuple[str, str], Document] = {}

    def has_repository(self, call: Call) -> bool:
        return call.repository in identities.ecr(call.account_id, call.region).repositories

    def set(self, call: Call) -> str:
        """The answer to SetRepositoryPolicy. moto's own refuses elements that AWS knows."""
        text = call.parameters["policyText"]
        document = json.loads(text)
        key = (call.account_id, call.region, call.repository)
        self._set[key] = (self._set[key][1] if key in self._set else None, document)
        named = {arn for statement in statements_of(document) for arn in named_in(statement)}
        users = {arn: identities.user_of_arn(arn) for arn in named}
        self._named[key] = {
            arn: identities.unique_id(user) for arn, user in users.items() if user is not None
        }
        identities.ecr(call.account_id, call.region).repositories[call.repository].policy = text
        answer = {"registryId": call.account_id, "repositoryName": call.repository}
        shown = self.shown(*key)
        return json.dumps(answer | {"policyText": json.dumps(shown)})

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
        for statement in statements_of(document):
            for element in PRINCIPALS:
                principal = statement.get(element)
                if isinstance(principal, dict) and "AWS" in principal:
                    shown = [_shown(arn, named) for arn in aws_principals(principal)]
                    principal["AWS"] = shown if len(shown) > 1 else shown[0]
        return document

    # --- The registry's own policy -----------------------------------------------------

    def of_registry(self, account_id: str, region: str) -> Document | None:
        """The policy of a registry, version 2: about every request."""
        return self._of_registries.get((account_id, region))

    def answer_for_registry(self, call: Call) -> str:
        """The answer to Get-, Put- and DeleteRegistryPolicy. Raises ApiError where there is
        none."""
        key = (call.account_id, call.region)
        if call.operation == "PutRegistryPolicy":
            self._of_registries[key] = json.loads(call.parameters["policyText"])
        document = self._of_registries.get(key)
        if document is None:
            words = f"Registry policy does not exist in the registry with id '{call.account_id}'"
            raise ApiError(400, "RegistryPolicyNotFoundException", words)
        if call.operation == "DeleteRegistryPolicy":
            del self._of_registries[key]
        return json.dumps({"registryId": call.account_id, "policyText": json.dumps(document)})


def named_in(statement: dict[str, Any]) -> list[str]:
    """The AWS principals of a statement, also those that it spares."""
    return [name for element in PRINCIPALS for name in aws_principals(statement.get(element))]


def reordered(part: Any) -> Any:
    """The same policy as AWS may write it back: keys and lists in another order."""
    if isinstance(part, dict):
        return {key: reordered(part[key]) for key in reversed(part)}
    if isinstance(part, list):
        return [reordered(item) for item in reversed(part)]
    return part


def _shown(arn: str, named: dict[str, str]) -> str:
    """A policy holds unique ids, and shows the ARN that a user has now: one that was moved to
    another path by its new one, one that is gone by its id."""
    if arn not in named:
        return arn
    account_id = arn.split(":")[4]
    users = identities.iam(account_id).users.values()
    return next((u.arn for u in users if identities.unique_id(u) == named[arn]), named[arn])
