"""An access key of a pull user."""

from datetime import datetime, timedelta

from django.db import models
from django.db.models import Q

from accounts import clock
from accounts.managers import TenantQuerySet
from provisioning.models.pull_user import PullUser
from provisioning.states import KeyStatus

# A key that AWS has not accepted by then is drift for ops.
TESTED_FOR = timedelta(seconds=60)


class AccessKeyQuerySet(TenantQuerySet["AccessKey"]):
    customer_path = "pull_user__customer"

    def current(self) -> "AccessKeyQuerySet":
        """The keys that stand for their users: those not about to retire."""
        return self.exclude(desired=KeyStatus.DELETED).filter(retires_at__isnull=True)

    def living(self) -> "AccessKeyQuerySet":
        """The keys that AWS was last seen to have."""
        return self.exclude(status=KeyStatus.DELETED)


class AccessKey(models.Model):
    """An access key of a pull user. The row is written when AWS has answered, in the same
    transaction as its encrypted secret: a key in AWS without a row is an orphan. One that an
    attempt without an answer left has a row, to be deleted, and its secret is lost."""

    pull_user = models.ForeignKey(PullUser, models.CASCADE, related_name="access_keys")
    access_key_id = models.CharField(max_length=128, unique=True)
    desired = models.CharField(max_length=10, choices=KeyStatus.choices, default=KeyStatus.ACTIVE)
    status = models.CharField(max_length=10, choices=KeyStatus.choices, default=KeyStatus.ACTIVE)
    # What the portal itself has last set in AWS; empty while the outcome of a call is not known.
    # Where AWS shows something else, someone else has set that.
    written = models.CharField(max_length=10, default=KeyStatus.ACTIVE, db_default="Active")
    desired_at = models.DateTimeField(default=clock.now)
    created_at = models.DateTimeField(default=clock.now)
    # When ops took it over from AWS, which had it when the database did not: nobody can say when
    # its secret was revealed.
    adopted_at = models.DateTimeField(null=True)
    # When the key is deleted, because another one replaces it.
    retires_at = models.DateTimeField(null=True)
    # When the key reaches its maximum age, whether or not it was replaced before.
    expires_at = models.DateTimeField(null=True)
    # When the portal saw it sign in and read an image's manifest, or ops released it untested.
    tested_at = models.DateTimeField(null=True)
    # Since when AWS has refused it in that test, again and again.
    refused_since = models.DateTimeField(null=True)
    # The last warning about its expiry: how many days before.
    warned_days = models.PositiveSmallIntegerField(null=True)
    # When the owners were asked to replace it: the person who revealed it is no longer a member.
    holder_left_at = models.DateTimeField(null=True)
    last_used_at = models.DateTimeField(null=True)
    last_used_for = models.CharField(max_length=80, blank=True)

    objects = AccessKeyQuerySet.as_manager()

    class Meta:
        ordering = ["-created_at"]
        constraints = [
            models.UniqueConstraint(
                fields=["pull_user"],
                condition=~Q(desired="Deleted") & Q(retires_at__isnull=True),
                name="access_key_one_is_current",
            ),
        ]

    def __str__(self) -> str:
        return self.access_key_id

    @property
    def is_current(self) -> bool:
        """As ``AccessKeyQuerySet.current``."""
        return self.desired != KeyStatus.DELETED and self.retires_at is None

    @property
    def is_living(self) -> bool:
        """As ``AccessKeyQuerySet.living``."""
        return self.status != KeyStatus.DELETED

    @property
    def is_in_doubt(self) -> bool:
        """Whether a call that sets its status was made of which nothing is known."""
        return not self.written

    @property
    def ends_at(self) -> datetime | None:
        """When it is deleted, if nothing changes."""
        return self.retires_at or self.expires_at

    @property
    def is_offered(self) -> bool:
        """Whether its secret may be revealed: it was seen to work."""
        return self.tested_at is not None
