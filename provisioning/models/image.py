"""What ECR told last of the images in a repository: for pages, which never wait for AWS."""

from django.db import models

from provisioning.models.catalog import Repository


class Image(models.Model):
    """A tagged image. Its digest names its content, so that only its tags ever change.

    ``size_bytes`` is compressed, as it is pulled and without what a machine has already; of
    an image for several platforms ECR tells that of the largest. ``platforms`` is a list of
    ``linux/arm64/v8`` and the like; empty for an image of one platform, which ECR does not
    tell, and None as long as ECR has not been asked.
    """

    class Kind(models.TextChoices):
        IMAGE = "image", "Image"
        CHART = "chart", "Helm chart"
        OTHER = "other", "Other artifact"

    repository = models.ForeignKey(Repository, models.CASCADE, related_name="images")
    digest = models.CharField(max_length=100)
    tags = models.JSONField(default=list)
    kind = models.CharField(max_length=10, choices=Kind.choices, default=Kind.IMAGE)
    size_bytes = models.PositiveBigIntegerField(null=True)
    pushed_at = models.DateTimeField()
    platforms = models.JSONField(null=True)

    class Meta:
        ordering = ["-pushed_at", "digest"]
        constraints = [
            models.UniqueConstraint(fields=["repository", "digest"], name="image_once"),
        ]

    def __str__(self) -> str:
        return f"{self.repository}@{self.digest}"

    @property
    def is_one_platform(self) -> bool:
        return self.kind == self.Kind.IMAGE and self.platforms == []
