"""Only the demo and the tests send requests elsewhere than to AWS."""

import pytest
from pytest_django import Settings

from provisioning.aws import boto
from provisioning.aws.boto import BotoGateway
from provisioning.demo.seed import Cast
from tests.aws import Aws


@pytest.mark.parametrize("is_embedded", [True, False])
def test_endpoint_of_a_registry_counts_in_the_embedded_form_alone(
    aws: Aws, cast: Cast, settings: Settings, *, is_embedded: bool
) -> None:
    settings.EMBEDDED = is_embedded
    cast.registry.endpoint_url = "https://aws.example.com"
    gateway = boto.connect(cast.registry)
    assert isinstance(gateway, BotoGateway)
    assert gateway.endpoint.endpoint_url == ("https://aws.example.com" if is_embedded else "")
