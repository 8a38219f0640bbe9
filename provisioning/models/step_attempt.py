"""The record of every attempt to change AWS."""

from datetime import datetime

from django.db import models
from django.db.models import Q

from accounts import clock
from provisioning.states import Outcome, Step


def step_choices() -> list[tuple[str, str]]:
    """A callable, so that a new step needs no migration."""
    return Step.choices


class StepAttempt(models.Model):
    """One attempt at one step for one row, written before AWS is called."""

    step = models.CharField(max_length=40, choices=step_choices)
    registry = models.ForeignKey(
        "provisioning.Registry", models.CASCADE, null=True, related_name="attempts"
    )
    repository = models.ForeignKey(
        "provisioning.Repository", models.CASCADE, null=True, related_name="attempts"
    )
    pull_user = models.ForeignKey(
        "provisioning.PullUser", models.CASCADE, null=True, related_name="attempts"
    )
    started_at = models.DateTimeField(default=clock.now)
    ended_at = models.DateTimeField(null=True)
    outcome = models.CharField(max_length=12, choices=Outcome.choices, default=Outcome.RUNNING)
    error = models.TextField(blank=True)

    class Meta:
        ordering = ["-started_at", "-pk"]
        constraints = [
            models.CheckConstraint(
                condition=Q(registry__isnull=False, repository__isnull=True, pull_user__isnull=True)
                | Q(registry__isnull=True, repository__isnull=False, pull_user__isnull=True)
                | Q(registry__isnull=True, repository__isnull=True, pull_user__isnull=False),
                name="step_attempt_is_of_one_row",
            ),
            models.CheckConstraint(
                condition=Q(outcome=Outcome.RUNNING, ended_at__isnull=True)
                | (~Q(outcome=Outcome.RUNNING) & Q(ended_at__isnull=False)),
                name="step_attempt_ends_with_an_outcome",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_step_display()}: {self.get_outcome_display().lower()}"

    def end(self, outcome: Outcome, error: str = "", *, at: datetime | None = None) -> None:
        """Record how the attempt ended; ``error`` is in words and holds no secret."""
        self.outcome, self.error, self.ended_at = outcome, error, at or clock.now()
        self.save(update_fields=["outcome", "error", "ended_at"])
