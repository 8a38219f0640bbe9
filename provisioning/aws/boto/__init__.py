"""The gateway through boto3; nothing else imports it."""

from functools import lru_cache

import boto3
from botocore.config import Config
from django.conf import settings

from provisioning.aws import errors
from provisioning.aws.boto.ecr import Ecr
from provisioning.aws.boto.iam import Iam
from provisioning.aws.boto.session import AwsEndpoint, client, config, session_of, session_of_key
from provisioning.aws.boto.translation import translated
from provisioning.aws.gateway import Gateway
from provisioning.aws.probe import Probe
from provisioning.models import Registry


class BotoGateway(Iam, Ecr):
    """See ``provisioning.aws.gateway.Gateway`` for what each method promises."""

    def __init__(self, session: boto3.Session, endpoint: AwsEndpoint) -> None:
        self.endpoint = endpoint
        self._iam = client(session, "iam", endpoint)
        # botocore would repeat a CreateAccessKey whose answer was lost, and the first key would
        # stay behind, unknown to everybody.
        once = config().merge(Config(retries={"mode": "standard", "total_max_attempts": 1}))
        self._iam_once = client(session, "iam", endpoint, once)
        self._ecr = client(session, "ecr", endpoint)
        self._sts = client(session, "sts", endpoint)


def connect(registry: Registry) -> Gateway:
    """The gateway to a registry's account and region. Sends nothing yet. Raises PermanentError
    for a role of another account."""
    endpoint = _endpoint(registry)
    if registry.role_arn and f"::{registry.account_id}:" not in registry.role_arn:
        raise errors.PermanentError(
            f"The role of registry {registry} belongs to another AWS account than "
            f"{endpoint.account_id}. The portal's administrator can correct it in the admin."
        )
    return _gateway(endpoint, registry.role_arn, registry.external_id)


def _endpoint(registry: Registry) -> AwsEndpoint:
    """Only the embedded form sends requests, with secrets in them, elsewhere than to AWS."""
    elsewhere = registry.endpoint_url if settings.EMBEDDED else ""
    return AwsEndpoint(registry.account_id, registry.region, elsewhere)


# A client takes time to create, and a session an AssumeRole: one of each per registry.
@lru_cache(maxsize=256)
def _gateway(endpoint: AwsEndpoint, role_arn: str, external_id: str) -> BotoGateway:
    return BotoGateway(session_of(endpoint, role_arn, external_id), endpoint)


def probe(registry: Registry) -> Probe:
    """The same way to AWS as ``connect``'s, for checking it, with a new session. Sends nothing
    yet."""
    endpoint = _endpoint(registry)
    return _probe(session_of(endpoint, registry.role_arn, registry.external_id), endpoint)


def _probe(session: boto3.Session, endpoint: AwsEndpoint) -> Probe:
    def as_key(access_key_id: str, secret_access_key: str) -> Probe:
        return _probe(session_of_key(access_key_id, secret_access_key), endpoint)

    clients = {service: client(session, service, endpoint) for service in ("sts", "iam", "ecr")}
    regions = frozenset(session.get_available_regions("ecr", "aws"))
    return Probe(clients, translated, as_key, regions)


def renew_sessions() -> None:
    """Have every role assumed again at its next use, by new clients."""
    _gateway.cache_clear()
