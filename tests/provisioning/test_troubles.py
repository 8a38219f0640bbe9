"""From a client's words to the cause."""

import re

import pytest

from provisioning.troubles import LIMIT, TROUBLES, matching

HOST = "123456789012.dkr.ecr.eu-central-1.amazonaws.com"
ACTION = "arn:aws:iam::123456789012:user/ecr-portal/birch-bank is not authorized to perform: ecr:"
CALL = "when calling the GetAuthorizationToken operation:"

# Texts that tests/stories/test_troubles.py cannot bring about on its machine: as AWS, its
# clients and Kubernetes write them.
SAID = {
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


@pytest.mark.parametrize("slug", SAID)
def test_words_lead_to_their_cause_alone(slug: str) -> None:
    assert [trouble.slug for trouble in matching(SAID[slug])] == [slug]


def test_denial_inside_dockers_own_guess_is_taken_for_the_denial() -> None:
    said = (
        f"Error response from daemon: pull access denied for {HOST}/acme/server, repository does "
        f"not exist or may require 'docker login': denied: User: {ACTION}BatchGetImage on resource"
    )
    assert [trouble.slug for trouble in matching(said)] == ["denied"]


def test_case_does_not_matter_and_the_end_of_a_long_text_is_looked_at() -> None:
    assert matching("X509: certificate")[0].slug == "certificate"
    assert matching("." * LIMIT + "x509: certificate")[0].slug == "certificate"
    assert matching("x509: certificate" + "." * LIMIT) == []
    assert matching("Status: Image is up to date") == []


def test_every_trouble_has_a_name_of_its_own_and_finds_a_quotation() -> None:
    slugs = [trouble.slug for trouble in TROUBLES]
    assert len(slugs) == len(set(slugs))
    for trouble in TROUBLES:
        assert all(re.compile(pattern) for pattern in trouble.patterns)
        assert trouble in matching(trouble.says), trouble.slug
