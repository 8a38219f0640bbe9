"""From the error text of a client to its cause."""

import re

import pytest

from provisioning.diagnosis.client_errors import CLIENT_ERRORS, LIMIT, matching

HOST = "123456789012.dkr.ecr.eu-central-1.amazonaws.com"
ACTION = "arn:aws:iam::123456789012:user/ecr-portal/birch-bank is not authorized to perform: ecr:"
CALL = "when calling the GetAuthorizationToken operation:"

# Errors that tests/stories/test_client_errors.py cannot provoke on its machine, as AWS, its
# clients and Kubernetes print them.
TEXTS = {
    "clock": f"An error occurred (InvalidSignatureException) {CALL} Signature expired: "
    "20261123T101010Z is now earlier than 20261123T111010Z (20261123T111510Z - 5 min.)",
    "expired": "denied: Your authorization token has expired. Reauthenticate and try again.",
    "may-not-sign-in": f"An error occurred (AccessDeniedException) {CALL} User: {ACTION}"
    "GetAuthorizationToken on resource: * because no identity-based policy allows it",
    "may-not-list": f"User: {ACTION}ListImages on resource: acme/server",
    "platform": "no matching manifest for linux/arm64/v8 in the manifest list entries",
    "too-many-requests": "toomanyrequests: Rate exceeded",
    "store": "Error saving credentials: error storing credentials - err: exit status 1",
    "kubernetes": "Warning  Failed  Error: ImagePullBackOff",
    "certificate": "x509: certificate signed by unknown authority",
    "network": f"Head https://{HOST}/v2/: dial tcp: lookup {HOST}: no such host",
    "e-none": "unknown shorthand flag: 'e' in -e",
    "no-host": "Error response from daemon: pull access denied for acme/server, repository does "
    "not exist or may require 'docker login'",
}


@pytest.mark.parametrize("slug", TEXTS)
def test_text_matches_its_own_cause_and_no_other(slug: str) -> None:
    assert [error.slug for error in matching(TEXTS[slug])] == [slug]


def test_denial_inside_dockers_own_guess_is_recognised_as_the_denial() -> None:
    text = (
        f"Error response from daemon: pull access denied for {HOST}/acme/server, repository does "
        f"not exist or may require 'docker login': denied: User: {ACTION}BatchGetImage on resource"
    )
    assert [error.slug for error in matching(text)] == ["denied"]


def test_case_does_not_matter_and_only_the_end_of_a_long_text_is_read() -> None:
    assert matching("X509: certificate")[0].slug == "certificate"
    assert matching("." * LIMIT + "x509: certificate")[0].slug == "certificate"
    assert matching("x509: certificate" + "." * LIMIT) == []
    assert matching("Status: Image is up to date") == []


def test_every_error_has_a_unique_slug_and_matches_its_own_quotation() -> None:
    slugs = [error.slug for error in CLIENT_ERRORS]
    assert len(slugs) == len(set(slugs))
    for error in CLIENT_ERRORS:
        assert all(re.compile(pattern) for pattern in error.patterns)
        assert error in matching(error.says), error.slug
