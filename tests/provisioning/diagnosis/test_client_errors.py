"""From the error text of a client to its cause."""

import math
import re
from collections.abc import Iterator
from re import _constants, _parser  # type: ignore[attr-defined]
from typing import Any

import pytest

from provisioning.diagnosis.client_errors import CLIENT_ERRORS, LIMIT, ClientError, matching

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


# --- What someone could paste to keep the site busy ----------------------------------

MOST_AT_A_PLACE = 1000  # characters


def repeats(pattern: str) -> Iterator[tuple[int, bool]]:
    """Of each repeat in the pattern: the most that it takes, and whether another is inside it."""
    repeating = {_constants.MAX_REPEAT, _constants.MIN_REPEAT}

    def walk(parsed: Any) -> Iterator[tuple[Any, Any]]:
        for operation, argument in parsed:
            yield operation, argument
            for part in argument if isinstance(argument, tuple | list) else ():
                for inner in part if isinstance(part, list) else [part]:
                    if isinstance(inner, _parser.SubPattern):
                        yield from walk(inner)

    for operation, argument in walk(_parser.parse(pattern)):
        if operation in repeating:
            _, most, repeated = argument
            yield most, any(inner in repeating for inner, _ in walk(repeated))


@pytest.mark.parametrize("error", CLIENT_ERRORS, ids=lambda error: error.slug)
def test_search_for_an_error_looks_at_a_limited_text_from_each_place(error: ClientError) -> None:
    """So that the time grows with the length of what is pasted, and not with its square."""
    for pattern in error.patterns:
        found = list(repeats(pattern))
        assert math.prod(most + 1 for most, _ in found) <= MOST_AT_A_PLACE, pattern
        # An optional part may hold a repeat; a repeat within a repeat may not be.
        assert all(most <= 1 or not is_nested for most, is_nested in found), pattern


def test_rule_itself_finds_what_is_slow() -> None:
    assert list(repeats(r"(?:a+)+b")) == [
        (_constants.MAXREPEAT, True),
        (_constants.MAXREPEAT, False),
    ]
    assert list(repeats(r"a{1,20}b?")) == [(20, False), (1, False)]
