"""A customer's machine as a program: it signs in with the ECR API and pulls by the registry
protocol, verifying every digest."""

import json
from dataclasses import dataclass, field

import boto3
import requests
from botocore.config import Config
from botocore.exceptions import ClientError

from provisioning.embedded_aws.images import INDEX, MANIFEST, digest_of

TIMEOUT = 30  # seconds


class PullRefused(Exception):
    """The API or the registry refused; the text is theirs."""


@dataclass(frozen=True)
class Pulled:
    digest: str
    layers: int


@dataclass(frozen=True)
class Machine:
    """``url`` is where AWS is reached."""

    url: str
    region: str
    access_key_id: str
    secret_access_key: str = field(repr=False)

    def login_token(self) -> str:
        """base64 of ``AWS:password``, as a client's auth file holds it. Raises PullRefused."""
        ecr = boto3.client(
            "ecr",
            endpoint_url=self.url,
            region_name=self.region,
            aws_access_key_id=self.access_key_id,
            aws_secret_access_key=self.secret_access_key,
            config=Config(retries={"total_max_attempts": 1}),
        )
        try:
            token: str = ecr.get_authorization_token()["authorizationData"][0]["authorizationToken"]
        except ClientError as error:
            raise PullRefused(str(error)) from None
        return token

    def pull(self, repository: str, tag: str, *, token: str | None = None) -> Pulled:
        """Pull a whole image; ``token`` is from an earlier sign-in. Raises PullRefused."""
        token = token or self.login_token()
        manifest = self._get(f"/v2/{repository}/manifests/{tag}", token)
        listed = json.loads(manifest)
        if "manifests" in listed:
            own = next(m for m in listed["manifests"] if m["platform"]["architecture"] == "amd64")
            listed = json.loads(self._get(f"/v2/{repository}/manifests/{own['digest']}", token))
        blobs = [listed["config"], *listed["layers"]]
        for blob in blobs:
            content = self._get(f"/v2/{repository}/blobs/{blob['digest']}", token)
            if digest_of(content) != blob["digest"]:
                raise PullRefused(f"{blob['digest']} arrived damaged")
        return Pulled(digest_of(manifest), len(listed["layers"]))

    def _get(self, path: str, token: str) -> bytes:
        answer = requests.get(
            self.url + path,
            headers={"Authorization": f"Basic {token}", "Accept": f"{INDEX}, {MANIFEST}"},
            timeout=TIMEOUT,
        )
        if not answer.ok:
            raise PullRefused(f"{answer.status_code} {answer.text}")
        return answer.content
