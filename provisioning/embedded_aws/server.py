"""The embedded AWS as one WSGI application: APIs and registry on the same port."""

import base64
import json
import re
import socket
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from datetime import UTC, datetime, timedelta
from io import BytesIO
from pathlib import Path
from typing import Any, Literal

from moto.moto_api._internal.models import moto_api_backend
from moto.server import create_backend_app
from werkzeug.wrappers import Request, Response

from provisioning.embedded_aws import (
    bootstrap,
    calls,
    extensions,
    identities,
    images,
    pagination,
    repository_policies,
    responses,
    serving,
    signature,
)
from provisioning.embedded_aws.access import Access
from provisioning.embedded_aws.calls import Call
from provisioning.embedded_aws.config import Broken, Config
from provisioning.embedded_aws.errors import ApiError
from provisioning.embedded_aws.faults import Fault, Faults, Kind
from provisioning.embedded_aws.login_tokens import LoginToken, TokenSigner
from provisioning.embedded_aws.registry import Registry
from provisioning.embedded_aws.repository_policies import RepositoryPolicies
from provisioning.embedded_aws.serving import Server
from provisioning.embedded_aws.validation import Validation

SERVICES: tuple[Literal["ecr", "iam", "sts"], ...] = ("ecr", "iam", "sts")
JSON = "application/x-amz-json-1.1"
REGISTRY_NAME = re.compile(rb"\d{12}\.dkr\.ecr\.[a-z0-9-]+\.amazonaws\.com")


