"""What the reconciler may ask of one AWS account and region, in AWS's own terms.

Every call may raise TemporaryError or PermanentError (``provisioning.aws.errors``);
a docstring names what a call raises besides them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from provisioning.documents.grammar import Document


@dataclass(frozen=True)
class IamUser:
    name: str
    arn: str
    user_id: str
    tags: Mapping[str, str]
    boundary_arn: str = ""


@dataclass(frozen=True)
class AccountSummary:
    """``user_policy_quota``: characters of all inline policies of a user together."""

    users: int
    users_quota: int
    user_policy_quota: int


@dataclass(frozen=True)
class NewAccessKey:
    """The only moment at which AWS returns a secret; it is kept out of every repr."""

    access_key_id: str
    secret_access_key: str = field(repr=False)


@dataclass(frozen=True)
class EcrImage:
    """A tagged image as ECR lists it; what ECR does not report is "" or None."""

    digest: str
    tags: tuple[str, ...]
    pushed_at: datetime
    size_bytes: int | None
    manifest_type: str
    artifact_type: str


@dataclass(frozen=True)
class KeyUse:
    """When an access key was last used, for which service, in which region."""

    at: datetime
    service: str
    region: str


class Gateway(Protocol):
    def account_id(self) -> str:
        """The account that the gateway really leads to."""

    def policy_exists(self, arn: str) -> bool: ...

    def policy_tags(self, arn: str) -> dict[str, str] | None:
        """The tags of a managed policy; None where there is no such policy."""

    def tag_policy(self, arn: str, tags: Mapping[str, str]) -> None:
        """Add these tags, or set them again. Raises NotFound."""

    def policy(self, arn: str) -> Document | None:
        """The default version of a managed policy. Raises MalformedPolicy."""

    def create_policy(self, name: str, path: str, document: Document) -> None:
        """Raises AlreadyThere."""

    def replace_policy(self, arn: str, document: Document) -> None:
        """Create a new default version. Where there is no room, the oldest is deleted."""

    def user(self, name: str) -> IamUser | None: ...

    def users(self, path: str) -> list[IamUser]:
        """The users whose path begins with ``path``, without their tags and boundaries."""

    def account_summary(self) -> AccountSummary:
        """How many users the whole account has, and its quotas."""

    def create_user(
        self, name: str, path: str, tags: Mapping[str, str], boundary_arn: str
    ) -> IamUser:
        """Raises AlreadyThere."""

    def tag_user(self, user_name: str, tags: Mapping[str, str]) -> None:
        """Add these tags, or set them again. Raises NotFound."""

    def set_boundary(self, user_name: str, boundary_arn: str) -> None:
        """May be repeated. Raises NotFound."""

    def delete_user(self, name: str) -> None:
        """Succeeds where there is no such user. Raises DeleteConflict."""

    def strip_user(self, name: str) -> None:
        """Remove whatever depends on the user, so that it can be deleted."""

    def user_policies(self, user_name: str) -> set[str]:
        """Names of the user's inline policies; empty without the user."""

    def user_policy(self, user_name: str, policy_name: str) -> Document | None:
        """An inline policy. Raises MalformedPolicy."""

    def put_user_policy(self, user_name: str, policy_name: str, document: Document) -> None: ...

    def delete_user_policy(self, user_name: str, policy_name: str) -> None:
        """Succeeds where there is no such policy."""

    def attached_policies(self, user_name: str) -> set[str]:
        """ARNs of the managed policies attached to the user; empty without the user."""

    def attach_policy(self, user_name: str, arn: str) -> None:
        """May be repeated. Raises NotFound where user or policy is not visible yet."""

    def detach_policy(self, user_name: str, arn: str) -> None:
        """Succeeds where it is not attached."""

    def access_keys(self, user_name: str) -> dict[str, str]:
        """Access key id → ``Active`` or ``Inactive``; empty without the user."""

    def access_keys_created(self, user_name: str) -> dict[str, datetime]:
        """Access key id → when it was created; empty without the user."""

    def create_access_key(self, user_name: str) -> NewAccessKey:
        """Never retried: a second call creates a second key. After Unreachable or ServerFault a
        key may exist whose secret nobody knows."""

    def set_key_status(self, user_name: str, access_key_id: str, status: str) -> None:
        """``Active`` or ``Inactive``. Raises NotFound."""

    def key_use(self, access_key_id: str) -> KeyUse | None:
        """None where it was never used, or does not exist."""

    def verify_key(
        self, access_key_id: str, secret_access_key: str, repository_name: str, tag: str
    ) -> None:
        """Sign in to the registry with a customer's key, and read the manifest of a tag if there
        is one. Raises KeyNotAccepted."""

    def delete_access_key(self, user_name: str, access_key_id: str) -> None:
        """Succeeds where there is no such key."""

    def repository_uri(self, name: str) -> str:
        """Raises RepositoryNotFound."""

    def images(self, repository_name: str) -> list[EcrImage]:
        """The tagged images, newest first; of very many, those on the first pages that ECR
        returns, whose order it does not promise. Raises RepositoryNotFound."""

    def platforms(self, repository_name: str, digests: Sequence[str]) -> dict[str, list[str]]:
        """Digest → platforms like ``linux/arm64/v8``, for up to 100 images; empty for images with
        one platform, and missing for images that are gone."""

    def repository_policy(self, name: str) -> Document | None:
        """None where the repository has none. Raises RepositoryNotFound, MalformedPolicy."""

    def registry_policy(self) -> Document | None:
        """The registry's own; None where it has none. Raises MalformedPolicy."""

    def set_repository_policy(self, name: str, document: Document) -> Document:
        """Returns the policy as ECR has it now. Raises PrincipalNotFound, RepositoryNotFound."""

    def delete_repository_policy(self, name: str) -> None:
        """Succeeds where there is none. Raises RepositoryNotFound."""
