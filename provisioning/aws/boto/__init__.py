"""The gateway through boto3; nothing else imports it."""

from functools import lru_cache

import boto3
from botocore.config import Config

from provisioning.aws import errors
from provisioning.aws.boto.ecr import Ecr
from provisioning.aws.boto.iam import Iam
from provisioning.aws.boto.session import Place, client, config, session_of, session_of_key
from provisioning.aws.boto.translation import translated
from provisioning.aws.gateway import Gateway
from provisioning.aws.inspection import Inspection
from provisioning.models import Registry


class BotoGateway(Iam, Ecr):
    """See ``provisioning.aws.gateway.Gateway`` for what each method promises."""

    def __init__(self, session: boto3.Session, place: Place) -> None:
        self.place = place
        self._iam = client(session, "iam", place)
        # botocore would repeat a CreateAccessKey whose answer was lost, and the first
        # key would stay behind, unknown to everybody.
        once = config().merge(Config(retries={"mode": "standard", "total_max_attempts": 1}))
        self._iam_once = client(session, "iam", place, once)
        self._ecr = client(session, "ecr", place)
        self._sts = client(session, "sts", place)


def connect(registry: Registry) -> Gateway:
    """The gateway to a registry's account and region. Nothing is sent yet. Raises
    PermanentError for a role of another account."""
    place = Place(registry.account_id, registry.region, registry.endpoint_url)
    if registry.role_arn and f"::{registry.account_id}:" not in registry.role_arn:
        raise errors.PermanentError(
            f"The role of registry {registry} is of another AWS account than {place.account_id}. "
            "The portal's administrator can correct it in the admin."
        )
    return _gateway(place, registry.role_arn, registry.external_id)


# Making a client costs some 50 ms and a session an AssumeRole: one for each registry.
@lru_cache(maxsize=256)
def _gateway(place: Place, role_arn: str, external_id: str) -> BotoGateway:
    return BotoGateway(session_of(place, role_arn, external_id), place)


def inspect(registry: Registry) -> Inspection:
    """The same way to AWS as ``connect``'s, for checking it: nothing is kept of sessions
    before. Nothing is sent yet."""
    place = Place(registry.account_id, registry.region, registry.endpoint_url)
    return _inspection(session_of(place, registry.role_arn, registry.external_id), place)


def _inspection(session: boto3.Session, place: Place) -> Inspection:
    def as_key(access_key_id: str, secret_access_key: str) -> Inspection:
        return _inspection(session_of_key(access_key_id, secret_access_key), place)

    clients = {service: client(session, service, place) for service in ("sts", "iam", "ecr")}
    regions = frozenset(session.get_available_regions("ecr", "aws"))
    return Inspection(clients, translated, as_key, regions)


def renew_sessions() -> None:
    """Have every role assumed again at its next use."""
    _gateway.cache_clear()
