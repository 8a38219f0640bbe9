"""The gateway through boto3; nothing else imports it."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

import boto3
from botocore.config import Config
from botocore.credentials import AssumeRoleCredentialFetcher, DeferredRefreshableCredentials
from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError
from botocore.parsers import ResponseParserError
from botocore.session import Session
from botocore.session import get_session as get_botocore_session
from django.conf import settings

from provisioning import policies
from provisioning.aws import errors
from provisioning.aws.gateway import Gateway, IamUser, NewAccessKey
from provisioning.aws.inspection import Inspection
from provisioning.models import Registry
from provisioning.policies import Document


def connect(registry: Registry) -> Gateway:
    """The gateway to a registry's account and region. Nothing is sent yet."""
    return _gateway(registry.region, registry.role_arn, registry.external_id, registry.endpoint_url)


# Making a client costs some 50 ms and a session an AssumeRole: one for each registry.
@lru_cache(maxsize=256)
def _gateway(region: str, role_arn: str, external_id: str, endpoint_url: str) -> "BotoGateway":
    config = _config(region)
    session = _session(region, role_arn, external_id, endpoint_url, config)
    return BotoGateway(session, endpoint_url or None, config)


def inspect(registry: Registry) -> Inspection:
    """The same way to AWS as ``connect``'s, for checking it: nothing is kept of sessions
    before. Nothing is sent yet."""
    config = _config(registry.region)
    session = _session(
        registry.region, registry.role_arn, registry.external_id, registry.endpoint_url, config
    )
    return _inspection(session, registry, config)


def _inspection(session: boto3.Session, registry: Registry, config: Config) -> Inspection:
    def as_key(access_key_id: str, secret_access_key: str) -> Inspection:
        return _inspection(boto3.Session(access_key_id, secret_access_key), registry, config)

    endpoint_url = registry.endpoint_url or None
    return Inspection(
        {
            service: session.client(service, endpoint_url=endpoint_url, config=config)
            for service in ("sts", "iam", "ecr")
        },
        _translated,
        as_key,
        frozenset(session.get_available_regions("ecr", "aws")),
    )


def _config(region: str) -> Config:
    connect_seconds, read_seconds = settings.AWS_TIMEOUTS
    return Config(
        region_name=region,
        connect_timeout=connect_seconds,
        read_timeout=read_seconds,
        retries={"mode": "standard", "total_max_attempts": 3},
    )


def _session(
    region: str, role_arn: str, external_id: str, endpoint_url: str, config: Config
) -> boto3.Session:
    session = get_botocore_session()
    session.set_config_variable("region", region)
    if role_arn:
        _assume(session, role_arn, external_id, endpoint_url or None, config)
    return boto3.Session(botocore_session=session)


def _assume(
    session: Session, role_arn: str, external_id: str, endpoint_url: str | None, config: Config
) -> None:
    """Let the session work as the role, renewing it by itself. There is no way back to
    the portal's own identity: a refused role is an error."""
    own = session.get_credentials()
    if own is None:
        raise errors.PermanentError(
            "The portal has no AWS credentials of its own. The portal's operator can give it an "
            "identity (docs/aws-role.md)."
        )
    fetcher = AssumeRoleCredentialFetcher(
        client_creator=lambda service, **kwargs: session.create_client(
            service, endpoint_url=endpoint_url, config=config, **kwargs
        ),
        source_credentials=own,
        role_arn=role_arn,
        extra_args={"RoleSessionName": "ecr-portal"}
        | ({"ExternalId": external_id} if external_id else {}),
    )
    session._credentials = DeferredRefreshableCredentials(
        method="assume-role", refresh_using=fetcher.fetch_credentials
    )


@contextmanager
def _translated(operation: str) -> Iterator[None]:
    """AWS's errors, by name, as ours."""
    try:
        yield
    except ClientError as error:
        told = error.response["Error"]
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 400)
        raise errors.from_code(
            error.operation_name, told.get("Code", ""), told.get("Message", ""), status
        ) from None
    except NoCredentialsError:
        raise errors.PermanentError(
            "The portal has no AWS credentials of its own. The portal's operator can give it an "
            "identity (docs/aws-role.md)."
        ) from None
    # A parser's error holds the whole answer in its text, a secret access key with it.
    except (BotoCoreError, ResponseParserError) as error:
        raise errors.Unreachable(
            f"AWS could not be reached. ({operation}: {type(error).__name__})"
        ) from None


