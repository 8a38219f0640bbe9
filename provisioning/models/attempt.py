"""Work to be done on a row, and the record of every try."""

from datetime import datetime

from django.db import models
from django.utils import timezone

from provisioning.states import Outcome


class Reconciled(models.Model):
    """A row that the reconciler brings into agreement with AWS, a turn at a time.

    ``due_at`` is when the next turn is due, or NULL when there is nothing to do; the
    sweep enqueues what is due. ``queued_at`` is when a message was sent that nobody has
    received yet: a row has at most one. ``lease_*`` say who is at it
    (``provisioning.lease``).
    ``attention`` says in plain words what a person must do; empty means nothing.
    ``last_error`` is how the last turn failed, if it did; for the vendor's people.
    """

    due_at = models.DateTimeField(null=True, editable=False, db_index=True)
    queued_at = models.DateTimeField(null=True, editable=False)
    lease_token = models.UUIDField(null=True, editable=False)
    lease_until = models.DateTimeField(null=True, editable=False)
    failures = models.PositiveIntegerField(default=0, editable=False)
    attention = models.TextField(blank=True, editable=False)
    last_error = models.TextField(blank=True, editable=False)

    class Meta:
        abstract = True

    @property
    def row_name(self) -> str:
        """The row in a word that no other row has: ``PullUser 7``."""
        return f"{type(self).__name__} {self.pk}"


class StepAttempt(models.Model):
    """One try of one step, written before AWS is touched."""

    class Step(models.TextChoices):
        ENSURE_LOGIN_POLICY = "ensure_login_policy", "Make the sign-in policy"
        ENSURE_PULL_USER = "ensure_pull_user", "Make the pull user"
        ENSURE_ACCESS_KEY = "ensure_access_key", "Make an access key"
        SET_KEY_STATUS = "set_key_status", "Switch an access key"
        TRY_ACCESS_KEY = "try_access_key", "Try the access key"
        REMOVE_ACCESS_KEY = "remove_access_key", "Delete an access key"
        ENSURE_USER_POLICY = "ensure_user_policy", "Set the pull user's own policy"
        REMOVE_PULL_USER = "remove_pull_user", "Delete the pull user"
        ENSURE_REPOSITORY_STATEMENT = "ensure_repository_statement", "Set the repository's policy"

    step = models.CharField(max_length=40, choices=Step.choices)
    pull_user = models.ForeignKey(
        "provisioning.PullUser", models.CASCADE, null=True, related_name="attempts"
    )
    repository = models.ForeignKey(
        "provisioning.Repository", models.CASCADE, null=True, related_name="attempts"
    )
    started_at = models.DateTimeField(default=timezone.now)
    ended_at = models.DateTimeField(null=True)
    outcome = models.CharField(max_length=12, choices=Outcome.choices, default=Outcome.RUNNING)
    error = models.TextField(blank=True)

    class Meta:
        ordering = ["-started_at", "-pk"]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(pull_user__isnull=False, repository__isnull=True)
                | models.Q(pull_user__isnull=True, repository__isnull=False),
                name="step_attempt_is_of_one_row",
            ),
            models.CheckConstraint(
                condition=models.Q(outcome=Outcome.RUNNING, ended_at__isnull=True)
                | (~models.Q(outcome=Outcome.RUNNING) & models.Q(ended_at__isnull=False)),
                name="step_attempt_ends_with_an_outcome",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_step_display()}: {self.get_outcome_display().lower()}"

    def end(self, outcome: Outcome, error: str = "", *, at: datetime | None = None) -> None:
        """Record how the try ended; ``error`` is in words and holds no secret."""
        self.outcome, self.error, self.ended_at = outcome, error, at or timezone.now()
        self.save(update_fields=["outcome", "error", "ended_at"])
