"""People, the organisations that they act for, and what they did."""

from django.contrib.auth.models import AbstractBaseUser, PermissionsMixin
from django.core.validators import RegexValidator
from django.db import models
from django.db.models.functions import Lower
from django.utils import timezone

from accounts.audit import AuditEvent
from accounts.managers import CustomerQuerySet, UserManager
from accounts.seals import AuditSeal

__all__ = ["AuditEvent", "AuditSeal", "Customer", "Membership", "User"]


class User(AbstractBaseUser, PermissionsMixin):
    """A person, who signs in by e-mail address."""

    email = models.EmailField("e-mail address", unique=True)
    name = models.CharField(max_length=120, blank=True)
    is_active = models.BooleanField(default=True)
    is_staff = models.BooleanField(default=False, help_text="Works for the vendor.")
    date_joined = models.DateTimeField(default=timezone.now)

    objects = UserManager()

    USERNAME_FIELD = "email"

    class Meta:
        constraints = [
            models.UniqueConstraint(Lower("email"), name="user_email_unique_in_any_case"),
        ]

    def __str__(self) -> str:
        return self.name or self.email

    def get_full_name(self) -> str:
        return self.name

    def get_short_name(self) -> str:
        return self.name.split(" ")[0] or self.email


class Customer(models.Model):
    """An organisation that buys."""

    name = models.CharField(max_length=120, unique=True)
    slug = models.CharField(
        max_length=40,
        unique=True,
        validators=[RegexValidator(r"^[a-z0-9]+(-[a-z0-9]+)*$", "Small letters, digits, hyphens.")],
        help_text="Names the customer in AWS: small letters, digits and hyphens. It cannot be "
        "changed once there is a pull user; short names leave room for more customers.",
    )
    created_at = models.DateTimeField(auto_now_add=True)
    members: "models.ManyToManyField[User, Membership]" = models.ManyToManyField(
        User, through="Membership", related_name="customers"
    )

    objects = CustomerQuerySet.as_manager()

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class Membership(models.Model):
    """A person acting for a customer, in a role."""

    class Role(models.TextChoices):
        OWNER = "owner", "Owner"
        ENGINEER = "engineer", "Engineer"
        VIEWER = "viewer", "Viewer"

    user = models.ForeignKey(User, models.CASCADE, related_name="memberships")
    customer = models.ForeignKey(Customer, models.CASCADE, related_name="memberships")
    role = models.CharField(max_length=10, choices=Role.choices)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["user", "customer"], name="membership_once"),
            models.CheckConstraint(
                condition=models.Q(role__in=["owner", "engineer", "viewer"]),
                name="membership_role_is_known",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.user}, {self.get_role_display()} at {self.customer}"
