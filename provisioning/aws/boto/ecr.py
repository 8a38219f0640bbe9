"""ECR's part of the gateway."""

import json
from collections.abc import Sequence
from itertools import islice
from typing import Any

from provisioning.aws import errors
from provisioning.aws.boto.session import AwsEndpoint, client, session_of_key
from provisioning.aws.boto.translation import translated
from provisioning.aws.gateway import EcrImage
from provisioning.documents import grammar
from provisioning.documents.grammar import Document

MANIFEST_TYPES = [
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
    "application/vnd.docker.distribution.manifest.v2+json",
]
NOT_ACCEPTED = "AWS does not accept the new key yet."
# What ECR returns at most in one answer, and how many answers are read.
PAGE_SIZE, MOST_PAGES = 1000, 20


class Ecr:
    endpoint: AwsEndpoint
    _ecr: Any

    def repository_uri(self, name: str) -> str:
        with translated("DescribeRepositories"):
            found = self._ecr.describe_repositories(
                registryId=self.endpoint.account_id, repositoryNames=[name]
            )
        uri: str = found["repositories"][0]["repositoryUri"]
        return uri

    def images(self, repository_name: str) -> list[EcrImage]:
        pages = self._ecr.get_paginator("describe_images").paginate(
            **self._of(repository_name),
            filter={"tagStatus": "TAGGED"},
            PaginationConfig={"PageSize": PAGE_SIZE},
        )
        with translated("DescribeImages"):
            found = [image for page in islice(pages, MOST_PAGES) for image in page["imageDetails"]]
        return sorted(map(_image, found), key=lambda image: image.pushed_at, reverse=True)

    def platforms(self, repository_name: str, digests: Sequence[str]) -> dict[str, list[str]]:
        with translated("BatchGetImage"):
            images = self._ecr.batch_get_image(
                **self._of(repository_name),
                imageIds=[{"imageDigest": digest} for digest in digests],
                acceptedMediaTypes=MANIFEST_TYPES,
            )["images"]
        return {image["imageId"]["imageDigest"]: _platforms(image) for image in images}

    def repository_policy(self, name: str) -> Document | None:
        try:
            with translated("GetRepositoryPolicy"):
                text = self._ecr.get_repository_policy(**self._of(name))["policyText"]
        except errors.PolicyNotFound:
            return None
        return grammar.from_json(text)

    def registry_policy(self) -> Document | None:
        try:
            with translated("GetRegistryPolicy"):
                text = self._ecr.get_registry_policy()["policyText"]
        except errors.PolicyNotFound:
            return None
        return grammar.from_json(text)

    def set_repository_policy(self, name: str, document: Document) -> Document:
        with translated("SetRepositoryPolicy"):
            answer = self._ecr.set_repository_policy(
                **self._of(name), policyText=grammar.to_json(document)
            )
        return grammar.from_json(answer["policyText"])

    def delete_repository_policy(self, name: str) -> None:
        try:
            with translated("DeleteRepositoryPolicy"):
                self._ecr.delete_repository_policy(**self._of(name))
        except errors.PolicyNotFound:
            pass

    def verify_key(
        self, access_key_id: str, secret_access_key: str, repository_name: str, tag: str
    ) -> None:
        ecr = client(session_of_key(access_key_id, secret_access_key), "ecr", self.endpoint)
        try:
            with translated("GetAuthorizationToken"):
                ecr.get_authorization_token()
            with translated("BatchGetImage"):
                images = [{"imageTag": tag}] if tag else []
                if images:
                    ecr.batch_get_image(
                        **self._of(repository_name),
                        imageIds=images,
                        acceptedMediaTypes=MANIFEST_TYPES,
                    )
        except errors.Denied as error:
            # What the repository's own policy denies says nothing about the key.
            if not error.is_by_resource:
                raise errors.KeyNotAccepted(f"{NOT_ACCEPTED} {error}") from None
        except (errors.Unauthorized, errors.SessionExpired) as error:
            raise errors.KeyNotAccepted(f"{NOT_ACCEPTED} {error}") from None
        finally:
            ecr.close()

    def _of(self, repository_name: str) -> dict[str, str]:
        # Named, so that a role of another account never writes to a repository of the same name.
        return {"registryId": self.endpoint.account_id, "repositoryName": repository_name}


def _image(detail: dict[str, Any]) -> EcrImage:
    return EcrImage(
        detail["imageDigest"],
        tuple(detail.get("imageTags", ())),
        detail["imagePushedAt"],
        detail.get("imageSizeInBytes"),
        detail.get("imageManifestMediaType", ""),
        detail.get("artifactMediaType", ""),
    )


def _platforms(image: dict[str, Any]) -> list[str]:
    """The platforms of an index. Builders add attestations, whose platform is ``unknown``."""
    listed = json.loads(image["imageManifest"]).get("manifests", [])
    platforms = [manifest.get("platform", {}) for manifest in listed]
    named = [
        "/".join(filter(None, map(of.get, ("os", "architecture", "variant"))))
        for of in platforms
        if of.get("os", "unknown") != "unknown"
    ]
    return list(dict.fromkeys(named))
