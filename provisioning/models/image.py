"""The images in a repository, as last read from ECR, for pages that never call AWS."""

from django.db import models

from provisioning.models.repository import Repository


class Image(models.Model):
    """A tagged image. Its digest identifies its content, so only its tags ever change.

    ``size_bytes`` is the compressed size, as pulled by a machine that has none of the layers;
    for an image with several platforms ECR reports the largest. ``platforms`` is a list like
    ``linux/arm64/v8``; empty for an image with one platform, which ECR does not report, and None
    until ECR was asked.
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
