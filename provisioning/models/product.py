"""What is sold."""

from django.db import models

from provisioning.models.repository import Repository


class Product(models.Model):
    """What is sold; it gives access to one or more repositories."""

    name = models.CharField(max_length=120, unique=True)
    slug = models.SlugField(max_length=60, unique=True)
    description = models.TextField(blank=True)
    repositories = models.ManyToManyField(Repository, related_name="products")
    is_listed = models.BooleanField(
        default=True, help_text="Customers can see this product and request it."
    )

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name
