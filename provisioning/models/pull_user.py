"""Who pulls in AWS for a customer, with which keys, and what it may pull."""

from django.db import models
from django.db.models import Q
from django.utils import timezone

from accounts.managers import TenantQuerySet
from provisioning import names
from provisioning.models.attempt import Reconciled
from provisioning.models.catalog import Repository
from provisioning.states import KeyStatus, Status, Wanted

# Where what AWS has is not what is wanted.
UNSETTLED = Q(wanted=Wanted.PRESENT) & ~Q(status=Status.READY) | Q(wanted=Wanted.ABSENT) & ~Q(
    status=Status.GONE
)


class PullUserQuerySet(TenantQuerySet["PullUser"]):
    def unsettled(self) -> "PullUserQuerySet":
        return self.filter(UNSETTLED)


class PullUser(Reconciled):
    """The IAM user that stands for a customer in one AWS account."""

    customer = models.ForeignKey("accounts.Customer", models.PROTECT, related_name="pull_users")
    account_id = models.CharField("AWS account id", max_length=12)
    label = models.CharField(max_length=20, default=names.DEFAULT_LABEL)
    # The user as it was named when the row was made; AWS knows no other.
    name = models.CharField(max_length=names.USER_NAME_LIMIT)
    wanted = models.CharField(max_length=10, choices=Wanted.choices, default=Wanted.PRESENT)
    status = models.CharField(max_length=10, choices=Status.choices, default=Status.WAITING)
    # As AWS answered. The UserId tells a user from a namesake made in its place.
    arn = models.CharField("ARN", max_length=600, blank=True)
    user_id = models.CharField("UserId", max_length=128, blank=True)

    objects = PullUserQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["customer", "account_id", "label"], name="pull_user_once"
            ),
            models.UniqueConstraint(fields=["account_id", "name"], name="pull_user_name_once"),
            models.CheckConstraint(
                condition=~Q(status="ready") | ~Q(arn=""), name="pull_user_ready_has_an_arn"
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def is_ready(self) -> bool:
        return self.status == Status.READY and self.wanted == Wanted.PRESENT


class AccessKeyQuerySet(TenantQuerySet["AccessKey"]):
    customer_path = "pull_user__customer"

    def current(self) -> "AccessKeyQuerySet":
        """The keys that stand for their users: wanted active and not about to retire."""
        return self.filter(wanted=KeyStatus.ACTIVE, retires_at__isnull=True)

    def living(self) -> "AccessKeyQuerySet":
        """The keys that AWS was last seen to have."""
        return self.exclude(status=KeyStatus.DELETED)


class AccessKey(models.Model):
    """An access key of a pull user. The row is written when AWS has answered, in one
    transaction with its sealed secret: a key in AWS without a row is an orphan."""

    pull_user = models.ForeignKey(PullUser, models.CASCADE, related_name="access_keys")
    access_key_id = models.CharField(max_length=128, unique=True)
    wanted = models.CharField(max_length=10, choices=KeyStatus.choices, default=KeyStatus.ACTIVE)
    status = models.CharField(max_length=10, choices=KeyStatus.choices, default=KeyStatus.ACTIVE)
    created_at = models.DateTimeField(default=timezone.now)
    retires_at = models.DateTimeField(null=True)

    objects = AccessKeyQuerySet.as_manager()

    class Meta:
        ordering = ["-created_at"]
        constraints = [
            models.UniqueConstraint(
                fields=["pull_user"],
                condition=Q(wanted="Active", retires_at__isnull=True),
                name="access_key_one_is_current",
            ),
        ]

    def __str__(self) -> str:
        return self.access_key_id


class GrantQuerySet(TenantQuerySet["Grant"]):
    customer_path = "pull_user__customer"

    def unsettled(self) -> "GrantQuerySet":
        return self.filter(UNSETTLED)


class Grant(models.Model):
    """One repository made pullable for one pull user."""

    class Placement(models.TextChoices):
        REPOSITORY_POLICY = "repository_policy", "Repository policy"
        USER_POLICY = "user_policy", "User policy"

    pull_user = models.ForeignKey(PullUser, models.CASCADE, related_name="grants")
    repository = models.ForeignKey(Repository, models.PROTECT, related_name="grants")
    wanted = models.CharField(max_length=10, choices=Wanted.choices, default=Wanted.PRESENT)
    status = models.CharField(max_length=10, choices=Status.choices, default=Status.WAITING)
    placement = models.CharField(
        max_length=20, choices=Placement.choices, default=Placement.REPOSITORY_POLICY
    )
    changed_at = models.DateTimeField(default=timezone.now)

    objects = GrantQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["pull_user", "repository"], name="grant_once"),
        ]

    def __str__(self) -> str:
        return f"{self.repository} for {self.pull_user}"
