"""What the vendor has: registries, repositories in them, and products that open them."""

from django.core.validators import RegexValidator
from django.db import models
from django.utils import timezone

from provisioning import names
from provisioning.models.attempt import Reconciled


class Registry(Reconciled):
    """One ECR private registry: an AWS account and a region, and the role by which the
    portal works there.

    ``paused_by`` is the row that the portal's role was refused for: while it stands, no
    other row of the registry asks AWS anything (``provisioning.reconcile.pause``).
    """

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
        help_text="The role that the portal assumes in this account. Empty: the portal's own "
        "identity must be of this account.",
    )
    external_id = models.CharField("external id", max_length=200, blank=True)
    boundary_arn = models.CharField(
        "permissions boundary",
        max_length=200,
        blank=True,
        validators=[
            RegexValidator(
                r"^arn:aws:iam::\d{12}:policy/[\w+=,.@/-]+$",
                "A policy's ARN, like arn:aws:iam::123456789012:policy/ecr-portal-boundary.",
            )
        ],
        help_text="The policy that no pull user can exceed, whatever it is given "
        "(docs/aws-role.md). Without it, grants are written into repositories' policies only.",
    )
    endpoint_url = models.URLField(
        "endpoint address",
        blank=True,
        help_text="Only where AWS is reached at an address of its own, as in the demo.",
    )
    paused_by = models.CharField(max_length=60, blank=True, editable=False)
    paused_because = models.TextField(blank=True, editable=False)
    # IAM users of the whole account, as last counted.
    iam_users = models.PositiveIntegerField(null=True, editable=False)
    observed_at = models.DateTimeField(null=True, editable=False)
    # A new one is looked at at once.
    due_at = models.DateTimeField(null=True, editable=False, db_index=True, default=timezone.now)

    class Meta:
        verbose_name_plural = "registries"
        ordering = ["name"]
        constraints = [
            models.UniqueConstraint(fields=["account_id", "region"], name="registry_once"),
        ]

    def __str__(self) -> str:
        return self.name


class Repository(Reconciled):
    """An ECR repository whose policy the portal shares with whoever else writes there.

    ``policy_length`` (characters) and ``pullers`` (a list of ``[principal, Sid]``) are what
    its policy was last seen to be, at ``observed_at``. ``newest_tag`` is that of its images,
    kept here so that pages that need no more of them load none.
    """

    class Placement(models.TextChoices):
        AUTOMATIC = "", "Automatic: the repository's policy while it has room"
        REPOSITORY_POLICY = "repository_policy", "Always the repository's policy"
        USER_POLICY = "user_policy", "Always the pull user's own policy"

    registry = models.ForeignKey(Registry, models.PROTECT, related_name="repositories")
    name = models.CharField(
        max_length=256,
        validators=[
            RegexValidator(
                r"^[a-z0-9]+([._/-]+[a-z0-9]+)*$",
                "A repository name as ECR has it, like acme/server.",
            )
        ],
    )
    uri = models.CharField(
        "URI",
        max_length=400,
        blank=True,
        editable=False,
        help_text="As ECR tells it; the portal asks on its first turn.",
    )
    newest_tag = models.CharField(max_length=300, blank=True, editable=False)
    # When ECR was last asked for the images, and when it is asked again.
    images_read_at = models.DateTimeField(null=True, editable=False)
    images_due_at = models.DateTimeField(default=timezone.now, editable=False, db_index=True)
    policy_set_at = models.DateTimeField(null=True, editable=False)
    placement = models.CharField(
        "where grants are written",
        max_length=20,
        blank=True,
        choices=Placement.choices,
        default=Placement.AUTOMATIC,
    )
    policy_length = models.PositiveIntegerField(default=0, editable=False)
    pullers = models.JSONField(default=list, editable=False)
    observed_at = models.DateTimeField(null=True, editable=False)

    class Meta:
        verbose_name_plural = "repositories"
        ordering = ["name"]
        constraints = [
            models.UniqueConstraint(fields=["registry", "name"], name="repository_once"),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def pull_uri(self) -> str:
        """What a customer pulls, without a tag."""
        return self.uri or names.repository_uri(
            self.registry.account_id, self.registry.region, self.name
        )

    @property
    def arn(self) -> str:
        """``registry`` is loaded."""
        return names.repository_arn(self.registry.account_id, self.registry.region, self.name)


class Product(models.Model):
    """What is sold; it opens one or more repositories."""

    name = models.CharField(max_length=120, unique=True)
    slug = models.SlugField(max_length=60, unique=True)
    description = models.TextField(blank=True)
    repositories = models.ManyToManyField(Repository, related_name="products")
    is_listed = models.BooleanField(default=True, help_text="Customers can see and request it.")

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name
