"""The emails that the portal has to send, and has sent."""

from django.core.serializers.json import DjangoJSONEncoder
from django.db import models
from django.utils import timezone


class EmailKind(models.TextChoices):
    """What an email is about. The labels name the kinds to people who choose among them."""

    INVITATION = "invitation", "You are invited to an organisation"
    WELCOME = "welcome", "An account was created for you"
    NEW_REQUEST = "new_request", "A request came in"
    REQUESTS_WAITING = "requests_waiting", "Requests that wait, once a day"
    RENEWAL = "renewal", "A term that you approved ends soon: 30, 14, 7 and 1 days before"
    TROUBLE = "trouble", "Something needs attention, is paused, or differs in AWS"
    REQUEST_RECEIVED = "request_received", "Your request has arrived"
    APPROVED = "approved", "A product is approved"
    REJECTED = "rejected", "A request is rejected"
    READY = "ready", "A product is ready to pull"
    TERM_ENDING = "term_ending", "Access ends soon: 30, 14, 7 and 1 days before"
    ENDED = "ended", "Access has ended"
    SUSPENDED = "suspended", "Access is suspended"
    RESUMED = "resumed", "Access is resumed"
    KEY_EXPIRING = "key_expiring", "An access key expires soon: 30, 14, 7 and 1 days before"
    ROTATED = "rotated", "A new access key is being created"
    UNREVEALED = "unrevealed", "Credentials wait to be revealed"
    REVEALED = "revealed", "Credentials were revealed"
    NEW_DEVICE = "new_device", "A sign-in on a new device"
    SIGN_IN_CHANGED = "sign_in_changed", "How you sign in has changed"
    LOCKED_OUT = "locked_out", "Failed attempts to sign in"
    MEMBER_JOINED = "member_joined", "Someone may handle credentials or manage members"
    MEMBER_REMOVED = "member_removed", "You are no longer a member of an organisation"
    FACTOR_RESET = "factor_reset", "The vendor removed a member's second factor"
    MEMBER_LOCKED = "member_locked", "Someone else may have used a member's account"
    MEMBER_UNLOCKED = "member_unlocked", "A member can reveal credentials again"
    AUDIT_BROKEN = "audit_broken", "The audit log was changed"
    HOLDER_LEFT = "holder_left", "Someone who revealed a key is no longer a member"
    KEY_DEACTIVATED = "key_deactivated", "An access key was deactivated"
    KEY_ENDED = "key_ended", "An access key was ended before its day"
    LABEL_CHANGED = "label_changed", "A label was added or removed"
    NEW_VERSION = "new_version", "A new version of a product"


def kind_choices() -> list[tuple[str, str]]:
    """A callable, so that a new kind needs no migration."""
    return EmailKind.choices


class EmailQuerySet(models.QuerySet["Email"]):
    def due(self) -> "EmailQuerySet":
        """Those to be sent now."""
        return self.filter(due_at__lte=timezone.now(), sent_at=None)


class Email(models.Model):
    """An email, stored in the transaction of the action it reports, and sent by a worker
    (``accounts.emails.delivery``).

    ``facts`` is what its template says besides the names of recipient and customer: plain words
    and times, never a secret or a key's id. ``due_at`` is when sending is tried next, or NULL
    when it was sent or given up; ``last_error`` says why it was not sent.
    """

    kind = models.CharField(max_length=20, choices=kind_choices)
    to = models.EmailField("to")
    user = models.ForeignKey("accounts.User", models.SET_NULL, null=True, related_name="emails")
    customer = models.ForeignKey("accounts.Customer", models.CASCADE, null=True, related_name="+")
    facts = models.JSONField(default=dict, encoder=DjangoJSONEncoder)
    created_at = models.DateTimeField(default=timezone.now)
    due_at = models.DateTimeField(null=True, default=timezone.now, db_index=True)
    sent_at = models.DateTimeField(null=True)
    tries = models.PositiveIntegerField(default=0)
    last_error = models.TextField(blank=True)

    objects = EmailQuerySet.as_manager()

    class Meta:
        ordering = ["-created_at", "-pk"]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(sent_at__isnull=True) | models.Q(due_at__isnull=True),
                name="email_sent_is_not_due",
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
        return "Will be retried" if self.last_error else "Waiting"
