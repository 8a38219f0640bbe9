"""What the engine may ask of one AWS account and region, in AWS's own terms.

Every call may raise TemporaryError or PermanentError (``provisioning.aws.errors``);
what a call raises beside them, its docstring says.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from provisioning.policies import Document


@dataclass(frozen=True)
class IamUser:
    name: str
    arn: str
    user_id: str
    tags: Mapping[str, str]


@dataclass(frozen=True)
class NewAccessKey:
    """The only moment at which AWS tells a secret: it is kept out of every repr."""

    access_key_id: str
    secret_access_key: str = field(repr=False)


class Gateway(Protocol):
    def policy_exists(self, arn: str) -> bool: ...

    def create_policy(self, name: str, path: str, document: Document) -> None:
        """Raises AlreadyThere."""

    def user(self, name: str) -> IamUser | None: ...

    def create_user(self, name: str, path: str, tags: Mapping[str, str]) -> IamUser:
        """Raises AlreadyThere."""

    def delete_user(self, name: str) -> None:
        """Done as well where there is no such user."""

    def attached_policies(self, user_name: str) -> set[str]:
        """ARNs of the managed policies attached to the user; empty without the user."""

    def attach_policy(self, user_name: str, arn: str) -> None:
        """Any number of times. Raises NotFound where user or policy is not visible yet."""

    def detach_policy(self, user_name: str, arn: str) -> None:
        """Done as well where it is not attached."""

    def access_keys(self, user_name: str) -> dict[str, str]:
        """Access key id → ``Active`` or ``Inactive``; empty without the user."""

    def create_access_key(self, user_name: str) -> NewAccessKey:
        """Never tried twice: a second call makes a second key. After Unreachable or
        ServerFault a key may exist whose secret nobody knows."""

    def delete_access_key(self, user_name: str, access_key_id: str) -> None:
        """Done as well where there is no such key."""

    def repository_uri(self, name: str) -> str:
        """Raises RepositoryNotFound."""

    def newest_tag(self, repository_name: str) -> str:
        """The tag pushed last, or "" where nothing is tagged. Raises RepositoryNotFound."""

    def repository_policy(self, name: str) -> Document | None:
        """None where the repository has none. Raises RepositoryNotFound, MalformedPolicy."""

    def set_repository_policy(self, name: str, document: Document) -> None:
        """Raises PrincipalNotFound, RepositoryNotFound."""

    def delete_repository_policy(self, name: str) -> None:
        """Done as well where there is none. Raises RepositoryNotFound."""
