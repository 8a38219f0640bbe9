"""The secret access key between AWS and its customer."""

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone

from provisioning.models.pull_user import AccessKey


class OneTimeSecret(models.Model):
    """A sealed secret access key, until it is revealed or burned: then only the moment
    remains. Read and written by ``provisioning.vault`` alone."""

    access_key = models.OneToOneField(AccessKey, models.CASCADE, related_name="secret")
    sealed = models.BinaryField(null=True)
    made_at = models.DateTimeField(default=timezone.now)
    revealed_at = models.DateTimeField(null=True)
    revealed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+"
    )
    burned_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(
                    sealed__isnull=False,
                    revealed_at__isnull=True,
                    revealed_by__isnull=True,
                    burned_at__isnull=True,
                )
                | Q(
                    sealed__isnull=True,
                    revealed_at__isnull=False,
                    revealed_by__isnull=False,
                    burned_at__isnull=True,
                )
                | Q(
                    sealed__isnull=True,
                    revealed_at__isnull=True,
                    revealed_by__isnull=True,
                    burned_at__isnull=False,
                ),
                name="secret_is_sealed_or_revealed_or_burned",
            ),
        ]

    def __str__(self) -> str:
        return f"Secret of {self.access_key}"

    @property
    def is_sealed(self) -> bool:
        return self.revealed_at is None and self.burned_at is None
