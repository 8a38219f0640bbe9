"""Log lines hold the message and the exception, with secrets masked."""

import json
import logging
import sys
from datetime import UTC, datetime

from structlog.contextvars import bound_contextvars

from portal.logging import json_formatter, plain_formatter

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
