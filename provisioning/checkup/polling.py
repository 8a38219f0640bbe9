"""Calls that are repeated for a while, because AWS shows changes late."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from provisioning.aws import errors
from provisioning.aws.probe import Answer, Probe

PAUSE = 1.0  # seconds between two attempts


@dataclass
class Polling:
    """``answers``: AWS's answers to each call, by its name in policies."""

    probe: Probe
    patience: timedelta
    answers: dict[str, list[Answer]] = field(default_factory=dict)

    def ask(self, action: str, **parameters: Any) -> Answer:
        """Call once. A lost answer counts as a fault."""
        try:
            answer = self.probe.ask(action, **parameters)
        except errors.Unreachable as error:
            answer = Answer(action.partition(":")[2], "Unreachable", str(error), status=500)
        self.answers.setdefault(action, []).append(answer)
        return answer

    def retry_until_settled(self, action: str, **parameters: Any) -> Answer:
        """Call until AWS answers without a fault, and nothing is in the way any longer."""
        answers, _ = self.until(
            lambda: self.ask(action, **parameters),
            lambda answer: not answer.is_fault and answer.code != "DeleteConflict",
        )
        return answers[-1]

    def until(
        self, ask: Callable[[], Answer], is_enough: Callable[[Answer], bool]
    ) -> tuple[list[Answer], float]:
        """Call until the answer is enough, is a denial, or patience has run out. Returns the
        answers, and the seconds that passed."""
        began = time.monotonic()
        answers = [ask()]
        while not is_enough(answers[-1]) and not answers[-1].is_denied:
            if time.monotonic() - began >= self.patience.total_seconds():
                break
            time.sleep(PAUSE)
            answers.append(ask())
        return answers, time.monotonic() - began
