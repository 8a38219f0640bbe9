"""An ECR repository."""

from django.core.validators import RegexValidator
from django.db import models
from django.utils.functional import cached_property

from accounts import clock
from provisioning.documents import names
from provisioning.documents.pulling import Denial, denials_of
from provisioning.models.reconciled import Reconciled
from provisioning.models.registry import Registry
from provisioning.states import Desired


class Repository(Reconciled):
    """An ECR repository, whose policy the portal shares with others that write there.

    ``policy_length`` (characters), ``pullers`` and ``denials`` (``provisioning.documents.pulling``)
    describe its policy as last seen, at ``observed_at``; ``statement_written`` and
    ``statement_attempted`` are for our statement what ``PullUser`` has for its policy.
    ``newest_tag`` is kept here so that pages that need only one tag load no images.
    """

    kind = "repository"
    read_with = ("registry",)

    class Placement(models.TextChoices):
        AUTOMATIC = "", "Automatic: the repository's policy while it has room"
        REPOSITORY_POLICY = "repository_policy", "Always the repository's policy"
        USER_POLICY = "user_policy", "Always the pull user's own policy"

    registry = models.ForeignKey(Registry, models.PROTECT, related_name="repositories")
    name = models.CharField(
        max_length=256,
        validators=[
            RegexValidator(
                # "repositoryName", CreateRepository, ECR API reference.
                r"^(?:[a-z0-9]+(?:[._-][a-z0-9]+)*/)*[a-z0-9]+(?:[._-][a-z0-9]+)*$",
                "A repository's name in ECR, like acme/server.",
            )
        ],
    )
    uri = models.CharField(
        "URI",
        max_length=400,
        blank=True,
        editable=False,
        help_text="As ECR reports it; the portal asks on its first turn.",
    )
    newest_tag = models.CharField(max_length=300, blank=True, editable=False)
    # When ECR was last asked for the images, and when it is asked again.
    images_read_at = models.DateTimeField(null=True, editable=False)
    images_due_at = models.DateTimeField(default=clock.now, editable=False, db_index=True)
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
    denials = models.JSONField(default=list, db_default=[], editable=False)
    statement_written = models.CharField(max_length=64, default="", db_default="", editable=False)
    statement_attempted = models.TextField(default="", db_default="", editable=False)
    # When users that ECR refuses for long were last tried again.
    refused_tried_at = models.DateTimeField(null=True, editable=False)
    observed_at = models.DateTimeField(null=True, editable=False)

    class Meta(Reconciled.Meta):
        verbose_name_plural = "repositories"
        ordering = ["name"]
        constraints = [
            models.UniqueConstraint(fields=["registry", "name"], name="repository_once"),
        ]

    def __str__(self) -> str:
        return self.name

    @cached_property
    def registry_in_charge(self) -> Registry:
        return self.registry

    def denials_of(self, arn: str) -> list[Denial]:
        """What keeps a pull user from pulling, in the policy as last seen."""
        return denials_of(self.denials, arn)

    def forget_what_was_written(self) -> None:
        Repository.objects.filter(pk=self.pk).update(statement_written="")

    @property
    def has_to_take_away(self) -> bool:
        leaving = self.grants.filter(desired=Desired.ABSENT)
        return leaving.exclude(in_repository_policy=False).exists()

    @property
    def pull_uri(self) -> str:
        """What a customer pulls, without a tag."""
        return self.uri or names.repository_uri(
            self.registry.account_id, self.registry.region, self.name
        )

    @property
    def arn(self) -> str:
        """``registry`` must be loaded."""
        return names.repository_arn(self.registry.account_id, self.registry.region, self.name)
