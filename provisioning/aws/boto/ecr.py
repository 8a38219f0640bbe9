"""ECR's part of the gateway."""

from typing import Any

import boto3

from provisioning import policies
from provisioning.aws import errors
from provisioning.aws.boto.session import Place, client
from provisioning.aws.boto.translation import translated
from provisioning.policies import Document

MANIFEST_TYPES = [
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
    "application/vnd.docker.distribution.manifest.v2+json",
]


class Ecr:
    place: Place
    _ecr: Any

    def repository_uri(self, name: str) -> str:
        with translated("DescribeRepositories"):
            found = self._ecr.describe_repositories(
                registryId=self.place.account_id, repositoryNames=[name]
            )
        uri: str = found["repositories"][0]["repositoryUri"]
        return uri

    def newest_tag(self, repository_name: str) -> str:
        pages = self._ecr.get_paginator("describe_images").paginate(
            **self._of(repository_name), filter={"tagStatus": "TAGGED"}
        )
        with translated("DescribeImages"):
            images = [image for page in pages for image in page["imageDetails"]]
        newest = max(images, key=lambda image: image["imagePushedAt"], default=None)
        return str(newest["imageTags"][0]) if newest else ""

    def repository_policy(self, name: str) -> Document | None:
        try:
            with translated("GetRepositoryPolicy"):
                text = self._ecr.get_repository_policy(**self._of(name))["policyText"]
        except errors.PolicyNotFound:
            return None
        return policies.from_json(text)

    def set_repository_policy(self, name: str, document: Document) -> None:
        with translated("SetRepositoryPolicy"):
            self._ecr.set_repository_policy(**self._of(name), policyText=policies.to_json(document))

    def delete_repository_policy(self, name: str) -> None:
        try:
            with translated("DeleteRepositoryPolicy"):
                self._ecr.delete_repository_policy(**self._of(name))
        except errors.PolicyNotFound:
            pass

    def try_key(
        self, access_key_id: str, secret_access_key: str, repository_name: str, tag: str
    ) -> None:
        customer = boto3.Session(
            aws_access_key_id=access_key_id, aws_secret_access_key=secret_access_key
        )
        ecr = client(customer, "ecr", self.place)
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
        except (errors.Unauthorized, errors.SessionExpired) as error:
            raise errors.KeyNotAccepted(f"AWS does not accept the new key yet. {error}") from None
        finally:
            ecr.close()

    def _of(self, repository_name: str) -> dict[str, str]:
        # Named, so that a role of another account never writes into a namesake.
        return {"registryId": self.place.account_id, "repositoryName": repository_name}
