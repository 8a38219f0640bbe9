"""The registry's pull side: ``/v2/`` of the OCI distribution specification, with ECR's
sign-in and error texts."""

import base64
import binascii
import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field

from provisioning.embedded_aws import identities
from provisioning.embedded_aws.authorization import Question
from provisioning.embedded_aws.config import Broken, Config
from provisioning.embedded_aws.identities import Caller
from provisioning.embedded_aws.login_tokens import LoginToken, TokenSigner

ROUTE = re.compile(
    r"/v2/(?P<name>.+)/(?:manifests/(?P<reference>[^/]+)|blobs/(?P<digest>sha256:[0-9a-f]{64})"
    r"|tags/(?P<tags>list))"
)
HOST = re.compile(r"(?P<account>\d{12})\.dkr\.ecr\.(?P<region>[a-z0-9-]+)\.amazonaws\.com")
CHALLENGE = 'Basic realm="https://{host}/",service="ecr.amazonaws.com"'


@dataclass(frozen=True)
class Answer:
    status: int
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)


class Registry:
    """``may(question, account_id, region, repository)`` decides on a grant; it returns
    the reason for a denial, or None."""

    def __init__(
        self,
        config: Config,
        signer: TokenSigner,
        may: Callable[[Question, str, str, str], str | None],
    ) -> None:
        self._config = config
        self._signer = signer
        self._may = may
        self.blobs: dict[str, bytes] = {}

    def answer(self, path: str, host: str, authorization: str, source: str = "") -> Answer:
        """Answer GET or HEAD of a path below ``/v2/``, from the IP address ``source``."""
        token = self._token(authorization)
        if isinstance(token, Answer):
            return token
        if token is None:
            challenge = {"WWW-Authenticate": CHALLENGE.format(host=host)}
            return _error(401, "UNAUTHORIZED", "Not Authorized", challenge)
        if path.rstrip("/") == "/v2":
            return Answer(200, b"{}", {"Content-Type": "application/json"})
        found = ROUTE.fullmatch(path)
        if found is None:
            return _error(404, "NAME_UNKNOWN", "The path is not one of a registry.")
        named = HOST.match(host)
        account_id = named["account"] if named else token.account_id
        region = named["region"] if named else token.region
        return self._content(found, token, account_id, region, source)

    def _token(self, authorization: str) -> LoginToken | Answer | None:
        """The token of a Basic header; an Answer that says why it is not accepted."""
        kind, _, encoded = authorization.partition(" ")
        if kind.lower() != "basic":
            return None
        try:
            user, _, password = base64.b64decode(encoded).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            return None
        token = self._signer.read(password) if user == "AWS" else None
        if token is None:
            return None
        if token.is_expired:
            return _error(
                403, "DENIED", "Your authorization token has expired. Reauthenticate and try again."
            )
        if self._config.tokens_die_with_their_key and not self._has_living_key(token):
            return _error(403, "DENIED", "The security token included in the request is invalid.")
        return token

    def _has_living_key(self, token: LoginToken) -> bool:
        if Broken.KEY_AT_REGISTRY in self._config.broken:
            return True
        credential = identities.credential(token.access_key_id)
        return credential is not None and credential.is_active

    def _content(
        self,
        found: re.Match[str],
        token: LoginToken,
        account_id: str,
        region: str,
        source: str,
    ) -> Answer:
        action = "ecr:GetDownloadUrlForLayer" if found["digest"] else "ecr:BatchGetImage"
        name = found["name"]
        resource = f"arn:aws:ecr:{region}:{account_id}:repository/{name}"
        caller_account = token.user_arn.split(":")[4]
        caller = Caller(caller_account, token.user_arn, token.user_arn, token.access_key_id)
        repository = identities.ecr(account_id, region).repositories.get(name)
        if repository is None:
            message = (
                f"The repository with name '{name}' does not exist in the registry with id "
                f"'{account_id}'"
            )
            return _error(404, "NAME_UNKNOWN", message)
        reason = self._may(
            Question(caller, action, resource, {"aws:SourceIp": source}), account_id, region, name
        )
        if reason is not None:
            message = f"User: {caller.arn} is not authorized to perform: {action} on resource: "
            return _error(403, "DENIED", f"{message}{resource} {reason}")
        if found["tags"]:
            tags = sorted(tag for image in repository.images for tag in image.image_tags)
            return _json({"name": name, "tags": tags})
        if found["digest"]:
            return self._blob(found["digest"], repository)
        return _manifest(found["reference"], name, repository)

    def _blob(self, digest: str, repository: object) -> Answer:
        """A blob of one of the repository's own images, and no other."""
        images = repository.images  # type: ignore[attr-defined]
        if not any(digest in image.image_manifest for image in images):
            return _error(404, "BLOB_UNKNOWN", "blob unknown to registry")
        headers = {"Content-Type": "application/octet-stream", "Docker-Content-Digest": digest}
        return Answer(200, self.blobs[digest], headers)


def _manifest(reference: str, name: str, repository: object) -> Answer:
    for image in repository.images:  # type: ignore[attr-defined]
        if reference in (image.image_digest, *image.image_tags):
            headers = {
                "Content-Type": image.image_manifest_media_type,
                "Docker-Content-Digest": image.image_digest,
            }
            return Answer(200, image.image_manifest.encode(), headers)
    return _error(404, "MANIFEST_UNKNOWN", "Requested image not found")


def _json(content: object) -> Answer:
    return Answer(200, json.dumps(content).encode(), {"Content-Type": "application/json"})


def _error(status: int, code: str, message: str, headers: dict[str, str] | None = None) -> Answer:
    body = json.dumps({"errors": [{"code": code, "message": message}]}).encode()
    return Answer(status, body, {"Content-Type": "application/json"} | (headers or {}))
