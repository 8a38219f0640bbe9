"""An AWS account and region that the vendor keeps images in."""

from django.core.validators import RegexValidator
from django.db import models
from django.utils import timezone
from django.utils.functional import cached_property

from provisioning.models.reconciled import Reconciled


class Registry(Reconciled):
    """One ECR private registry: an AWS account and a region, and the role the portal assumes
    there.

    ``paused_by_*`` is the row for which AWS refused the portal's role, at ``paused_at``: while
    the pause lasts, no other row of the registry calls AWS
    (``provisioning.reconciler.pause``).
    """

    kind = "registry"

    name = models.CharField(max_length=60, unique=True)
    account_id = models.CharField(
        "AWS account id", max_length=12, validators=[RegexValidator(r"^\d{12}$", "12 digits.")]
    )
    region = models.CharField(
        "AWS region",
        max_length=30,
        validators=[RegexValidator(r"^[a-z]{2}(-[a-z]+)+-\d$", "A region, like eu-central-1.")],
    )
    role_arn = models.CharField(
        "role ARN",
        max_length=200,
        blank=True,
        validators=[
            RegexValidator(
                r"^arn:aws:iam::\d{12}:role/[\w+=,.@/-]+$",
                "A role's ARN, like arn:aws:iam::123456789012:role/ecr-portal.",
            )
        ],
        help_text="The role that the portal assumes in this account. If empty, the portal's own "
        "identity must belong to this account.",
    )
    external_id = models.CharField("external id", max_length=200, blank=True)
    boundary_arn = models.CharField(
        "permissions boundary",
        max_length=200,
        validators=[
            RegexValidator(
                r"^arn:aws:iam::\d{12}:policy/[\w+=,.@/-]+$",
                "A policy's ARN, like arn:aws:iam::123456789012:policy/ecr-portal-boundary.",
            )
        ],
        help_text="The policy that limits what any pull user can do, whatever else it is given "
        "(docs/aws-role.md, section 2). Without it, no pull user is created.",
    )
    endpoint_url = models.URLField(
        "endpoint address",
        blank=True,
        help_text="Only where AWS has an address of its own, as in the demo.",
    )
    paused_at = models.DateTimeField(null=True, editable=False)
    paused_because = models.TextField(blank=True, editable=False)
    paused_by_registry = models.ForeignKey(
        "self", models.SET_NULL, null=True, editable=False, related_name="+"
    )
    paused_by_repository = models.ForeignKey(
        "provisioning.Repository", models.SET_NULL, null=True, editable=False, related_name="+"
    )
    paused_by_pull_user = models.ForeignKey(
        "provisioning.PullUser", models.SET_NULL, null=True, editable=False, related_name="+"
    )
    # IAM users of the whole account, as last counted.
    iam_users = models.PositiveIntegerField(null=True, editable=False)
    observed_at = models.DateTimeField(null=True, editable=False)
    # A new registry is looked at immediately.
    due_at = models.DateTimeField(null=True, editable=False, db_index=True, default=timezone.now)

    class Meta:
        verbose_name_plural = "registries"
        ordering = ["name"]
        constraints = [
            models.UniqueConstraint(fields=["account_id", "region"], name="registry_once"),
        ]

    def __str__(self) -> str:
        return self.name

    @cached_property
    def registry_in_charge(self) -> "Registry":
        return self

    def end_pause(self) -> None:
        """Let every row of the registry call AWS again."""
        Registry.objects.filter(pk=self.pk).update(
            paused_at=None,
            paused_because="",
            paused_by_registry=None,
            paused_by_repository=None,
            paused_by_pull_user=None,
        )

    @property
    def paused_by(self) -> Reconciled | None:
        """The row that paused the registry; None where it is not paused, or the row is gone."""
        return self.paused_by_registry or self.paused_by_repository or self.paused_by_pull_user
