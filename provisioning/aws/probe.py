"""Raw calls to AWS, for checking a registry: every answer comes back whole, with its code where
it is an error, and with AWS's time of day."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

from provisioning.aws import errors

DENIED = {"AccessDenied", "AccessDeniedException"}


@dataclass(frozen=True)
class Answer:
    """``code`` is empty where the call succeeded. ``operation`` is AssumeRole where the role was
    refused and the call itself was never made. ``clock_off``: how far AWS's clock is ahead of
    this machine's, to a second; None where there was no date. ``content`` may hold a secret and
    is kept out of every repr."""

    operation: str
    code: str = ""
    message: str = ""
    status: int = 200
    clock_off: timedelta | None = None
    content: Mapping[str, Any] = field(default_factory=dict, repr=False)

    @property
    def is_done(self) -> bool:
        return not self.code

    @property
    def is_denied(self) -> bool:
        return self.code in DENIED

    @property
    def is_fault(self) -> bool:
        """Whether AWS was busy or had an internal error: the answer says nothing."""
        error = errors.from_code(self.operation, self.code, self.message, self.status)
        return isinstance(error, errors.Throttled | errors.ServerFault)

    def __str__(self) -> str:
        return f"{self.code}: {self.message}" if self.code else "done"


class Probe:
    """Calls by the names that policies use for them, on given clients.

    ``clients`` are boto3's for ``sts``, ``iam`` and ``ecr``; ``translated`` turns failures that
    are no answer of AWS into ``provisioning.aws.errors``; ``as_key`` returns the probe for another
    access key; ``regions`` are those that have ECR.
    """

    def __init__(
        self,
        clients: Mapping[str, Any],
        translated: Callable[[str], AbstractContextManager[None]],
        as_key: Callable[[str, str], "Probe"],
        regions: frozenset[str],
    ) -> None:
        self._clients = clients
        self._translated = translated
        self.as_key = as_key
        self.regions = regions

    def ask(self, action: str, **parameters: Any) -> Answer:
        """Make a call, like ``iam:GetUser``. Raises Unreachable, and PermanentError where the
        portal has no credentials."""
        service, _, operation = action.partition(":")
        client = self._clients[service]
        methods = {name: method for method, name in client.meta.method_to_api_mapping.items()}
        with self._translated(operation):
            try:
                content = getattr(client, methods[operation])(**parameters)
            except client.exceptions.ClientError as error:
                details, meta = error.response["Error"], error.response["ResponseMetadata"]
                return Answer(
                    error.operation_name,
                    details.get("Code") or "Unknown",
                    details.get("Message", ""),
                    meta.get("HTTPStatusCode", 400),
                    _clock_off(meta),
                )
        return Answer(operation, clock_off=_clock_off(content["ResponseMetadata"]), content=content)


def _clock_off(meta: Mapping[str, Any]) -> timedelta | None:
    date = meta.get("HTTPHeaders", {}).get("date")
    if not date:
        return None
    # The header has whole seconds, rounded down.
    return parsedate_to_datetime(date) - datetime.now(UTC).replace(microsecond=0)
