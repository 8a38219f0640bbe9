"""IAM users that call AWS, their policies, and how their calls are refused."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from provisioning.embedded_aws.customer_machine import PullRefused
from tests.aws import Aws

PULL = ["ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"]


def refused(call: Callable[..., Any], **parameters: Any) -> tuple[int, str, str]:
    """Make a call that is refused. Returns the status, code and message of the refusal."""
    with pytest.raises(ClientError) as caught:
        call(**parameters)
    answer = caught.value.response
    error = answer["Error"]
    return answer["ResponseMetadata"]["HTTPStatusCode"], error["Code"], error["Message"]


def policy_allowing(*actions: str, resource: str = "*") -> str:
    statement = {"Effect": "Allow", "Action": list(actions), "Resource": resource}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def repository_policy(*principals: str, effect: str = "Allow", **more: Any) -> str:
    statement = {
        "Sid": "Test",
        "Effect": effect,
        "Principal": {"AWS": list(principals)},
        "Action": PULL,
    }
    return json.dumps({"Version": "2012-10-17", "Statement": [statement | more]})


class User:
    """An IAM user with an access key, created by the account's root."""

    def __init__(self, aws: Aws, name: str) -> None:
        self.aws, self.name = aws, name
        self.arn = aws.iam.create_user(UserName=name, Path="/ecr-portal/")["User"]["Arn"]
        key = aws.iam.create_access_key(UserName=name)["AccessKey"]
        self.key_id, self.secret = key["AccessKeyId"], key["SecretAccessKey"]

    def client(self, service: str) -> Any:
        return self.aws.client(service, self.key_id, self.secret)

    def allow(self, *actions: str, resource: str = "*") -> None:
        self.aws.iam.put_user_policy(
            UserName=self.name,
            PolicyName="p",
            PolicyDocument=policy_allowing(*actions, resource=resource),
        )


def pulls(aws: Aws, user: User) -> bool:
    """Whether the user, once signed in, may pull acme/server."""
    machine = aws.machine(user.key_id, user.secret)
    token = machine.login_token()
    try:
        machine.pull("acme/server", "1.1", token=token)
    except PullRefused:
        return False
    return True


def certificate() -> str:
    """A signing certificate, in PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "alice")])
    now = datetime.now(UTC)
    unsigned = x509.CertificateBuilder(
        name, name, key.public_key(), x509.random_serial_number(), now, now + timedelta(days=1)
    )
    return unsigned.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM).decode()
