"""The audit log: every human deed, written in the transaction of the deed, for good."""

from typing import TYPE_CHECKING, Any, NoReturn

from django.conf import settings
from django.db import models
from django.utils import timezone

if TYPE_CHECKING:
    from accounts.models import Customer, User


class Deed(models.TextChoices):
    """What people do. The words complete "Sandra …"."""

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
    LABELLED = "labelled", "added a pull user"
    UNLABELLED = "unlabelled", "removed a pull user"
    CHOSE = "chose", "decided on a finding"
    RETRIED = "retried", "asked for another try"
    INVITED = "invited", "invited"
    REMINDED = "reminded", "sent the invitation again to"
    REVOKED = "revoked", "took back the invitation of"
    JOINED = "joined", "joined"
    CHANGED_ROLE = "changed_role", "changed the role of"
    REMOVED = "removed", "removed"
    LEFT = "left", "left"
    CHOSE_LETTERS = "chose_letters", "chose the letters and the time zone of"
    RESET = "reset_factor", "took away the second factor of"
    ADDED = "added", "added"
    CHANGED = "changed", "changed"
    DELETED = "deleted", "deleted"


class AuditError(Exception):
    """An attempt to change or delete the audit log."""


class AppendOnlyQuerySet(models.QuerySet[Any]):
    """Reads and single additions only."""

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
        # What Django itself uses, as when a line is added to another person's, is held too.
        base_manager_name = "objects"

    def save(self, *args: Any, **kwargs: Any) -> None:
        if not self._state.adding:
            raise AuditError("Audit lines cannot be changed.")
        # Else a new line with an old one's id would take its place.
        super().save(*args, **kwargs | {"force_insert": True})

    def delete(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise AuditError("Audit lines cannot be deleted.")


class AuditEvent(AppendOnly):
    """One deed: who, what, to what, when, from where, and why."""

    at = models.DateTimeField(default=timezone.now, editable=False, db_index=True)
    deed = models.CharField(max_length=20, choices=Deed.choices)
    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="deeds"
    )
    # As it was then: names change, the log does not.
    actor_label = models.CharField(max_length=400)
    customer = models.ForeignKey(
        "accounts.Customer", models.PROTECT, null=True, related_name="audit_events"
    )
    subject = models.CharField(max_length=300)
    entitlement_id = models.BigIntegerField(null=True, db_index=True)
    # What became what, where the deed's own name does not say it.
    changes = models.TextField(blank=True)
    reason = models.TextField(blank=True)
    address = models.GenericIPAddressField(null=True)

    class Meta(AppendOnly.Meta):
        ordering = ["-at", "-pk"]

    def __str__(self) -> str:
        return f"{self.actor_label} {self.get_deed_display()}: {self.subject}"


def label_of(user: "User") -> str:
    return f"{user.name} <{user.email}>" if user.name else user.email


def record(
    deed: Deed,
    subject: str,
    *,
    by: "User",
    customer: "Customer | None" = None,
    entitlement_id: int | None = None,
    changes: str = "",
    reason: str = "",
    address: str | None = None,
) -> AuditEvent:
    """Write one line. Call it inside the transaction of the deed.

    ``subject`` is in plain words and holds no secret; ``address`` is the actor's IP
    address where the deed came by the web.
    """
    return AuditEvent.objects.create(
        deed=deed,
        subject=subject,
        actor=by,
        actor_label=label_of(by),
        customer=customer,
        entitlement_id=entitlement_id,
        changes=changes,
        reason=reason,
        address=address,
    )
