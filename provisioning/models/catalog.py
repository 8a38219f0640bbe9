"""What the vendor has: registries, repositories in them, and products that open them."""

from django.core.validators import RegexValidator
from django.db import models

from provisioning import names
from provisioning.models.attempt import Reconciled


class Registry(models.Model):
    """One ECR private registry: an AWS account and a region, and the role by which the
    portal works there."""

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
    endpoint_url = models.URLField(
        "endpoint address",
        blank=True,
        help_text="Only where AWS is reached at an address of its own, as in the demo.",
    )

    class Meta:
        verbose_name_plural = "registries"
        ordering = ["name"]
        constraints = [
            models.UniqueConstraint(fields=["account_id", "region"], name="registry_once"),
        ]

    def __str__(self) -> str:
        return self.name


class Repository(Reconciled):
    """An ECR repository whose policy the portal shares with whoever else writes there."""

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
    policy_set_at = models.DateTimeField(null=True, editable=False)

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
