"""Who pulls in AWS for a customer, with which keys, and what it may pull."""

from datetime import timedelta

from django.core.validators import RegexValidator
from django.db import models
from django.db.models import Q
from django.utils import timezone

from accounts.managers import TenantQuerySet
from provisioning import names
from provisioning.models.attempt import Reconciled
from provisioning.models.catalog import Repository
from provisioning.states import KeyStatus, Status, Wanted


class Label(models.Model):
    """A further pull user that a customer has in each of its accounts, named for what uses
    it: ``ci``."""

    customer = models.ForeignKey("accounts.Customer", models.CASCADE, related_name="labels")
    name = models.CharField(
        max_length=20,
        validators=[RegexValidator(r"^[a-z0-9]+(-[a-z0-9]+)*$", "Small letters, digits, hyphens.")],
    )
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["name"]
        constraints = [models.UniqueConstraint(fields=["customer", "name"], name="label_once")]

    def __str__(self) -> str:
        return self.name


class PullUserQuerySet(TenantQuerySet["PullUser"]):
    def unsettled(self) -> "PullUserQuerySet":
        """Those of whom AWS does not have what is wanted."""
        return self.exclude(
            Q(wanted=Wanted.PRESENT, status=Status.READY)
            | Q(wanted=Wanted.SUSPENDED, status=Status.SUSPENDED)
            | Q(wanted=Wanted.ABSENT, status=Status.GONE)
        )


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
    observed_at = models.DateTimeField(null=True, editable=False)
    # When its last key was deleted because nobody collected the secret in time; no new key
    # is made until somebody asks for one.
    unclaimed_at = models.DateTimeField(null=True, editable=False)

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


# A key that AWS has not accepted by then is shown all the same, and is a finding for ops.
TRIED_FOR = timedelta(seconds=60)


class AccessKeyQuerySet(TenantQuerySet["AccessKey"]):
    customer_path = "pull_user__customer"

    def current(self) -> "AccessKeyQuerySet":
        """The keys that stand for their users: not about to retire."""
        return self.exclude(wanted=KeyStatus.DELETED).filter(retires_at__isnull=True)

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
    # Its replacement is there or coming, and it goes then.
    retires_at = models.DateTimeField(null=True)
    # Its age runs out then, whether or not somebody replaces it before.
    expires_at = models.DateTimeField(null=True)
    # When it was seen to sign in and to read an image's manifest.
    tested_at = models.DateTimeField(null=True)
    # The last warning of that: how many days before.
    warned_days = models.PositiveSmallIntegerField(null=True)
    last_used_at = models.DateTimeField(null=True)
    last_used_for = models.CharField(max_length=80, blank=True)

    objects = AccessKeyQuerySet.as_manager()

    class Meta:
        ordering = ["-created_at"]
        constraints = [
            models.UniqueConstraint(
                fields=["pull_user"],
                condition=~Q(wanted="Deleted") & Q(retires_at__isnull=True),
                name="access_key_one_is_current",
            ),
        ]

    def __str__(self) -> str:
        return self.access_key_id

    @property
    def is_offered(self) -> bool:
        """Whether it was seen to work, or was tried for long enough: its secret may be
        revealed."""
        return self.tested_at is not None or timezone.now() - self.created_at > TRIED_FOR


class GrantQuerySet(TenantQuerySet["Grant"]):
    customer_path = "pull_user__customer"

    def unsettled(self) -> "GrantQuerySet":
        """Those that are not written where they should be, or still where they should not."""
        return self.exclude(
            Q(wanted=Wanted.PRESENT)
            & (
                Q(placement="repository_policy", in_repository_policy=True, in_user_policy=False)
                | Q(placement="user_policy", in_repository_policy=False, in_user_policy=True)
            )
            | Q(wanted=Wanted.ABSENT, in_repository_policy=False, in_user_policy=False)
        )


class Grant(models.Model):
    """One repository made pullable for one pull user.

    ``placement`` is where it should be written, ``in_…`` where AWS was last seen to have
    it: in both places while it moves, so that pulling is never interrupted.
    """

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
    in_repository_policy = models.BooleanField(default=False)
    in_user_policy = models.BooleanField(default=False)
    changed_at = models.DateTimeField(default=timezone.now)

    objects = GrantQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["pull_user", "repository"], name="grant_once"),
        ]

    def __str__(self) -> str:
        return f"{self.repository} for {self.pull_user}"
