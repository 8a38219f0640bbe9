"""What AWS refuses and moto does not. Each check is named after its operation and raises ApiError;
the limits are those of the quotas in the IAM and ECR user guides."""

import json
import math
import re
import time
from collections.abc import Callable

from provisioning.embedded_aws import errors, identities
from provisioning.embedded_aws.authorization import statements_of
from provisioning.embedded_aws.calls import Call
from provisioning.embedded_aws.config import Config
from provisioning.embedded_aws.errors import ApiError
from provisioning.embedded_aws.identities import Document
from provisioning.embedded_aws.repository_policies import named_in
from provisioning.embedded_aws.signature import Signed

USER_NAME = re.compile(r"[\w+=,.@-]{1,64}", re.ASCII)
TAGS_PER_USER = 50
POLICY_CHARACTERS = 6_144  # without white space
REPOSITORY_POLICY_CHARACTERS = 10_240  # with it


class Validation:
    """The checks, and what they need to remember: when users and keys were created."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self.users_created_at: dict[str, float] = {}
        self._keys_created_at: dict[str, float] = {}

    def check(self, call: Call) -> None:
        """Raise ApiError for what moto would accept."""
        check = _CHECKS.get(call.operation)
        if check is not None:
            check(self, call)

    def remember_key(self, answer: str) -> None:
        """The key in a response to CreateAccessKey is new from now on."""
        found = re.search(r"<AccessKeyId>(\w+)</AccessKeyId>", answer)
        if found:
            self._keys_created_at[found[1]] = time.monotonic()

    def refuse_young(self, signed: Signed) -> None:
        """Raise ApiError for a key that AWS does not accept yet."""
        age = time.monotonic() - self._keys_created_at.get(signed.access_key_id, -math.inf)
        if age < self.config.key_propagation_seconds:
            raise errors.unknown_token(signed.service)

    def create_user(self, call: Call) -> None:
        users = identities.iam(call.account_id).users
        if not USER_NAME.fullmatch(call.user_name):
            raise ApiError(
                400,
                "ValidationError",
                "The specified value for userName is invalid. It must contain only alphanumeric "
                "characters and/or the following: +=,.@_-",
            )
        if call.user_name.lower() in {name.lower() for name in users}:
            raise ApiError(
                409, "EntityAlreadyExists", f"User with name {call.user_name} already exists."
            )
        if len(users) >= self.config.users_per_account:
            raise _quota("UsersPerAccount", self.config.users_per_account)
        tags = [name for name in call.parameters if re.fullmatch(r"Tags\.member\.\d+\.Key", name)]
        if len(tags) > TAGS_PER_USER:
            raise _quota("TagsPerUser", TAGS_PER_USER)

    def attach_user_policy(self, call: Call) -> None:
        user = identities.iam(call.account_id).users.get(call.user_name)
        attached = user.managed_policies if user else {}
        limit = self.config.policies_per_user
        if len(attached) >= limit and call.parameters["PolicyArn"] not in attached:
            raise _quota("PoliciesPerUser", limit)

    def create_policy(self, call: Call) -> None:
        if len(re.sub(r"\s", "", call.parameters["PolicyDocument"])) > POLICY_CHARACTERS:
            raise _quota("PolicySize", POLICY_CHARACTERS)

    def delete_user(self, call: Call) -> None:
        backend = identities.iam(call.account_id)
        user = backend.users.get(call.user_name)
        if user is None:
            return
        leftovers = {
            "access keys": user.access_keys,
            "policies": user.policies or user.managed_policies,
            "login profile": user.password,
            "groups": backend.get_groups_for_user(call.user_name),
            "MFA device": user.mfa_devices,
            "SSH public keys": user.ssh_public_keys,
            "signing certificates": user.signing_certificates,
        }
        for name, found in leftovers.items():
            if found:
                raise ApiError(
                    409, "DeleteConflict", f"Cannot delete entity, must delete {name} first."
                )

    def delete_policy(self, call: Call) -> None:
        arn = call.parameters["PolicyArn"]
        backend = identities.iam(call.account_id)
        holders = [*backend.users.values(), *backend.get_roles(), *backend.list_groups()]
        if any(arn in holder.managed_policies for holder in holders):
            raise ApiError(409, "DeleteConflict", "Cannot delete a policy attached to entities.")

    def update_access_key(self, call: Call) -> None:
        if call.parameters.get("Status") not in {"Active", "Inactive"}:
            raise ApiError(
                400,
                "ValidationError",
                "1 validation error detected: Value at 'status' failed to satisfy constraint: "
                "Member must satisfy enum value set: [Active, Inactive]",
            )

    def set_repository_policy(self, call: Call) -> None:
        text = call.parameters.get("policyText", "")
        if len(text) > REPOSITORY_POLICY_CHARACTERS:
            raise errors.bad_policy_text(
                f"Member must have length less than or equal to {REPOSITORY_POLICY_CHARACTERS}"
            )
        try:
            document = json.loads(text)
        except ValueError:
            document = None
        if not isinstance(document, dict):
            raise errors.bad_policy_text("Invalid repository policy provided")
        for statement in statements_of(document):
            if not isinstance(statement, dict) or not _is_of_a_repository(statement):
                raise errors.bad_policy_text("Invalid repository policy provided")
            if not all(self.is_known(arn) for arn in named_in(statement)):
                raise errors.bad_policy_text("Principal not found")

    def is_known(self, principal: str) -> bool:
        """Whether ECR knows a principal: users after a while, ids of deleted users and roles and
        accounts that were closed never."""
        if any(account_id in principal for account_id in self.config.closed_accounts):
            return False
        if ":user/" in principal:
            user = identities.user_of_arn(principal)
            if user is None:
                return False
            # A monotonic clock counts from the machine's start: zero may be a moment ago.
            created_at = self.users_created_at.get(identities.unique_id(user), -math.inf)
            return time.monotonic() - created_at >= self.config.propagation_seconds
        return not principal.startswith(("AIDA", "AROA"))


def _is_of_a_repository(statement: Document) -> bool:
    """Whether a statement is one that a repository's policy may have: it names no Resource."""
    has = {name.removeprefix("Not") for name in statement}
    is_complete = {"Effect", "Principal", "Action"} <= has and "Resource" not in has
    return is_complete and statement["Effect"] in ("Allow", "Deny")


def _quota(name: str, value: int) -> ApiError:
    return ApiError(409, "LimitExceeded", f"Cannot exceed quota for {name}: {value}")


_CHECKS: dict[str, Callable[[Validation, Call], None]] = {
    "CreateUser": Validation.create_user,
    "AttachUserPolicy": Validation.attach_user_policy,
    "CreatePolicy": Validation.create_policy,
    "CreatePolicyVersion": Validation.create_policy,
    "DeleteUser": Validation.delete_user,
    "DeletePolicy": Validation.delete_policy,
    "UpdateAccessKey": Validation.update_access_key,
    "SetRepositoryPolicy": Validation.set_repository_policy,
}
