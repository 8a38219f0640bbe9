"""An API call, read from its HTTP request: which operation, on what, by whom."""

import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs

from provisioning.embedded_aws import identities
from provisioning.embedded_aws.identities import Caller
from provisioning.embedded_aws.signature import HttpRequest, Signed

READS = ("Get", "List", "Describe", "Batch", "Simulate", "AssumeRole")


@dataclass(frozen=True)
class Call:
    """``parameters``: for ECR as in its JSON, for IAM and STS as text."""

    service: str
    region: str
    operation: str
    parameters: dict[str, Any]
    caller: Caller
    source: str = ""

    @property
    def action(self) -> str:
        return f"{self.service}:{self.operation}"

    @property
    def actions(self) -> set[str]:
        """What a policy must allow for the call. Creating a user with tags also needs
        permission to tag: IAM user guide, "Tags for IAM users"."""
        is_tagging = self.operation == "CreateUser" and "Tags.member.1.Key" in self.parameters
        return {self.action} | ({"iam:TagUser"} if is_tagging else set())

    @property
    def is_mutating(self) -> bool:
        return not self.operation.startswith(READS)

    @property
    def account_id(self) -> str:
        """The account that is acted on."""
        return str(self.parameters.get("registryId") or self.caller.account_id)

    @property
    def user_name(self) -> str:
        key = identities.iam(self.account_id).access_keys.get(self.parameters.get("AccessKeyId"))
        # GetAccessKeyLastUsed names the key only; it is its user that must be allowed.
        owner = (key.user_name or "") if key else ""
        return str(self.parameters.get("UserName", owner))

    @property
    def repository(self) -> str:
        names = self.parameters.get("repositoryNames") or [""]
        return str(self.parameters.get("repositoryName") or names[0])

    @property
    def resource(self) -> str:
        """The ARN that a policy must name, or ``*`` for what has none ("Actions,
        resources, and condition keys" of each service)."""
        account_id = self.account_id
        if self.operation == "GetAuthorizationToken" or self.operation.endswith("RegistryPolicy"):
            return "*"
        if self.service == "ecr":
            return f"arn:aws:ecr:{self.region}:{account_id}:repository/{self.repository or '*'}"
        if self.operation == "AssumeRole":
            return str(self.parameters["RoleArn"])
        if self.operation == "SimulatePrincipalPolicy":
            return str(self.parameters["PolicySourceArn"])
        if self.operation == "CreatePolicy":
            path = self.parameters.get("Path", "/")
            return f"arn:aws:iam::{account_id}:policy{path}{self.parameters['PolicyName']}"
        if self.user_name:
            user = identities.iam(account_id).users.get(self.user_name)
            path = user.path if user else self.parameters.get("Path", "/")
            return f"arn:aws:iam::{account_id}:user{path}{self.user_name}"
        return str(self.parameters.get("PolicyArn", "*"))

    @property
    def context(self) -> dict[str, str]:
        """The condition keys that the call brings."""
        names = {
            "iam:PolicyARN": "PolicyArn",
            "sts:ExternalId": "ExternalId",
            "iam:PermissionsBoundary": "PermissionsBoundary",
        }
        brought = {
            key: str(self.parameters[name])
            for key, name in names.items()
            if name in self.parameters
        }
        user = identities.iam(self.account_id).users.get(self.user_name)
        boundary = identities.boundary_of(user) if user else ""
        known = {"aws:SourceIp": self.source, "iam:PermissionsBoundary": boundary}
        return {key: value for key, value in known.items() if value} | brought


def read(request: HttpRequest, signed: Signed, caller: Caller) -> Call:
    if signed.service == "ecr":
        operation = request.headers.get("x-amz-target", "").rpartition(".")[2]
        parameters = json.loads(request.body or b"{}")
    else:
        form = {name: values[0] for name, values in parse_qs(request.body.decode()).items()}
        operation, parameters = form.pop("Action", ""), form
    return Call(signed.service, signed.region, operation, parameters, caller, request.source)
