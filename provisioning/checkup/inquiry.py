"""AWS asked with patience: what it does not know yet, it may know in a moment."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from provisioning.aws import errors
from provisioning.aws.inspection import Answer, Inspection

PAUSE = 1.0  # seconds between two tries of the same thing


@dataclass
class Inquiry:
    """``answers``: what AWS said to each call, by its name in policies."""

    inspection: Inspection
    patience: timedelta
    answers: dict[str, list[Answer]] = field(default_factory=dict)

    def ask(self, action: str, **parameters: Any) -> Answer:
        """Ask once. An answer that was lost is a fault."""
        try:
            answer = self.inspection.ask(action, **parameters)
        except errors.Unreachable as error:
            answer = Answer(action.partition(":")[2], "Unreachable", str(error), status=500)
        self.answers.setdefault(action, []).append(answer)
        return answer

    def insist(self, action: str, **parameters: Any) -> Answer:
        """Ask until AWS has neither a fault nor anything that is still in the way."""
        answers, _ = self.until(
            lambda: self.ask(action, **parameters),
            lambda answer: not answer.is_fault and answer.code != "DeleteConflict",
        )
        return answers[-1]

    def until(
        self, ask: Callable[[], Answer], is_enough: Callable[[Answer], bool]
    ) -> tuple[list[Answer], float]:
        """Ask until it is enough, is denied, or patience is at its end. Returns the answers,
        and for how many seconds they were waited for."""
        began = time.monotonic()
        answers = [ask()]
        while not is_enough(answers[-1]) and not answers[-1].is_denied:
            if time.monotonic() - began >= self.patience.total_seconds():
                break
            time.sleep(PAUSE)
            answers.append(ask())
        return answers, time.monotonic() - began
