"""Faults that a test injects into operations, beneath botocore's retries and above the backend, so
that a call can be refused without effect, or take effect and its response be lost."""

from dataclasses import dataclass
from enum import Enum

from provisioning.embedded_aws.calls import Call
from provisioning.embedded_aws.errors import ApiError


class Kind(Enum):
    REFUSED = "refused without effect"
    FAILED = "done, and answered with an error"
    LOST = "done, and the connection dropped before the answer"
    STALE = "answered with what was before the last change"
    GARBLED = "answered with a malformed policy"
    REORDERED = "answered in another order, as AWS does with policies"


@dataclass
class Fault:
    """On the next ``times`` calls of ``operation``; only for a ``subject``, where one is
    given: a user's or a repository's name."""

    operation: str
    kind: Kind
    times: int = 1
    status: int = 500
    code: str = "ServiceFailure"
    message: str = "The service failed."
    subject: str = ""

    @property
    def refusal(self) -> ApiError:
        return ApiError(self.status, self.code, self.message)


class Faults:
    """The injected faults."""

    def __init__(self) -> None:
        self.laid: list[Fault] = []

    def lay(self, fault: Fault) -> None:
        self.laid.append(fault)

    def clear(self) -> None:
        self.laid.clear()

    def take(self, call: Call) -> Fault | None:
        """The fault for this call, if any, which is then used up. Root, which sets up tests,
        meets none."""
        if call.caller.is_root:
            return None
        for fault in self.laid:
            is_met = fault.operation == call.operation and fault.times > 0
            if is_met and fault.subject in ("", call.user_name, call.repository):
                fault.times -= 1
                return fault
        return None

    @property
    def are_used_up(self) -> bool:
        return all(fault.times == 0 for fault in self.laid)
