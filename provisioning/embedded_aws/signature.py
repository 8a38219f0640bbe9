"""Signature version 4: who signed, and whether the signature is right. It is
computed again with botocore's own signer and compared."""

import hmac
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qsl, urlsplit

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from provisioning.embedded_aws import errors, identities
from provisioning.embedded_aws.identities import Caller, Credential

AUTHORIZATION = re.compile(
    r"AWS4-HMAC-SHA256 Credential=(?P<key>[^/\s]+)/(?P<date>\d{8})/(?P<region>[^/]+)/"
    r"(?P<service>[^/]+)/aws4_request, ?SignedHeaders=(?P<headers>[^,]+), ?"
    r"Signature=(?P<signature>[0-9a-f]{64})"
)

# "The signature is valid for five minutes": IAM user guide, "Troubleshoot Signature Version 4".
VALID_FOR = timedelta(minutes=5)
MOMENT = "%Y%m%dT%H%M%SZ"


@dataclass(frozen=True)
class HttpRequest:
    """An API call as received. Header names are in lower case; ``source`` is the IP address that
    it came from."""

    method: str
    url: str
    headers: dict[str, str]
    body: bytes
    source: str = ""


@dataclass(frozen=True)
class Signed:
    """What the signature states: the key, and the scope."""

    access_key_id: str
    region: str
    service: str
    signed_headers: list[str]
    signature: str


def parse(request: HttpRequest) -> Signed | None:
    """The parts of the Authorization header, or None where there is no signature. Raises ApiError
    for a header that holds a blank too many, as a key id copied with one does."""
    header = request.headers.get("authorization", "")
    found = AUTHORIZATION.match(header)
    if found is None and header.startswith("AWS4-HMAC-SHA256 Credential="):
        service = header.partition("/aws4_request")[0].rpartition("/")[2]
        raise errors.incomplete_signature(service, header.split()[2])
    if found is None:
        return None
    return Signed(
        found["key"],
        found["region"],
        found["service"],
        found["headers"].split(";"),
        found["signature"],
    )


def identify(
    request: HttpRequest,
    signed: Signed,
    known: dict[str, Credential],
    *,
    now: datetime,
    skip_status: bool,
) -> Caller:
    """The caller. ``known`` are credentials besides those of IAM. Raises ApiError for a key
    that is unknown, deleted or inactive, for a signature made with another secret, and for one
    made at another time than AWS's ``now``."""
    credential = known.get(signed.access_key_id) or identities.credential(signed.access_key_id)
    if credential is None or not (credential.is_active or skip_status):
        raise errors.unknown_token(signed.service)
    if credential.session_token != request.headers.get("x-amz-security-token", ""):
        raise errors.unknown_token(signed.service)
    if not hmac.compare_digest(_signature(request, signed, credential), signed.signature):
        raise errors.bad_signature(signed.service)
    signed_at = datetime.strptime(request.headers["x-amz-date"], MOMENT).replace(tzinfo=UTC)
    if abs(signed_at - now) > VALID_FOR:
        minutes = 5 if signed_at > now else -5
        raise errors.skewed_signature(
            signed.service, f"{signed_at:{MOMENT}}", f"{now:{MOMENT}}", minutes
        )
    return credential.caller


def _signature(request: HttpRequest, signed: Signed, credential: Credential) -> str:
    signer = SigV4Auth(
        Credentials(credential.caller.access_key_id, credential.secret_access_key),
        signed.service,
        signed.region,
    )
    parts = urlsplit(request.url)
    again = AWSRequest(
        method=request.method,
        url=f"{parts.scheme}://{parts.netloc}{parts.path}",
        params=dict(parse_qsl(parts.query)),
        data=request.body,
        headers={name: request.headers.get(name, "") for name in signed.signed_headers},
    )
    again.context["timestamp"] = request.headers.get("x-amz-date", "")
    if "x-amz-content-sha256" in request.headers:
        again.headers["X-Amz-Content-SHA256"] = request.headers["x-amz-content-sha256"]
    text = signer.string_to_sign(again, signer.canonical_request(again))
    computed: str = signer.signature(text, again)
    return computed
