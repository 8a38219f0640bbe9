import json
import logging
import sys

from portal.logging import JsonFormatter, PlainFormatter

SECRET = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"


def logged(formatter: logging.Formatter) -> str:
    try:
        raise ValueError(f"bad {SECRET}")
    except ValueError:
        record = logging.LogRecord("x", logging.ERROR, "f", 1, "got %s", (SECRET,), sys.exc_info())
    return formatter.format(record)


def test_secret_in_message_or_exception_is_masked() -> None:
    for formatter in (PlainFormatter(), JsonFormatter()):
        assert SECRET not in logged(formatter)
        assert "got [masked]" in logged(formatter)


def test_json_line_says_when_where_and_what() -> None:
    line = json.loads(logged(JsonFormatter()))
    assert line["level"] == "ERROR"
    assert line["logger"] == "x"
    assert "ValueError" in line["exception"]


def test_secret_after_an_equals_sign_or_on_a_line_of_its_own_is_masked() -> None:
    for words in (f"AWS_SECRET_ACCESS_KEY={SECRET}", f"the answer:\n{SECRET}"):
        record = logging.LogRecord("x", logging.ERROR, "f", 1, words, (), None)
        for formatter in (PlainFormatter(), JsonFormatter()):
            assert SECRET not in formatter.format(record)
