"""Audit lines and the chain over them: rows that are only ever added."""

from typing import Any, NoReturn

from django.conf import settings
from django.db import models
from django.utils import timezone


class Action(models.TextChoices):
    """What people do. The labels complete "Sandra …". The values are part of the hash chain:
    those that have been written never change."""

    REQUESTED = "requested", "requested access"
    APPROVED = "approved", "approved access"
    REJECTED = "rejected", "rejected a request"
    EXTENDED = "extended", "changed the term of access"
    SUSPENDED = "suspended", "suspended access"
    RESUMED = "resumed", "resumed access"
    WITHDREW = "withdrew", "withdrew access"
    REVEALED = "revealed", "revealed credentials"
    REISSUED = "reissued", "reissued credentials"
    ROTATED = "rotated", "rotated credentials"
    DEACTIVATED = "deactivated", "deactivated an access key"
    ACTIVATED = "activated", "activated an access key"
    ENDED_KEY = "ended_key", "ended an access key"
    LABELLED = "labelled", "added a pull user"
    UNLABELLED = "unlabelled", "removed a pull user"
    RESOLVED_DRIFT = "chose", "decided what to do about drift"
    HELD = "held", "held"
    RELEASED = "released", "released"
    RETRIED = "retried", "asked for another try"
    INVITED = "invited", "invited"
    REMINDED = "reminded", "sent the invitation again to"
    REVOKED = "revoked", "withdrew the invitation of"
    JOINED = "joined", "joined"
    CHANGED_ROLE = "changed_role", "changed the role of"
    LIMITED_SOURCES = "limited_sources", "changed the source addresses of"
    ADMITTED = "admitted", "confirmed the membership of"
    REMOVED = "removed", "removed"
    LEFT = "left", "left"
    SIGNED_UP = "signed_up", "created an account"
    SIGNED_IN = "signed_in", "signed in"
    SIGNED_OUT = "signed_out", "signed out"
    FAILED_SIGN_IN = "failed_sign_in", "failed to sign in as"
    CONFIRMED = "confirmed", "confirmed their identity"
    CHANGED_SIGN_IN = "changed_sign_in", "changed how they sign in"
    ENDED_SESSIONS = "ended_sessions", "ended sessions"
    LOCKED = "locked", "reported misuse and locked reveals"
    UNLOCKED = "unlocked", "allowed reveals again for"
    CHANGED_SIGN_IN_RULES = "sign_in_rules", "changed the sign-in rules of"
    CHANGED_NOTIFICATIONS = "notifications", "changed the notifications of"
    CHANGED_PROFILE = "profile", "changed the name and the time zone of"
    RESET = "reset_factor", "removed the second factor of"
    ADDED = "added", "added"
    CHANGED = "changed", "changed"
    DELETED = "deleted", "deleted"


def action_choices() -> list[tuple[str, str]]:
    """A callable, so that a new action needs no migration."""
    return Action.choices


class AuditError(Exception):
    """An attempt to change or delete the audit log."""


class AppendOnlyQuerySet(models.QuerySet[Any]):
    """Allows reads and single additions only."""

    def update(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise AuditError("Audit lines cannot be changed.")

    bulk_create = bulk_update = update_or_create = update

    def delete(self) -> NoReturn:
        raise AuditError("Audit lines cannot be deleted.")


class AppendOnly(models.Model):
    """A row that stays as it was written."""

    objects = AppendOnlyQuerySet.as_manager()

    class Meta:
        abstract = True
        # Django itself goes through this manager too, for related objects for instance.
        base_manager_name = "objects"

    def save(self, *args: Any, **kwargs: Any) -> None:
        if not self._state.adding:
            raise AuditError("Audit lines cannot be changed.")
        # Without force_insert a new line with an existing id would overwrite that line.
        super().save(*args, **kwargs | {"force_insert": True})

    def delete(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise AuditError("Audit lines cannot be deleted.")


class AuditEvent(AppendOnly):
    """One action: who, what, on what, when, from where, and why."""

    at = models.DateTimeField(default=timezone.now, editable=False, db_index=True)
    action = models.CharField(max_length=20, choices=action_choices)
    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="actions"
    )
    # As it was at the time: names change, the log does not.
    actor_label = models.CharField(max_length=400)
    customer = models.ForeignKey(
        "accounts.Customer", models.PROTECT, null=True, related_name="audit_events"
    )
    subject = models.CharField(max_length=300)
    entitlement_id = models.BigIntegerField(null=True, db_index=True)
    # Old and new values, where the action's own name does not say them.
    changes = models.TextField(blank=True)
    reason = models.TextField(blank=True)
    address = models.GenericIPAddressField(null=True)
    # Shows that the portal wrote the line; empty in lines of versions that did not sign.
    signature = models.CharField(max_length=150, default="", db_default="", editable=False)

    class Meta(AppendOnly.Meta):
        ordering = ["-at", "-pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["signature"], condition=~models.Q(signature=""), name="audit_line_once"
            )
        ]

    def __str__(self) -> str:
        return f"{self.actor_label} {self.get_action_display()}: {self.subject}"


class ChainLink(AppendOnly):
    """The link of one audit line in the hash chain. ``number`` counts from 1 without a gap."""

    number = models.BigIntegerField(primary_key=True)
    event = models.OneToOneField(AuditEvent, models.PROTECT, related_name="link")
    previous = models.CharField(max_length=150, unique=True)
    # A signature; a plain hash in links of versions that did not sign.
    hash = models.CharField(max_length=150)

    class Meta(AppendOnly.Meta):
        ordering = ["number"]

    def __str__(self) -> str:
        return f"{self.number}:{self.hash}"

    @property
    def is_signed(self) -> bool:
        return ":" in self.hash