class EmbeddedAws:
    """One AWS with all its accounts. moto keeps its state in the process: one at a time.

    ``has_real_names``: clients reach it by AWS's own host names, and are sent to them.
    """

    def __init__(self, config: Config | None = None, *, has_real_names: bool = False) -> None:
        self.config = config or Config()
        self.has_real_names = has_real_names
        # Found by the service's name: moto's own dispatcher lists its folders at each call.
        self._apis: dict[str, Any] = {name: create_backend_app(name) for name in SERVICES}
        # moto's backends are plain dictionaries, and its server has many threads.
        self._lock = threading.Lock()
        self.reset()

    def reset(self) -> None:
        """Reset to the portal's own identity and nothing else."""
        moto_api_backend.reset()
        self.calls: list[Call] = []
        self._validation = Validation(self.config)
        self._signer = TokenSigner()
        self._policies = RepositoryPolicies()
        self._access = Access(self.config, self._policies)
        self._registry = Registry(self.config, self._signer, self._access.why_denied)
        self.faults = Faults()
        # Called for each allowed call, "before" it is carried out and "after".
        self.watch: Callable[[str, Call], None] = lambda moment, call: None
        self._pushed = 0
        identities.boundaries.clear()
        identities.user_sessions.clear()
        self._root = {bootstrap.ROOT_ACCESS_KEY_ID: bootstrap.root()}
        bootstrap.create_portal_identity()

    # --- The vendor's side -----------------------------------------------------------

    def create_account(self, account_id: str) -> None:
        """An account with the role that the portal assumes."""
        bootstrap.create_role(account_id)

    def create_repository(self, account_id: str, region: str, name: str) -> None:
        identities.ecr(account_id, region).create_repository(
            repository_name=name,
            registry_id=account_id,
            encryption_config=None,
            image_scan_config=None,
            image_tag_mutability="MUTABLE",
            image_tag_mutability_exclusion_filters=None,
            tags=[],
        )

    def push(
        self,
        account_id: str,
        region: str,
        repository: str,
        tag: str,
        image: images.Image | None = None,
    ) -> str:
        """Push an image, or a small one with that name and tag, an hour after the previous
        one. Returns its digest."""
        self._pushed += 1
        image = image or images.make(repository, tag)
        self._store(identities.ecr(account_id, region), repository, tag, image)
        return image.digest

    def _store(self, ecr: Any, repository: str, tag: str | None, image: images.Image) -> None:
        for part in image.parts:
            self._store(ecr, repository, None, part)
        stored = ecr.put_image(
            repository, image.manifest.decode(), tag, image.media_type, image.digest
        )
        stored.image_pushed_at = int(time.time()) - 7 * 86_400 + self._pushed * 3600
        stored.get_image_size_in_bytes = lambda: image.size
        if image.artifact_type:
            stored.artifact_media_type = image.artifact_type
        self._registry.blobs |= image.blobs

    def digest(self, account_id: str, region: str, repository: str, tag: str) -> str:
        """The digest of a pushed image."""
        found = identities.ecr(account_id, region).repositories[repository]
        digest: str = found._get_image(tag, None).image_digest
        return digest

    # --- Serving ---------------------------------------------------------------------

    def serve(
        self, host: str = "127.0.0.1", port: int = 0, certificate: tuple[Path, Path] | None = None
    ) -> AbstractContextManager[Server]:
        """Serve in a thread. ``certificate``: its file and its key's, for TLS. Raises
        OSError for a port that is taken."""
        return serving.serve(self, host, port, certificate)

    def __call__(
        self, environ: dict[str, Any], start_response: Callable[..., Any]
    ) -> Iterable[bytes]:
        request = Request(environ)
        if request.path == "/v2" or request.path.startswith("/v2/"):
            response = self._pull(request)
        else:
            response = self._call(request, environ)
        response.date = self._now()
        return response(environ, start_response)

    def _pull(self, request: Request) -> Response:
        header = request.headers.get("Authorization", "")
        with self._lock:
            answer = self._registry.answer(
                request.path, request.host, header, request.remote_addr or ""
            )
        headers = answer.headers | {"Docker-Distribution-Api-Version": "registry/2.0"}
        return Response(answer.body, answer.status, headers)

    def _now(self) -> datetime:
        return datetime.now(UTC) + timedelta(seconds=self.config.seconds_ahead)

    # --- API calls -------------------------------------------------------------------

    def _call(self, request: Request, environ: dict[str, Any]) -> Response:
        time.sleep(self.config.call_seconds)
        body = request.get_data()
        read = signature.HttpRequest(
            request.method,
            request.url,
            {name.lower(): value for name, value in request.headers.items()},
            body,
            request.remote_addr or "",
        )
        try:
            signed = signature.parse(read)
        except ApiError as refusal:
            service = "ecr" if "Exception" in refusal.code else "sts"
            return responses.refused(service, refusal)
        if signed is None:
            return responses.refused(
                "sts",
                ApiError(
                    403, "MissingAuthenticationToken", "Request is missing Authentication Token"
                ),
            )
        try:
            with self._lock:
                caller = signature.identify(
                    read,
                    signed,
                    self._root,
                    now=self._now(),
                    skip_status=Broken.KEY_AT_API in self.config.broken,
                )
                self._validation.refuse_young(signed)
                if signed.service not in SERVICES:
                    words = f"The embedded AWS has no {signed.service}."
                    raise ApiError(404, "UnknownOperationException", words)
                call = calls.read(read, signed, caller)
                self._access.require(call)
                self.calls.append(call)
                fault = self.faults.take(call)
                if fault and fault.kind is Kind.REFUSED:
                    raise fault.refusal
                self._validation.check(call)
                environ["wsgi.input"] = BytesIO(body)
                self.watch("before", call)
                response = self._carry_out(call, request, environ, fault)
                self.watch("after", call)
                if fault and fault.kind is Kind.FAILED:
                    raise fault.refusal
                if fault and fault.kind is Kind.LOST:
                    environ["werkzeug.socket"].shutdown(socket.SHUT_RDWR)
                return response
        except ApiError as refusal:
            return responses.refused(signed.service, refusal)

    def _carry_out(
        self, call: Call, request: Request, environ: dict[str, Any], fault: Fault | None
    ) -> Response:
        if call.operation == "GetAuthorizationToken":
            return self._authorization_token(call, request)
        if call.operation in extensions.ANSWERS:
            content = extensions.ANSWERS[call.operation](call)
            return Response(content, 200, {"Content-Type": "text/xml"})
        if call.operation.endswith("RegistryPolicy"):
            content = self._policies.answer_for_registry(call)
            return Response(content, 200, {"Content-Type": JSON})
        if call.operation == "UpdateUser":
            return self._moved(call, environ)
        if call.operation == "GetAccountSummary":
            identities.set_users_quota(call.account_id, self.config.users_per_account)
        if call.operation == "SetRepositoryPolicy" and self._policies.has_repository(call):
            return Response(self._policies.set(call), 200, {"Content-Type": JSON})
        response = Response.from_app(self._apis[call.service], environ)
        if response.status_code != 200:
            return response
        response.set_data(pagination.page(call, response.get_data(), self.config.page_size))
        match call.operation:
            case "CreateUser":
                user = identities.iam(call.account_id).users[call.user_name]
                self._validation.users_created_at[identities.unique_id(user)] = time.monotonic()
                extensions.remember_boundary(call)
            case "GetUser":
                content = response.get_data(as_text=True)
                response.set_data(extensions.with_boundary(call, content))
            case "CreateAccessKey":
                self._validation.remember_key(response.get_data(as_text=True))
            case "GetRepositoryPolicy":
                answer = json.loads(response.get_data())
                shown = self._policies.shown(call.account_id, call.region, call.repository)
                if fault and fault.kind is Kind.STALE:
                    shown = self._policies.before(call)
                if fault and fault.kind is Kind.REORDERED:
                    shown = repository_policies.reordered(shown)
                is_garbled = fault is not None and fault.kind is Kind.GARBLED
                answer["policyText"] = "garbled" if is_garbled else json.dumps(shown)
                response.set_data(json.dumps(answer))
        if not self.has_real_names:
            host = request.host.encode()
            response.set_data(REGISTRY_NAME.sub(host, response.get_data()))
        return response

    def _moved(self, call: Call, environ: dict[str, Any]) -> Response:
        """A user under another name or path: moto keeps the tags under its old ARN."""
        backend = identities.iam(call.account_id)
        user = backend.users.get(call.user_name)
        tags = user.tags if user else None
        response = Response.from_app(self._apis[call.service], environ)
        if user and tags:
            backend.tagger.tag_resource(user.arn, tags)
        return response

    def _authorization_token(self, call: Call, request: Request) -> Response:
        account_id = (call.parameters.get("registryIds") or [call.caller.account_id])[0]
        expires_at = time.time() + self.config.login_hours * 3600
        token = LoginToken(
            call.caller.access_key_id,
            account_id,
            call.caller.principal_arn,
            call.region,
            expires_at,
        )
        password = self._signer.make(token)
        if self.has_real_names:
            endpoint = f"https://{account_id}.dkr.ecr.{call.region}.amazonaws.com"
        else:
            endpoint = f"{request.scheme}://{request.host}"
        data = {
            "authorizationToken": base64.b64encode(f"AWS:{password}".encode()).decode(),
            "expiresAt": expires_at,
            "proxyEndpoint": endpoint,
        }
        content = json.dumps({"authorizationData": [data]})
        return Response(content, 200, {"Content-Type": JSON})
