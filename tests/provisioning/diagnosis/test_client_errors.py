"""From the error text of a client to its cause."""

import json
import math
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import partial
from re import _constants, _parser  # type: ignore[attr-defined]
from typing import Any

import pytest

from provisioning.diagnosis.client_errors import CLIENT_ERRORS, ClientError
from provisioning.diagnosis.matching import LIMIT, matching
from tests.provisioning.diagnosis.printed import PRINTED

TEXTS = [(slug, text) for slug, texts in PRINTED.items() for text in texts]


@pytest.mark.parametrize(("slug", "text"), TEXTS)
def test_text_means_its_own_cause_first(slug: str, text: str) -> None:
    assert [error.slug for error in matching(text)][:1] == [slug]


def test_each_error_has_a_text() -> None:
    assert list(PRINTED) == [error.slug for error in CLIENT_ERRORS]


@pytest.mark.parametrize(("slug", "text"), TEXTS)
@pytest.mark.parametrize(
    "broken",
    [
        # A console of 80 columns breaks lines within words, PowerShell with a margin.
        lambda text: "\r\n    ".join(text[i : i + 80] for i in range(0, len(text), 80)),
        lambda text: text.replace(" ", "\n", 3),
        lambda text: json.dumps({"message": text}),
        lambda text: f"\x1b[31m{text}\x1b[0m".replace(" ", "  "),
        lambda text: text.upper(),
    ],
    ids=["console", "lines", "JSON", "colours", "capitals"],
)
def test_text_means_the_same_however_it_was_written_down(
    slug: str, text: str, broken: Callable[[str], str]
) -> None:
    assert [error.slug for error in matching(broken(text))][:1] == [slug]


def test_events_of_a_pod_are_not_asked_for_where_they_are_pasted() -> None:
    (forbidden, kubernetes) = matching(PRINTED["forbidden"][1])
    assert (forbidden.slug, kubernetes.slug) == ("forbidden", "kubernetes")
    assert "the session or the pull secret has expired" in forbidden.cause


def test_case_does_not_matter_and_only_the_end_of_a_long_text_is_read() -> None:
    assert matching("X509: certificate")[0].slug == "certificate"
    assert matching("." * LIMIT + "x509: certificate")[0].slug == "certificate"
    assert matching("x509: certificate" + "." * LIMIT) == []
    assert matching("Status: Image is up to date") == []


def test_every_error_has_a_unique_slug_and_matches_its_own_quotation() -> None:
    slugs = [error.slug for error in CLIENT_ERRORS]
    assert len(slugs) == len(set(slugs))
    for error in CLIENT_ERRORS:
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
    for pattern in (*error.patterns, *error.unless):
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


# --- Remedies and the command ----------------------------------------------------------


@pytest.mark.parametrize("error", CLIENT_ERRORS, ids=lambda error: error.slug)
def test_commands_are_filled_in_completely(error: ClientError) -> None:
    values = {"region": "eu-central-1", "profile": "acme", "host": "HOST", "image": "IMAGE"}
    for command in error.commands_for(**values):
        assert not re.search(r"\{(?!http_code)", command)


def test_support_asks_for_the_slugs_of_a_text_on_standard_input() -> None:
    run = partial(
        subprocess.run,
        capture_output=True,
        check=True,
        env={"PATH": os.environ["PATH"], "EMBEDDED": "true"},
    )
    command = [sys.executable, "manage.py", "diagnose_error"]
    text = PRINTED["forbidden"][1].encode() + b"\xff"
    assert json.loads(run([*command, "--json"], input=text).stdout) == ["forbidden", "kubernetes"]
    assert json.loads(run([*command, "--json"], input=b"It is broken.").stdout) == []
    shown: Any = run(command, input=b"aws: not found").stdout
    assert shown.startswith(b"no-cli: The AWS CLI is not installed")
