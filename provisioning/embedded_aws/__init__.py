"""The AWS of the demo and of the tests: moto's IAM, STS and ECR, made to behave where it
matters, and a registry that real clients can pull from. Never imported by production."""

from provisioning.embedded_aws.rules import Rules
from provisioning.embedded_aws.server import EmbeddedAws
from provisioning.embedded_aws.vendor import (
    EXTERNAL_ID,
    PORTAL_ACCESS_KEY_ID,
    PORTAL_SECRET_ACCESS_KEY,
    ROOT_ACCESS_KEY_ID,
    ROOT_SECRET_ACCESS_KEY,
    boundary_arn,
    role_arn,
)

__all__ = [
    "EXTERNAL_ID",
    "PORTAL_ACCESS_KEY_ID",
    "PORTAL_SECRET_ACCESS_KEY",
    "ROOT_ACCESS_KEY_ID",
    "ROOT_SECRET_ACCESS_KEY",
    "EmbeddedAws",
    "Rules",
    "boundary_arn",
    "role_arn",
]
