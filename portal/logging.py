"""Logs: one JSON object a line in production, plain lines in the embedded form; and the
last net, which masks what looks like a secret access key wherever it comes from."""

import json
import logging
import re
from datetime import UTC, datetime
from typing import Any

# A secret access key is 40 characters of base64. Capitals, small letters and digits are
# all among them, which tells it from the path of a file.
SECRET = re.compile(
    r"(?<![A-Za-z0-9/+])(?=[a-z0-9/+]*[A-Z])(?=[A-Z0-9/+]*[a-z])(?=[A-Za-z/+]*[0-9])"
    r"[A-Za-z0-9/+]{40}(?![A-Za-z0-9/+=])"
)
MASK = "[masked]"


def masked(text: str) -> str:
    return SECRET.sub(MASK, text)


class PlainFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        return masked(super().format(record))


class JsonFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        line = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(),
            "level": record.levelname,
            "logger": record.name,
            "message": masked(record.getMessage()),
        }
        if record.exc_info:
            line["exception"] = masked(self.formatException(record.exc_info))
        return json.dumps(line)


def configuration(formatter: str, level: str) -> dict[str, Any]:
    """LOGGING: everything to standard error, by the "plain" or the "json" formatter."""
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {
            "plain": {
                "()": "portal.logging.PlainFormatter",
                "format": "%(asctime)s %(levelname)s %(name)s: %(message)s",
            },
            "json": {"()": "portal.logging.JsonFormatter"},
        },
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": formatter}},
        "root": {"handlers": ["stderr"], "level": level},
        # botocore logs requests and answers, secrets among them, below this level.
        "loggers": {"boto3": {"level": "WARNING"}, "botocore": {"level": "WARNING"}},
    }
