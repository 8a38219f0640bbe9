"""IAM users that call AWS, their policies, and how their calls are refused."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

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
