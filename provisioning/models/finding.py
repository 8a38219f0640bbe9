"""What AWS was seen to have that nobody asked the portal for."""

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone


class FindingQuerySet(models.QuerySet["Finding"]):
    def open(self) -> "FindingQuerySet":
        return self.filter(ended_at__isnull=True)


class Finding(models.Model):
    """A difference between AWS and the database that the portal did not make.

    It is believed when it was seen twice: a single read may be stale. ``subject`` tells
    one from another of its kind: a key, a principal, a policy.
    """

    class Kind(models.TextChoices):
        USER_MISSING = "user_missing", "Pull user deleted in IAM"
        USER_REPLACED = "user_replaced", "Pull user deleted and made anew in IAM"
        USER_CHANGED = "user_changed", "Pull user's sign-in policy or boundary taken away"
        LOGIN_POLICY_CHANGED = "login_policy_changed", "Sign-in policy edited"
        KEY_MISSING = "key_missing", "Access key deleted in IAM"
        KEY_STATUS = "key_status", "Access key switched on or off in IAM"
        KEY_UNKNOWN = "key_unknown", "Access key that the portal did not make"
        KEY_UNUSABLE = "key_unusable", "Access key that AWS does not accept"
        USER_POLICY_CHANGED = "user_policy_changed", "Pull user's own policy edited"
        FOREIGN_POLICY = "foreign_policy", "Pull user has more policies than the portal gave"
        STATEMENT_CHANGED = "statement_changed", "The portal's statement edited"
        DEAD_PRINCIPAL = "dead_principal", "Foreign statement names a deleted user"
        ORPHAN_USER = "orphan_user", "Pull user that the database does not know"

    class Ending(models.TextChoices):
        REPAIRED = "repaired", "Repaired by the portal"
        ADOPTED = "adopted", "Left as it is, by choice"
        VANISHED = "vanished", "No longer so"

    kind = models.CharField(max_length=30, choices=Kind.choices)
    subject = models.CharField(max_length=600, blank=True)
    # The row whose turn saw it, as ``Reconciled.row_name`` has it.
    row = models.CharField(max_length=60, db_index=True)
    # That row again, or its customer's: what a page shows beside it.
    registry = models.ForeignKey("provisioning.Registry", models.CASCADE, null=True)
    repository = models.ForeignKey("provisioning.Repository", models.CASCADE, null=True)
    pull_user = models.ForeignKey("provisioning.PullUser", models.CASCADE, null=True)
    first_seen_at = models.DateTimeField(default=timezone.now)
    last_seen_at = models.DateTimeField(default=timezone.now)
    times_seen = models.PositiveIntegerField(default=1)
    # What ops chose, where the portal does not choose by itself.
    choice = models.CharField(
        max_length=10, blank=True, choices=[("repair", "Repair"), ("adopt", "Leave as it is")]
    )
    chosen_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+"
    )
    ended_at = models.DateTimeField(null=True)
    ending = models.CharField(max_length=10, blank=True, choices=Ending.choices)

    objects = FindingQuerySet.as_manager()

    class Meta:
        ordering = ["-first_seen_at", "-pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["kind", "subject", "row"],
                condition=Q(ended_at__isnull=True),
                name="finding_open_once",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()}: {self.subject}"
