"""What the real AWS refuses and moto does not. Each check is named for its operation and
raises Refusal; limits are those of the IAM and ECR user guides' quotas."""

import json
import math
import re
import time
from collections.abc import Callable

from provisioning.embedded_aws import directory, refusals
from provisioning.embedded_aws.calls import Call
from provisioning.embedded_aws.refusals import Refusal
from provisioning.embedded_aws.repository_policies import named_in
from provisioning.embedded_aws.rules import Rules
from provisioning.embedded_aws.signature import Signed

USER_NAME = re.compile(r"[\w+=,.@-]{1,64}", re.ASCII)
TAGS_PER_USER = 50
POLICY_CHARACTERS = 6_144  # without white space
REPOSITORY_POLICY_CHARACTERS = 10_240  # with it


class Strictness:
    """The checks, and what they must remember: when ECR came to know each user."""

    def __init__(self, rules: Rules) -> None:
        self.rules = rules
        self.born: dict[str, float] = {}
        self._keys_born: dict[str, float] = {}

    def check(self, call: Call) -> None:
        """Raise Refusal for what moto would let through."""
        check = _CHECKS.get(call.operation)
        if check is not None:
            check(self, call)

    def remember_key(self, answer: str) -> None:
        """The key that an answer to CreateAccessKey tells of is young from now on."""
        found = re.search(r"<AccessKeyId>(\w+)</AccessKeyId>", answer)
        if found:
            self._keys_born[found[1]] = time.monotonic()

    def refuse_young(self, signed: Signed) -> None:
        """Raise Refusal for a key that AWS does not accept yet."""
        age = time.monotonic() - self._keys_born.get(signed.access_key_id, -math.inf)
        if age < self.rules.key_propagation_seconds:
            raise refusals.unknown_token(signed.service)

    def create_user(self, call: Call) -> None:
        users = directory.iam(call.account_id).users
        if not USER_NAME.fullmatch(call.user_name):
            raise Refusal(
                400,
                "ValidationError",
                "The specified value for userName is invalid. It must contain only alphanumeric "
                "characters and/or the following: +=,.@_-",
            )
        if call.user_name.lower() in {name.lower() for name in users}:
            raise Refusal(
                409, "EntityAlreadyExists", f"User with name {call.user_name} already exists."
            )
        if len(users) >= self.rules.users_per_account:
            raise _quota("UsersPerAccount", self.rules.users_per_account)
        tags = [name for name in call.parameters if re.fullmatch(r"Tags\.member\.\d+\.Key", name)]
        if len(tags) > TAGS_PER_USER:
            raise _quota("TagsPerUser", TAGS_PER_USER)

    def attach_user_policy(self, call: Call) -> None:
        user = directory.iam(call.account_id).users.get(call.user_name)
        attached = user.managed_policies if user else {}
        limit = self.rules.policies_per_user
        if len(attached) >= limit and call.parameters["PolicyArn"] not in attached:
            raise _quota("PoliciesPerUser", limit)

    def create_policy(self, call: Call) -> None:
        if len(re.sub(r"\s", "", call.parameters["PolicyDocument"])) > POLICY_CHARACTERS:
            raise _quota("PolicySize", POLICY_CHARACTERS)

    def delete_user(self, call: Call) -> None:
        backend = directory.iam(call.account_id)
        user = backend.users.get(call.user_name)
        if user is None:
            return
        leftovers = {
            "access keys": user.access_keys,
            "policies": user.policies or user.managed_policies,
            "login profile": user.password,
            "groups": backend.get_groups_for_user(call.user_name),
        }
        for name, found in leftovers.items():
            if found:
                raise Refusal(
                    409, "DeleteConflict", f"Cannot delete entity, must delete {name} first."
                )

    def delete_policy(self, call: Call) -> None:
        arn = call.parameters["PolicyArn"]
        backend = directory.iam(call.account_id)
        holders = [*backend.users.values(), *backend.get_roles(), *backend.list_groups()]
        if any(arn in holder.managed_policies for holder in holders):
            raise Refusal(409, "DeleteConflict", "Cannot delete a policy attached to entities.")

    def update_access_key(self, call: Call) -> None:
        if call.parameters.get("Status") not in {"Active", "Inactive"}:
            raise Refusal(
                400,
                "ValidationError",
                "1 validation error detected: Value at 'status' failed to satisfy constraint: "
                "Member must satisfy enum value set: [Active, Inactive]",
            )

    def set_repository_policy(self, call: Call) -> None:
        text = call.parameters.get("policyText", "")
        if len(text) > REPOSITORY_POLICY_CHARACTERS:
            raise refusals.bad_policy_text(
                f"Member must have length less than or equal to {REPOSITORY_POLICY_CHARACTERS}"
            )
        try:
            document = json.loads(text)
        except ValueError:
            raise refusals.bad_policy_text("Invalid repository policy provided") from None
        for statement in document.get("Statement", []):
            if "Resource" in statement:
                raise refusals.bad_policy_text("Invalid repository policy provided")
            if not all(self.is_known(arn) for arn in named_in(statement)):
                raise refusals.bad_policy_text("Principal not found")

    def is_known(self, principal: str) -> bool:
        """Whether ECR knows a principal: users after a while, ids of the gone never."""
        if ":user/" in principal:
            user = directory.user_of_arn(principal)
            if user is None:
                return False
            # A monotonic clock counts from the machine's start: zero is not long ago.
            born = self.born.get(directory.unique_id(user), -math.inf)
            return time.monotonic() - born >= self.rules.propagation_seconds
        return not principal.startswith("AIDA")


def _quota(name: str, value: int) -> Refusal:
    return Refusal(409, "LimitExceeded", f"Cannot exceed quota for {name}: {value}")


_CHECKS: dict[str, Callable[[Strictness, Call], None]] = {
    "CreateUser": Strictness.create_user,
    "AttachUserPolicy": Strictness.attach_user_policy,
    "CreatePolicy": Strictness.create_policy,
    "CreatePolicyVersion": Strictness.create_policy,
    "DeleteUser": Strictness.delete_user,
    "DeletePolicy": Strictness.delete_policy,
    "UpdateAccessKey": Strictness.update_access_key,
    "SetRepositoryPolicy": Strictness.set_repository_policy,
}
