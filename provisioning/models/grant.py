"""One repository made pullable for one pull user."""

from django.db import models
from django.db.models import Case, Q, Value, When

from accounts import clock
from accounts.managers import TenantQuerySet
from provisioning.models.pull_user import PullUser
from provisioning.models.repository import Repository
from provisioning.states import Desired, Status

STATUS_LENGTH = 10
# What a repository's policy should hold, or may hold: of many thousand grants some two hundred.
AT_ISSUE = (
    Q(desired=Desired.PRESENT.value, placement="repository_policy")
    | Q(in_repository_policy=True)
    | Q(in_repository_policy__isnull=True)
)


class GrantQuerySet(TenantQuerySet["Grant"]):
    customer_path = "pull_user__customer"

    def at_issue(self) -> "GrantQuerySet":
        """Those that their repositories' policies should hold, or may hold."""
        return self.filter(AT_ISSUE)

    def unsettled(self) -> "GrantQuerySet":
        """Those that are not written where they should be, or still where they should not."""
        return self.exclude(
            Q(desired=Desired.PRESENT)
            & (
                Q(placement="repository_policy", in_repository_policy=True, in_user_policy=False)
                | Q(placement="user_policy", in_repository_policy=False, in_user_policy=True)
            )
            | Q(desired=Desired.ABSENT, in_repository_policy=False, in_user_policy=False)
        )


class Grant(models.Model):
    """One repository made pullable for one pull user.

    ``placement`` is where it should be written, ``in_…`` where AWS was last seen to have it, and
    None while the outcome of a call that changes it is not known: in both places while it moves,
    so that pulling is never interrupted. ``status`` follows from these, and the database computes
    it. ``desired_at`` is when ``desired`` last changed, ``changed_at`` when anything did.
    """

    class Placement(models.TextChoices):
        REPOSITORY_POLICY = "repository_policy", "Repository policy"
        USER_POLICY = "user_policy", "User policy"

    pull_user = models.ForeignKey(PullUser, models.CASCADE, related_name="grants")
    repository = models.ForeignKey(Repository, models.PROTECT, related_name="grants")
    desired = models.CharField(max_length=10, choices=Desired.choices, default=Desired.PRESENT)
    placement = models.CharField(
        max_length=20, choices=Placement.choices, default=Placement.REPOSITORY_POLICY
    )
    in_repository_policy = models.BooleanField(default=False, null=True)
    in_user_policy = models.BooleanField(default=False, null=True)
    status = models.GeneratedField(
        expression=Case(
            When(
                Q(in_repository_policy=True) | Q(in_user_policy=True),
                then=Value(Status.READY.value),
            ),
            When(
                Q(desired=Desired.PRESENT.value)
                | Q(in_repository_policy__isnull=True)
                | Q(in_user_policy__isnull=True),
                then=Value(Status.WAITING.value),
            ),
            default=Value(Status.GONE.value),
        ),
        output_field=models.CharField(max_length=STATUS_LENGTH),
        db_persist=True,
    )
    desired_at = models.DateTimeField(default=clock.now)
    changed_at = models.DateTimeField(default=clock.now)

    objects = GrantQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["pull_user", "repository"], name="grant_once"),
        ]
        indexes = [
            models.Index(fields=["repository"], condition=AT_ISSUE, name="grant_at_issue"),
        ]

    def __str__(self) -> str:
        return f"{self.repository} for {self.pull_user}"
