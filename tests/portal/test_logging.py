"""Log lines hold the message and the exception, with secrets masked."""

import json
import logging
import sys
from datetime import UTC, datetime

import pytest
from structlog.contextvars import bound_contextvars

from portal.logging import json_formatter, masked, plain_formatter

SECRET = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"


def logged(formatter: logging.Formatter) -> str:
    try:
        raise ValueError(f"bad {SECRET}")
    except ValueError:
        record = logging.LogRecord("x", logging.ERROR, "f", 1, "got %s", (SECRET,), sys.exc_info())
    return formatter.format(record)


def test_secret_in_message_or_exception_is_masked() -> None:
    for formatter in (plain_formatter(), json_formatter()):
        assert SECRET not in logged(formatter)
        assert "got [masked]" in logged(formatter)


def test_json_line_has_level_logger_time_and_exception() -> None:
    line = json.loads(logged(json_formatter()))
    assert line["level"] == "error"
    assert line["logger"] == "x"
    assert datetime.fromisoformat(line["at"]).tzinfo == UTC
    assert "ValueError" in line["exception"]


def test_secret_after_an_equals_sign_or_alone_on_a_line_is_masked() -> None:
    for words in (f"AWS_SECRET_ACCESS_KEY={SECRET}", f"the answer:\n{SECRET}"):
        record = logging.LogRecord("x", logging.ERROR, "f", 1, words, (), None)
        for formatter in (plain_formatter(), json_formatter()):
            assert SECRET not in formatter.format(record)


def test_secret_in_the_context_of_a_line_is_masked() -> None:
    record = logging.LogRecord("x", logging.ERROR, "f", 1, "words", (), None)
    with bound_contextvars(arguments=[1, SECRET], nested={"key": (SECRET,)}):
        for formatter in (plain_formatter(), json_formatter()):
            assert SECRET not in formatter.format(record)


@pytest.mark.parametrize(
    "address",
    [
        "/account/invitation/s3cr3t-token/",
        "/account/password/reset/key/1-s3cr3t/",
        "https://portal.example/account/confirm-email/s3cr3t:x/",
    ],
)
def test_link_of_an_email_is_masked(address: str) -> None:
    line = masked(f"Method Not Allowed (HEAD): {address}")
    assert "s3cr3t" not in line
    assert "/account/[masked]" in line


def test_path_of_a_file_of_allauths_stays() -> None:
    line = 'File "/venv/site-packages/allauth/account/views.py", line 7'
    assert masked(line) == line