class BotoGateway:
    """See ``provisioning.aws.gateway.Gateway`` for what each method promises."""

    def __init__(self, session: boto3.Session, endpoint_url: str | None, config: Config) -> None:
        self._iam = session.client("iam", endpoint_url=endpoint_url, config=config)
        self._ecr = session.client("ecr", endpoint_url=endpoint_url, config=config)
        # botocore would repeat a CreateAccessKey whose answer was lost, and the first
        # key would stay behind, unknown to everybody.
        once = config.merge(Config(retries={"mode": "standard", "total_max_attempts": 1}))
        self._iam_once = session.client("iam", endpoint_url=endpoint_url, config=once)

    # --- IAM -----------------------------------------------------------------------

    def policy_exists(self, arn: str) -> bool:
        try:
            with _translated("GetPolicy"):
                self._iam.get_policy(PolicyArn=arn)
        except errors.NotFound:
            return False
        return True

    def create_policy(self, name: str, path: str, document: Document) -> None:
        with _translated("CreatePolicy"):
            self._iam.create_policy(
                PolicyName=name, Path=path, PolicyDocument=policies.to_json(document)
            )

    def user(self, name: str) -> IamUser | None:
        try:
            with _translated("GetUser"):
                return _user(self._iam.get_user(UserName=name)["User"])
        except errors.NotFound:
            return None

    def create_user(self, name: str, path: str, tags: Mapping[str, str]) -> IamUser:
        listed = [{"Key": key, "Value": value} for key, value in tags.items()]
        with _translated("CreateUser"):
            made = self._iam.create_user(UserName=name, Path=path, Tags=listed)["User"]
        # IAM's answer to CreateUser may come without the tags that it was given.
        return _user(made | {"Tags": listed})

    def delete_user(self, name: str) -> None:
        with _gone_is_done(), _translated("DeleteUser"):
            self._iam.delete_user(UserName=name)

    def attached_policies(self, user_name: str) -> set[str]:
        pages = self._iam.get_paginator("list_attached_user_policies")
        try:
            with _translated("ListAttachedUserPolicies"):
                return {
                    policy["PolicyArn"]
                    for page in pages.paginate(UserName=user_name)
                    for policy in page["AttachedPolicies"]
                }
        except errors.NotFound:
            return set()

    def attach_policy(self, user_name: str, arn: str) -> None:
        with _translated("AttachUserPolicy"):
            self._iam.attach_user_policy(UserName=user_name, PolicyArn=arn)

    def detach_policy(self, user_name: str, arn: str) -> None:
        with _gone_is_done(), _translated("DetachUserPolicy"):
            self._iam.detach_user_policy(UserName=user_name, PolicyArn=arn)

    def access_keys(self, user_name: str) -> dict[str, str]:
        pages = self._iam.get_paginator("list_access_keys")
        try:
            with _translated("ListAccessKeys"):
                return {
                    key["AccessKeyId"]: key["Status"]
                    for page in pages.paginate(UserName=user_name)
                    for key in page["AccessKeyMetadata"]
                }
        except errors.NotFound:
            return {}

    def create_access_key(self, user_name: str) -> NewAccessKey:
        with _translated("CreateAccessKey"):
            key = self._iam_once.create_access_key(UserName=user_name)["AccessKey"]
        return NewAccessKey(key["AccessKeyId"], key["SecretAccessKey"])

    def delete_access_key(self, user_name: str, access_key_id: str) -> None:
        with _gone_is_done(), _translated("DeleteAccessKey"):
            self._iam.delete_access_key(UserName=user_name, AccessKeyId=access_key_id)

    # --- ECR -----------------------------------------------------------------------

    def repository_uri(self, name: str) -> str:
        with _translated("DescribeRepositories"):
            found = self._ecr.describe_repositories(repositoryNames=[name])["repositories"]
        uri: str = found[0]["repositoryUri"]
        return uri

    def newest_tag(self, repository_name: str) -> str:
        pages = self._ecr.get_paginator("describe_images").paginate(
            repositoryName=repository_name, filter={"tagStatus": "TAGGED"}
        )
        with _translated("DescribeImages"):
            images = [image for page in pages for image in page["imageDetails"]]
        newest = max(images, key=lambda image: image["imagePushedAt"], default=None)
        return str(newest["imageTags"][0]) if newest else ""

    def repository_policy(self, name: str) -> Document | None:
        try:
            with _translated("GetRepositoryPolicy"):
                text = self._ecr.get_repository_policy(repositoryName=name)["policyText"]
        except errors.PolicyNotFound:
            return None
        return policies.from_json(text)

    def set_repository_policy(self, name: str, document: Document) -> None:
        with _translated("SetRepositoryPolicy"):
            self._ecr.set_repository_policy(
                repositoryName=name, policyText=policies.to_json(document)
            )

    def delete_repository_policy(self, name: str) -> None:
        try:
            with _translated("DeleteRepositoryPolicy"):
                self._ecr.delete_repository_policy(repositoryName=name)
        except errors.PolicyNotFound:
            pass


@contextmanager
def _gone_is_done() -> Iterator[None]:
    try:
        yield
    except errors.NotFound:
        pass


def _user(found: Mapping[str, Any]) -> IamUser:
    tags = {tag["Key"]: tag["Value"] for tag in found.get("Tags", [])}
    return IamUser(found["UserName"], found["Arn"], found["UserId"], tags)
