"""Logs: one JSON object a line in production, plain lines in the embedded form. Both name the
request, the task and the row a line belongs to; and both mask, as a last resort, what looks like a
secret access key,
and the addresses of links in emails."""

from typing import Any

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from accounts.masking import masked


def mask_secrets(logger: WrappedLogger, method: str, event: EventDict) -> EventDict:
    """A processor that masks secrets in every value of a line, however deep."""
    return {key: _masked(value) for key, value in event.items()}


def _masked(value: Any) -> Any:
    if isinstance(value, str):
        return masked(value)
    if isinstance(value, dict):
        return {key: _masked(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_masked(item) for item in value]
    return value


def formatter(renderer: Processor) -> structlog.stdlib.ProcessorFormatter:
    """Formats the records of any logger, with what ``structlog.contextvars`` holds."""
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[
            structlog.contextvars.merge_contextvars,
            structlog.stdlib.add_log_level,
            structlog.stdlib.add_logger_name,
            structlog.processors.TimeStamper(fmt="iso", utc=True, key="at"),
        ],
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            structlog.processors.format_exc_info,
            structlog.processors.EventRenamer("message"),
            mask_secrets,
            renderer,
        ],
    )


def json_formatter() -> structlog.stdlib.ProcessorFormatter:
    return formatter(structlog.processors.JSONRenderer(sort_keys=True))


def plain_formatter() -> structlog.stdlib.ProcessorFormatter:
    renderer = structlog.dev.ConsoleRenderer(
        colors=False,
        pad_event_to=0,
        event_key="message",
        timestamp_key="at",
        exception_formatter=structlog.dev.plain_traceback,
    )
    return formatter(renderer)


def configuration(form: str, level: str) -> dict[str, Any]:
    """LOGGING: everything to standard error, in the "plain" or the "json" form."""
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {
            "plain": {"()": "portal.logging.plain_formatter"},
            "json": {"()": "portal.logging.json_formatter"},
        },
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": form}},
        "root": {"handlers": ["stderr"], "level": level},
        # Below this level botocore logs requests and answers, with the secrets in them.
        "loggers": {"boto3": {"level": "WARNING"}, "botocore": {"level": "WARNING"}},
    }
