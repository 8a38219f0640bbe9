"""The IAM user that stands for a customer in one AWS account."""

from typing import Any

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.functional import cached_property

from accounts import clock
from accounts.managers import TenantQuerySet
from provisioning.documents import names
from provisioning.models.reconciled import Reconciled
from provisioning.models.registry import Registry
from provisioning.states import STATUS_OF, Desired, KeyStatus, Status


class PullUserQuerySet(TenantQuerySet["PullUser"]):
    def unsettled(self) -> "PullUserQuerySet":
        """Those for which AWS does not have what is desired."""
        return self.exclude(
            Q(desired=Desired.PRESENT, status=Status.READY)
            | Q(desired=Desired.SUSPENDED, status=Status.SUSPENDED)
            | Q(desired=Desired.ABSENT, status=Status.GONE)
        )


class PullUser(Reconciled):
    """The IAM user that stands for a customer in one AWS account."""

    kind = "pull_user"
    read_with = ("customer",)

    customer: Any = models.ForeignKey(
        "accounts.Customer", models.PROTECT, related_name="pull_users"
    )
    account_id = models.CharField("AWS account id", max_length=12)
    label = models.CharField(max_length=20, default=names.DEFAULT_LABEL)
    # The user's name when the row was created; AWS knows no other.
    name = models.CharField(max_length=names.USER_NAME_LIMIT)
    desired = models.CharField(max_length=10, choices=Desired.choices, default=Desired.PRESENT)
    status = models.CharField(max_length=10, choices=Status.choices, default=Status.WAITING)
    # As AWS answered. The UserId tells a user from another one of the same name.
    arn = models.CharField("ARN", max_length=600, blank=True)
    user_id = models.CharField("UserId", max_length=128, blank=True)
    observed_at = models.DateTimeField(null=True, editable=False)
    # When IAM was last asked for the last use of its keys, and when it is asked again.
    uses_read_at = models.DateTimeField(null=True, editable=False)
    uses_due_at = models.DateTimeField(
        default=clock.now, db_default=Now(), editable=False, db_index=True
    )
    # When its last key was deleted because nobody revealed the secret in time; no new key is
    # created until a person asks for one.
    unclaimed_at = models.DateTimeField(null=True, editable=False)
    desired_at = models.DateTimeField(default=clock.now, editable=False)
    # What the portal itself has last written into the user's own policy, by its meaning, empty
    # where it never looked; and what it has sent since without knowing the outcome, separated by
    # spaces.
    policy_written = models.CharField(max_length=64, default="", db_default="", editable=False)
    policy_attempted = models.TextField(default="", db_default="", editable=False)

    objects = PullUserQuerySet.as_manager()

    class Meta(Reconciled.Meta):
        indexes = [
            *Reconciled.Meta.indexes,
            # What the capacity of an account counts for each approval.
            models.Index(
                fields=["account_id"],
                condition=Q(desired="present", status__in=["waiting", "gone"]),
                name="pull_user_to_come",
            ),
        ]
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

    @cached_property
    def registry_in_charge(self) -> Registry | None:
        # IAM is the same in all regions: any registry of the account leads there, so one that
        # is not paused is preferred.
        found = list(Registry.objects.filter(account_id=self.account_id).order_by("pk"))
        return min(found, key=lambda row: row.is_paused_for(self.kind), default=None)

    def forget_what_was_written(self) -> None:
        PullUser.objects.filter(pk=self.pk).update(policy_written="")
        self.access_keys.update(written="")

    @property
    def has_to_take_away(self) -> bool:
        if self.desired != Desired.PRESENT:
            return STATUS_OF[Desired(self.desired)] != self.status
        now = clock.now()
        surplus = Q(desired=KeyStatus.INACTIVE) & ~Q(status=KeyStatus.INACTIVE)
        surplus |= Q(desired=KeyStatus.DELETED) | Q(retires_at__lte=now)
        keys = self.access_keys.filter(surplus).exclude(status=KeyStatus.DELETED)
        grants = self.grants.filter(desired=Desired.ABSENT).exclude(in_user_policy=False)
        return keys.exists() or grants.exists()

    @property
    def is_ready(self) -> bool:
        return self.status == Status.READY and self.desired == Desired.PRESENT
