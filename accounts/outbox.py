"""The letters that the portal has to send, and has sent."""

from django.core.serializers.json import DjangoJSONEncoder
from django.db import models
from django.utils import timezone


class Kind(models.TextChoices):
    """What a letter tells. The words name it to those who choose their letters."""

    INVITATION = "invitation", "You are invited to an organisation"
    WELCOME = "welcome", "An account is made for you"
    REQUEST_RECEIVED = "request_received", "A request of yours has arrived"
    APPROVED = "approved", "A product is approved"
    REJECTED = "rejected", "A request is turned down"
    READY = "ready", "A product is ready to pull"
    TERM_ENDING = "term_ending", "Access ends soon: 30, 14, 7 days and a day before"
    ENDED = "ended", "Access has ended"
    SUSPENDED = "suspended", "Access is suspended"
    RESUMED = "resumed", "Access is open again"
    KEY_EXPIRING = "key_expiring", "An access key expires soon: 30, 14, 7 days and a day before"
    ROTATED = "rotated", "A new access key is made"
    REVEALED = "revealed", "Credentials are revealed"
    KEY_DEACTIVATED = "key_deactivated", "An access key is deactivated"


class LetterQuerySet(models.QuerySet["Letter"]):
    def due(self) -> "LetterQuerySet":
        """Those that are to be sent now."""
        return self.filter(due_at__lte=timezone.now(), sent_at=None)


class Letter(models.Model):
    """A letter, written in the transaction of the deed that it tells, and sent by a worker
    (``accounts.sending``).

    ``facts`` is what its template says beside the names of reader and customer: plain words
    and moments, never a secret or a key's id. ``due_at`` is when it is next to be tried, or
    NULL when it is sent or given up; ``last_error`` says why it is not sent.
    """

    kind = models.CharField(max_length=20, choices=Kind.choices)
    to = models.EmailField("to")
    user = models.ForeignKey("accounts.User", models.SET_NULL, null=True, related_name="letters")
    customer = models.ForeignKey("accounts.Customer", models.CASCADE, null=True, related_name="+")
    facts = models.JSONField(default=dict, encoder=DjangoJSONEncoder)
    made_at = models.DateTimeField(default=timezone.now)
    due_at = models.DateTimeField(null=True, default=timezone.now, db_index=True)
    sent_at = models.DateTimeField(null=True)
    tries = models.PositiveIntegerField(default=0)
    last_error = models.TextField(blank=True)

    objects = LetterQuerySet.as_manager()

    class Meta:
        ordering = ["-made_at", "-pk"]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(sent_at__isnull=True) | models.Q(due_at__isnull=True),
                name="letter_sent_is_not_due",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()}, to {self.to}"

    @property
    def state(self) -> str:
        """In a word or two, for the vendor's people."""
        if self.sent_at:
            return "Sent"
        if self.due_at is None:
            return "Not sent"
        return "Tried again" if self.last_error else "Waits"
