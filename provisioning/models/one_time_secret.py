"""The secret access key between AWS and its customer."""

from django.conf import settings
from django.db import models
from django.db.models import Q

from accounts import clock
from provisioning.models.access_key import AccessKey


class OneTimeSecret(models.Model):
    """An encrypted secret access key, until it is revealed or destroyed: then only the moment
    remains. Read and written by ``provisioning.vault`` alone."""

    access_key = models.OneToOneField(AccessKey, models.CASCADE, related_name="secret")
    ciphertext = models.BinaryField(null=True)
    created_at = models.DateTimeField(default=clock.now)
    revealed_at = models.DateTimeField(null=True)
    revealed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+"
    )
    destroyed_at = models.DateTimeField(null=True)
    # How often members were reminded that it waits.
    reminders = models.PositiveSmallIntegerField(default=0, db_default=0)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(
                    ciphertext__isnull=False,
                    revealed_at__isnull=True,
                    revealed_by__isnull=True,
                    destroyed_at__isnull=True,
                )
                | Q(
                    ciphertext__isnull=True,
                    revealed_at__isnull=False,
                    revealed_by__isnull=False,
                    destroyed_at__isnull=True,
                )
                | Q(
                    ciphertext__isnull=True,
                    revealed_at__isnull=True,
                    revealed_by__isnull=True,
                    destroyed_at__isnull=False,
                ),
                name="secret_is_encrypted_or_revealed_or_destroyed",
            ),
        ]

    def __str__(self) -> str:
        return f"Secret of {self.access_key}"

    @property
    def is_unrevealed(self) -> bool:
        """Whether it still waits to be revealed."""
        return self.revealed_at is None and self.destroyed_at is None
