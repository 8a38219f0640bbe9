"""The name of a customer's further pull user."""

from django.core.validators import RegexValidator
from django.db import models

from accounts import clock


class Label(models.Model):
    """A further pull user that a customer has in each of its accounts, named after what uses
    it: ``ci``."""

    customer = models.ForeignKey("accounts.Customer", models.CASCADE, related_name="labels")
    name = models.CharField(
        max_length=20,
        validators=[
            RegexValidator(
                r"^[a-z0-9]+(-[a-z0-9]+)*$", "Use lower-case letters, digits and hyphens."
            )
        ],
    )
    created_at = models.DateTimeField(default=clock.now)

    class Meta:
        ordering = ["name"]
        constraints = [models.UniqueConstraint(fields=["customer", "name"], name="label_once")]

    def __str__(self) -> str:
        return self.name
