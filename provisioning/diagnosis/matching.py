"""What a pasted text means: which of the known errors are in it. What a customer pastes is stored
nowhere."""

import re

from provisioning.diagnosis.client_errors import CLIENT_ERRORS, ClientError

# How much of a text is read, in characters: the error is at its end.
LIMIT = 20_000
COLOURS = re.compile(r"\x1b\[[0-9;]{0,20}m")
# As JSON, YAML and shells write what is inside a quotation.
ESCAPED = {r"\n": " ", r"\t": " ", r"\r\n": " ", r"\"": '"', r"\'": "'"}
CURLY = str.maketrans("\u2018\u2019\u201c\u201d\xb4`", "''\"\"''")


def matching(text: str) -> list[ClientError]:
    """The errors found in the text, the most telling first."""
    readings = readings_of(text)
    return [error for error in CLIENT_ERRORS if _is_in(readings, error)]


def readings_of(text: str) -> list[str]:
    """The end of the text on one line: first with its lines joined by a blank, then without one,
    because consoles break long lines within words."""
    end = COLOURS.sub("", text[-LIMIT:]).translate(CURLY)
    joined = re.sub(r"[\r\n]+[ \t]*", "", end)
    return [_on_one_line(end), _on_one_line(joined)]


def _on_one_line(text: str) -> str:
    for written, meant in ESCAPED.items():
        text = text.replace(written, meant)
    return " ".join(text.split())


def _is_in(readings: list[str], error: ClientError) -> bool:
    def have(patterns: tuple[str, ...]) -> bool:
        return any(
            re.search(pattern, each, re.IGNORECASE) for pattern in patterns for each in readings
        )

    return have(error.patterns) and not have(error.unless)
