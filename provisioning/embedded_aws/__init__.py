"""The AWS of the demo and of the tests: moto's IAM, STS and ECR, made to behave like AWS where it
matters, and a registry that real clients can pull from. Production never imports it."""

from provisioning.embedded_aws.bootstrap import (
    EXTERNAL_ID,
    PORTAL_ACCESS_KEY_ID,
    PORTAL_SECRET_ACCESS_KEY,
    ROOT_ACCESS_KEY_ID,
    ROOT_SECRET_ACCESS_KEY,
    boundary_arn,
    role_arn,
)
from provisioning.embedded_aws.config import Config
from provisioning.embedded_aws.server import EmbeddedAws

__all__ = [
    "EXTERNAL_ID",
    "PORTAL_ACCESS_KEY_ID",
    "PORTAL_SECRET_ACCESS_KEY",
    "ROOT_ACCESS_KEY_ID",
    "ROOT_SECRET_ACCESS_KEY",
    "Config",
    "EmbeddedAws",
    "boundary_arn",
    "role_arn",
]
