"""Sessions and clients: the portal's identity in AWS, and the rate of its calls."""

from dataclasses import dataclass
from functools import cache
from typing import Any

import boto3
from botocore.config import Config
from botocore.credentials import AssumeRoleCredentialFetcher, DeferredRefreshableCredentials
from botocore.loaders import Loader, create_loader
from botocore.session import Session
from botocore.session import get_session as get_botocore_session
from django.conf import settings

from provisioning.aws import errors, rate_limit

NO_IDENTITY = (
    "The portal has no AWS credentials of its own. The portal's operator can give it an "
    "identity (docs/aws-role.md)."
)
THROTTLED = {"Throttling", "ThrottlingException", "TooManyRequestsException"}


@dataclass(frozen=True)
class AwsEndpoint:
    """An account and a region; ``endpoint_url`` is empty except for the embedded AWS."""

    account_id: str
    region: str
    endpoint_url: str


def config() -> Config:
    connect_seconds, read_seconds = settings.AWS_TIMEOUTS
    return Config(
        connect_timeout=connect_seconds,
        read_timeout=read_seconds,
        retries={"mode": "standard", "total_max_attempts": 3},
    )


def session_of(endpoint: AwsEndpoint, role_arn: str, external_id: str) -> boto3.Session:
    """A session for the role, or for the portal's own identity where there is no role."""
    session = _new_session()
    session.set_config_variable("region", endpoint.region)
    if role_arn:
        _assume(session, endpoint, role_arn, external_id)
    return boto3.Session(botocore_session=session)


def session_of_key(access_key_id: str, secret_access_key: str) -> boto3.Session:
    """A session for the user of an access key."""
    return boto3.Session(access_key_id, secret_access_key, botocore_session=_new_session())


def _new_session() -> Session:
    session = get_botocore_session()
    # Each would parse the service models again, which takes longer than everything else.
    session.register_component("data_loader", _loader())
    return session


@cache
def _loader() -> Loader:
    return create_loader()


def _assume(session: Session, endpoint: AwsEndpoint, role_arn: str, external_id: str) -> None:
    """Let the session assume the role, and renew it by itself. There is no fallback to the
    portal's own identity: a refused role is an error."""
    own = session.get_credentials()
    if own is None:
        raise errors.Unauthorized(NO_IDENTITY)
    fetcher = AssumeRoleCredentialFetcher(
        client_creator=lambda service, **kwargs: session.create_client(
            service, endpoint_url=endpoint.endpoint_url or None, config=config(), **kwargs
        ),
        source_credentials=own,
        role_arn=role_arn,
        extra_args={"RoleSessionName": "ecr-portal"}
        | ({"ExternalId": external_id} if external_id else {}),
    )
    session._credentials = DeferredRefreshableCredentials(
        method="assume-role", refresh_using=fetcher.fetch_credentials
    )


def client(
    session: boto3.Session,
    service: str,
    endpoint: AwsEndpoint,
    settings_of_it: Config | None = None,
) -> Any:
    """A client of the service whose requests keep to the rate limits."""
    created = session.client(
        service,
        region_name=endpoint.region,
        endpoint_url=endpoint.endpoint_url or None,
        config=settings_of_it or config(),
    )
    created.meta.events.register(f"before-send.{service}", lambda **event: _wait(endpoint, event))
    created.meta.events.register(
        f"response-received.{service}", lambda **event: _slow_down(endpoint, event)
    )
    return created


def _wait(endpoint: AwsEndpoint, event: dict[str, Any]) -> None:
    for key, start in _limits(endpoint, event["event_name"]):
        rate_limit.wait(key, start)


def _slow_down(endpoint: AwsEndpoint, event: dict[str, Any]) -> None:
    """If AWS throttled the call, all workers hold back."""
    answer = event.get("parsed_response") or {}
    if answer.get("Error", {}).get("Code") in THROTTLED:
        for key, start in _limits(endpoint, event["event_name"]):
            rate_limit.slow_down(key, start)


def _limits(endpoint: AwsEndpoint, event_name: str) -> list[tuple[str, float]]:
    """The limits that apply to a call, with where their rates start: its service's, and its own
    where there is one. IAM's are for the whole account, ECR's for one region."""
    _, service, operation = event_name.split(".")
    of = endpoint.account_id if service == "iam" else f"{endpoint.account_id}:{endpoint.region}"
    rates = settings.AWS_RATES
    return [(f"{of}:{name}", rates[name]) for name in (service, operation) if rates.get(name)]
