"""AWS asked as it stands, for whoever checks a registry: every answer comes back whole, with
its code where it is a refusal and with the time of day at AWS."""

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
    """``code`` is empty where AWS did what was asked. ``operation`` is AssumeRole where the
    role was refused and the call itself was never made. ``clock_off``: how far AWS's clock is
    ahead of this machine's, to a second; None where no date came. ``content`` may hold a
    secret and is kept out of every repr."""

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
        """Whether AWS was busy or had a fault of its own: the answer says nothing."""
        error = errors.from_code(self.operation, self.code, self.message, self.status)
        return isinstance(error, errors.Throttled | errors.ServerFault)

    def __str__(self) -> str:
        return f"{self.code}: {self.message}" if self.code else "done"


class Inspection:
    """Calls by the names that policies have for them, on ready-made clients.

    ``clients`` are boto3's for ``sts``, ``iam`` and ``ecr``; ``translated`` turns what is no
    answer of AWS at all into ``provisioning.aws.errors``; ``as_key`` gives the inspection by
    another access key; ``regions`` are those in which ECR is known to be.
    """

    def __init__(
        self,
        clients: Mapping[str, Any],
        translated: Callable[[str], AbstractContextManager[None]],
        as_key: Callable[[str, str], "Inspection"],
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
                told, meta = error.response["Error"], error.response["ResponseMetadata"]
                return Answer(
                    error.operation_name,
                    told.get("Code") or "Unknown",
                    told.get("Message", ""),
                    meta.get("HTTPStatusCode", 400),
                    _clock_off(meta),
                )
        return Answer(operation, clock_off=_clock_off(content["ResponseMetadata"]), content=content)


def _clock_off(meta: Mapping[str, Any]) -> timedelta | None:
    date = meta.get("HTTPHeaders", {}).get("date")
    if not date:
        return None
    # The header has whole seconds, cut off.
    return parsedate_to_datetime(date) - datetime.now(UTC).replace(microsecond=0)
