"""Fixtures of the embedded AWS's own tests."""

import pytest

from tests.aws import Aws
from tests.embedded_aws.users import User


@pytest.fixture
def alice(aws: Aws) -> User:
    """A user that may sign in and has no grant yet."""
    user = User(aws, "alice")
    user.allow("ecr:GetAuthorizationToken")
    return user
