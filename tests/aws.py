"""The embedded AWS as tests use it: set it up, look into it, and count its calls."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import Any

import boto3
import pytest

from provisioning.demo import seed
from provisioning.embedded_aws import (
    ROOT_ACCESS_KEY_ID,
    ROOT_SECRET_ACCESS_KEY,
    EmbeddedAws,
    identities,
)
from provisioning.embedded_aws.customer_machine import Machine, PullRefused

ACCOUNT_ID, REGION = seed.ACCOUNT_ID, seed.REGION
LOGIN_POLICY = f"arn:aws:iam::{ACCOUNT_ID}:policy/ecr-portal/AmazonEC2ContainerRegistryLogin"


class Aws:
    """The embedded AWS at ``url``, with clients that act as its root."""

    def __init__(self, embedded: EmbeddedAws, url: str) -> None:
        self.embedded = embedded
        self.url = url

    @cached_property
    def iam(self) -> Any:
        return self.client("iam", ROOT_ACCESS_KEY_ID, ROOT_SECRET_ACCESS_KEY)

    @cached_property
    def ecr(self) -> Any:
        return self.client("ecr", ROOT_ACCESS_KEY_ID, ROOT_SECRET_ACCESS_KEY)

    def client(self, service: str, access_key_id: str, secret_access_key: str) -> Any:
        return boto3.client(
            service,
            endpoint_url=self.url,
            region_name=REGION,
            aws_access_key_id=access_key_id,
            aws_secret_access_key=secret_access_key,
        )

    def begin(self) -> None:
        """Reset AWS to the vendor's account, repositories and images."""
        self.embedded.config.__init__()  # type: ignore[misc]
        self.embedded.reset()
        seed.stock(self.embedded)

    def age_users(self) -> None:
        """Have ECR know every present user, as if they had existed for long."""
        self.embedded._validation.users_created_at.clear()

    # --- Looking -----------------------------------------------------------------

    def users(self) -> list[str]:
        return sorted(identities.iam(ACCOUNT_ID).users)

    def keys(self, user_name: str) -> dict[str, str]:
        listed = self.iam.list_access_keys(UserName=user_name)["AccessKeyMetadata"]
        return {key["AccessKeyId"]: key["Status"] for key in listed}

    def repository_policy(self, name: str) -> dict[str, Any] | None:
        with self.embedded._lock:
            return self.embedded._policies.shown(ACCOUNT_ID, REGION, name)

    def set_repository_policy(self, name: str, document: dict[str, Any]) -> None:
        self.ecr.set_repository_policy(repositoryName=name, policyText=json.dumps(document))

    def digest(self, repository: str, tag: str) -> str:
        return self.embedded.digest(ACCOUNT_ID, REGION, repository, tag)

    def delete_user(self, name: str) -> None:
        """Delete a user as someone in the console would, behind the portal's back."""
        for key in self.keys(name):
            self.iam.delete_access_key(UserName=name, AccessKeyId=key)
        for policy in self.iam.list_attached_user_policies(UserName=name)["AttachedPolicies"]:
            self.iam.detach_user_policy(UserName=name, PolicyArn=policy["PolicyArn"])
        for policy_name in self.iam.list_user_policies(UserName=name)["PolicyNames"]:
            self.iam.delete_user_policy(UserName=name, PolicyName=policy_name)
        self.iam.delete_user(UserName=name)

    @contextmanager
    def no_changes(self) -> Iterator[None]:
        """Fail if the block makes a call that changes AWS, apart from counting the epoch."""
        before = len(self.embedded.calls)
        yield
        changes = [call.action for call in self.embedded.calls[before:] if call.is_mutating]
        assert [action for action in changes if action != "iam:TagPolicy"] == []

    # --- A customer's machine -----------------------------------------------------

    def machine(self, access_key_id: str, secret_access_key: str, region: str = REGION) -> Machine:
        return Machine(self.url, region, access_key_id, secret_access_key)

    def assert_refused(self, machine: Machine, repository: str, tag: str, words: str) -> None:
        with pytest.raises(PullRefused, match=words):
            machine.pull(repository, tag)
