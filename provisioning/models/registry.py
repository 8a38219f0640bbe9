"""An AWS account and region that the vendor keeps images in."""

from django.core.validators import MinLengthValidator, RegexValidator
from django.db import models
from django.db.models.functions import Now
from django.utils.functional import cached_property

from accounts import clock
from provisioning.documents import limits
from provisioning.models.reconciled import Reconciled


class Registry(Reconciled):
    """One ECR private registry: an AWS account and a region, and the role the portal assumes
    there.

    While it is paused, since ``paused_at``, its rows of the kind ``paused_for`` (of every kind,
    where that is empty) call AWS only to take access away (``provisioning.reconciler.pause``).
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
    external_id = models.CharField(
        "external id",
        max_length=1224,
        blank=True,
        # "ExternalId", AssumeRole, STS API reference.
        validators=[
            MinLengthValidator(2),
            RegexValidator(
                r"^[\w+=,.@:/-]*$", "Use a to z, A to Z, digits, and these: _ + = , . @ : / -"
            ),
        ],
    )
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
    paused_for = models.CharField(max_length=20, default="", db_default="", editable=False)
    # IAM users of the whole account, as last counted, and the account's quotas: of users, and of
    # the characters in a user's own policies.
    iam_users = models.PositiveIntegerField(null=True, editable=False)
    users_quota = models.PositiveIntegerField(
        default=limits.USERS_PER_ACCOUNT, db_default=limits.USERS_PER_ACCOUNT, editable=False
    )
    user_policy_quota = models.PositiveIntegerField(
        default=limits.USER_POLICY_LIMIT, db_default=limits.USER_POLICY_LIMIT, editable=False
    )
    observed_at = models.DateTimeField(null=True, editable=False)
    # The registry's own policy as last read, {} where it has none; None where it was not read.
    policy = models.JSONField(null=True, editable=False)
    # When the installation's epoch was last compared with the one that the account keeps.
    epoch_at = models.DateTimeField(null=True, editable=False)
    epoch_due_at = models.DateTimeField(default=clock.now, db_default=Now(), editable=False)
    # A new registry is looked at immediately.
    due_at = models.DateTimeField(null=True, editable=False, default=clock.now)

    class Meta(Reconciled.Meta):
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

    def is_paused_for(self, kind: str) -> bool:
        return self.paused_at is not None and self.paused_for in ("", kind)

    def end_pause(self) -> None:
        """Let every row of the registry call AWS again."""
        Registry.objects.filter(pk=self.pk).update(paused_at=None, paused_because="", paused_for="")
