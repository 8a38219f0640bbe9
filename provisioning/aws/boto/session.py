"""Sessions and clients: who the portal is to AWS, and at what pace it asks."""

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

from provisioning.aws import errors, limiter

NO_IDENTITY = (
    "The portal has no AWS credentials of its own. The portal's operator can give it an "
    "identity (docs/aws-role.md)."
)
THROTTLED = {"Throttling", "ThrottlingException", "TooManyRequestsException"}


@dataclass(frozen=True)
class Place:
    """An account and a region; ``endpoint_url`` is empty but for the embedded AWS."""

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


def session_of(place: Place, role_arn: str, external_id: str) -> boto3.Session:
    """A session that works as the role, or as the portal itself where there is none."""
    session = _new_session()
    session.set_config_variable("region", place.region)
    if role_arn:
        _assume(session, place, role_arn, external_id)
    return boto3.Session(botocore_session=session)


def session_of_key(access_key_id: str, secret_access_key: str) -> boto3.Session:
    """A session that works as the user of an access key."""
    return boto3.Session(access_key_id, secret_access_key, botocore_session=_new_session())


def _new_session() -> Session:
    session = get_botocore_session()
    # Each would parse the models of the services again, which takes longer than all the rest.
    session.register_component("data_loader", _loader())
    return session


@cache
def _loader() -> Loader:
    return create_loader()


def _assume(session: Session, place: Place, role_arn: str, external_id: str) -> None:
    """Let the session work as the role, renewing it by itself. There is no way back to
    the portal's own identity: a refused role is an error."""
    own = session.get_credentials()
    if own is None:
        raise errors.Unauthorized(NO_IDENTITY)
    fetcher = AssumeRoleCredentialFetcher(
        client_creator=lambda service, **kwargs: session.create_client(
            service, endpoint_url=place.endpoint_url or None, config=config(), **kwargs
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
    session: boto3.Session, service: str, place: Place, settings_of_it: Config | None = None
) -> Any:
    """A client of the service, each of whose requests waits for its turn."""
    made = session.client(
        service,
        region_name=place.region,
        endpoint_url=place.endpoint_url or None,
        config=settings_of_it or config(),
    )
    made.meta.events.register(f"before-send.{service}", lambda **event: _wait(place, event))
    made.meta.events.register(f"response-received.{service}", lambda **event: _heed(place, event))
    return made


def _wait(place: Place, event: dict[str, Any]) -> None:
    for key, rate in _paces(place, event["event_name"]):
        limiter.wait(key, rate)


def _heed(place: Place, event: dict[str, Any]) -> None:
    """AWS asks for fewer calls: everybody holds back."""
    answer = event.get("parsed_response") or {}
    if answer.get("Error", {}).get("Code") in THROTTLED:
        for key, _ in _paces(place, event["event_name"]):
            limiter.hold_back(key)


def _paces(place: Place, event_name: str) -> list[tuple[str, float]]:
    """The limits that a call falls under: its service's, and its own where it has one.
    IAM's are the whole account's, ECR's those of its region."""
    _, service, operation = event_name.split(".")
    of = place.account_id if service == "iam" else f"{place.account_id}:{place.region}"
    rates = settings.AWS_RATES
    return [(f"{of}:{name}", rates[name]) for name in (service, operation) if rates.get(name)]
