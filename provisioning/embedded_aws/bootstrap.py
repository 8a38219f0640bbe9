"""The vendor's side of this AWS: the portal's own identity, and the role it assumes."""

import json

from provisioning.documents import grammar, role
from provisioning.embedded_aws import identities
from provisioning.embedded_aws.identities import Caller, Credential

# They protect nothing: an AWS in one process, with tiny images.
PORTAL_ACCESS_KEY_ID = "AKIAPORTALPORTALDEMO"
PORTAL_SECRET_ACCESS_KEY = "portal-secret-of-the-embedded-aws-000000"  # noqa: S105
ROOT_ACCESS_KEY_ID = "AKIAROOTROOTROOTDEMO"
ROOT_SECRET_ACCESS_KEY = "root-secret-of-the-embedded-aws-00000000"  # noqa: S105
TOOLING_ACCOUNT_ID = "111111111111"
ROOT_ACCOUNT_ID = "123456789012"  # where moto puts callers whose key it does not know
EXTERNAL_ID = "embedded-external-id"
ROLE_NAME = "ecr-portal"
BOUNDARY_NAME = "ecr-portal-boundary"
PATH = "/ecr-portal/"
LOGIN_POLICY_NAME = "AmazonEC2ContainerRegistryLogin"


def role_arn(account_id: str) -> str:
    return f"arn:aws:iam::{account_id}:role/{ROLE_NAME}"


def boundary_arn(account_id: str) -> str:
    return f"arn:aws:iam::{account_id}:policy/{BOUNDARY_NAME}"


def root() -> Credential:
    """May do everything in ROOT_ACCOUNT_ID: for setting up tests and inspecting results."""
    arn = f"arn:aws:iam::{ROOT_ACCOUNT_ID}:root"
    caller = Caller(ROOT_ACCOUNT_ID, arn, arn, ROOT_ACCESS_KEY_ID, is_root=True)
    return Credential(caller, ROOT_SECRET_ACCESS_KEY, "", is_active=True)


def create_portal_identity() -> None:
    """The portal's own identity: a user that may assume the portal's roles, and nothing else."""
    backend = identities.iam(TOOLING_ACCOUNT_ID)
    user = backend.create_user("us-east-1", "portal", "/", None)
    user = user[0] if isinstance(user, tuple) else user
    key = user.create_access_key(prefix="AKIA")
    key.access_key_id = PORTAL_ACCESS_KEY_ID
    key.secret_access_key = PORTAL_SECRET_ACCESS_KEY
    backend.access_keys[PORTAL_ACCESS_KEY_ID] = key
    statement = {"Effect": "Allow", "Action": "sts:AssumeRole", "Resource": role_arn("*")}
    document = {"Version": grammar.VERSION, "Statement": [statement]}
    user.put_policy("assume-portal-roles", json.dumps(document))


def create_role(account_id: str) -> None:
    """The role of ``docs/aws-role.md`` in a registry's account, and its boundary."""
    trust = {
        "Version": grammar.VERSION,
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"AWS": f"arn:aws:iam::{TOOLING_ACCOUNT_ID}:root"},
                "Action": "sts:AssumeRole",
                "Condition": {"StringEquals": {"sts:ExternalId": EXTERNAL_ID}},
            }
        ],
    }
    backend = identities.iam(account_id)
    backend.create_policy("", "/", json.dumps(role.boundary(account_id)), BOUNDARY_NAME, [])
    created = backend.create_role(ROLE_NAME, json.dumps(trust), "/", None, "", [], "3600")
    allowed = role.portal_role_policy(account_id, PATH, LOGIN_POLICY_NAME, boundary_arn(account_id))
    created.put_policy("portal", json.dumps(allowed))
