"""People, and the organisations they act for."""

from datetime import timedelta
from typing import Any

from django.contrib.auth.hashers import check_password
from django.contrib.auth.models import AbstractBaseUser, PermissionsMixin
from django.core.validators import RegexValidator
from django.db import models
from django.db.models import Q
from django.db.models.functions import Lower
from django.utils import timezone
from django.utils.functional import cached_property

from accounts.managers import CustomerQuerySet, TenantQuerySet, UserManager

# For how long someone else may have used an account before its person reports it.
DOUBTED = timedelta(days=7)


class User(AbstractBaseUser, PermissionsMixin):
    """A person, who signs in with an email address."""

    email = models.EmailField("email address", unique=True)
    name = models.CharField(max_length=120, blank=True)
    is_active = models.BooleanField(default=True)
    is_staff = models.BooleanField(default=False, help_text="Works for the vendor.")
    date_joined = models.DateTimeField(default=timezone.now)
    # In which pages and emails show times: a name of the IANA time zone database.
    time_zone = models.CharField(max_length=64, default="UTC", editable=False)
    # The same as in a membership, of the emails to the vendor's people.
    switched = models.JSONField(default=list, db_default=[], editable=False)

    # The ids of the customers whose sign-in rules the session of this request does not meet
    # (portal.pages.guards).
    kept_out_of: frozenset[int] = frozenset()

    objects = UserManager()

    USERNAME_FIELD = "email"

    class Meta:
        # The vendor's few people among all those of customers.
        indexes = [models.Index(fields=["id"], condition=Q(is_staff=True), name="user_staff")]
        constraints = [
            models.UniqueConstraint(Lower("email"), name="user_email_unique_in_any_case"),
        ]

    def __str__(self) -> str:
        return self.name or self.email

    @cached_property
    def organisations(self) -> "list[Customer]":
        """The customers that the person is a member of as of this request, also where the session
        does not meet their sign-in rules."""
        return list(Customer.objects.for_user(self))

    def get_full_name(self) -> str:
        return self.name

    def get_short_name(self) -> str:
        return self.name.split(" ")[0] or self.email

    def check_password(self, raw_password: str) -> bool:
        """Whether it is the password. A hash made in a way that Django has left is renewed."""
        return bool(check_password(raw_password, self.password, self.replace_password))

    def replace_password(self, raw_password: str) -> bool:
        """Set the password in the database, and nothing else, unless it was changed since the
        person was read: by a report of misuse, for example. Returns whether it is set."""
        before = self.password
        self.set_password(raw_password)
        unchanged = User.objects.filter(pk=self.pk, password=before)
        return bool(unchanged.update(password=self.password))

    @property
    def no_address(self) -> str:
        """What stands in for an address that is not this person's."""
        return f"nobody-{self.pk}@example.invalid"

    @property
    def is_locked(self) -> bool:
        """Whether the person reported misuse, and an organisation still waits for its owners."""
        return self.memberships.locked().exists()

    def lock(self) -> None:
        """Hold the row until the transaction ends, before those of customers."""
        User.objects.select_for_update(no_key=True).get(pk=self.pk)


class FormerAddress(models.Model):
    """What was a person's primary address until lately (``accounts.own_address``)."""

    user = models.ForeignKey(User, models.CASCADE, related_name="former_addresses")
    email = models.EmailField()
    was_verified = models.BooleanField()
    replaced_at = models.DateTimeField(default=timezone.now)

    def __str__(self) -> str:
        return self.email


class Customer(models.Model):
    """An organisation that buys."""

    name = models.CharField(max_length=120, unique=True)
    slug = models.CharField(
        max_length=40,
        unique=True,
        validators=[
            RegexValidator(
                r"^[a-z0-9]+(-[a-z0-9]+)*$", "Use lower-case letters, digits and hyphens."
            )
        ],
        help_text="The customer's name in AWS: lower-case letters, digits and hyphens. It cannot "
        "be changed later; short names leave room for more customers.",
    )
    created_at = models.DateTimeField(auto_now_add=True)
    # While this is set, the customer cannot pull anything.
    suspended_at = models.DateTimeField(null=True, editable=False)
    # How members must have signed in to see anything of the customer's; its owners decide.
    requires_second_factor = models.BooleanField(default=False, db_default=False, editable=False)
    requires_single_sign_on = models.BooleanField(default=False, db_default=False, editable=False)
    # The networks from which alone its pull users may do anything, separated by spaces; from
    # anywhere, if empty.
    source_addresses = models.TextField(default="", db_default="", editable=False)
    members: "models.ManyToManyField[User, Membership]" = models.ManyToManyField(
        User, through="Membership", related_name="customers"
    )

    objects = CustomerQuerySet.as_manager()

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name

    @property
    def sources(self) -> frozenset[str]:
        return frozenset(self.source_addresses.split())

    def lock(self) -> None:
        """Hold the row until the transaction ends: actions on a customer come one after
        another."""
        Customer.objects.select_for_update(no_key=True).get(pk=self.pk)


class MembershipQuerySet(TenantQuerySet["Membership"]):
    def owners(self) -> "MembershipQuerySet":
        """Those who can invite others and confirm members now."""
        return self.filter(
            role=Membership.Role.OWNER, awaits_confirmation=False, user__is_active=True
        )

    def locked(self) -> "MembershipQuerySet":
        """Those of people who reported misuse, until another owner allows reveals again."""
        return self.filter(reveals_locked_at__isnull=False)


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
    # Invited by the vendor although there is an owner, or by an account that someone else used:
    # until an owner confirms, they may only read.
    awaits_confirmation = models.BooleanField(default=False, db_default=False, editable=False)
    # While this is set, the member does nothing for the customer besides taking keys away: they
    # reported that someone else used their account.
    reveals_locked_at = models.DateTimeField(null=True, editable=False)
    # Single sign-on: the identity that stands for the member, by the provider's name for it; and
    # one that was used and does not, with the address that it reports, until an owner decides.
    identity = models.CharField(max_length=255, default="", db_default="", editable=False)
    identity_asked = models.CharField(max_length=255, default="", db_default="", editable=False)
    identity_email = models.CharField(max_length=254, default="", db_default="", editable=False)
    # The address by which the organisation knows the member, whatever address the person signs in
    # with now: an identity with another one is theirs when an owner says so.
    joined_as = models.EmailField(default="", db_default="", editable=False)
    # The kinds of emails that the member has turned off, or on, if they are off at first.
    switched = models.JSONField(default=list, editable=False, db_column="muted")

    objects = MembershipQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["user", "customer"], name="membership_once"),
            models.CheckConstraint(
                condition=Q(role__in=["owner", "engineer", "viewer"]),
                name="membership_role_is_known",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.user}, {self.get_role_display()} at {self.customer}"

    def save(self, *args: Any, **kwargs: Any) -> None:
        if self._state.adding:
            self.joined_as = self.joined_as or self.user.email
        super().save(*args, **kwargs)

    @property
    def identity_shown(self) -> str:
        """The identity that waits, as a page shows it to the owner who confirms it."""
        return f"{self.identity_asked} {self.identity_email}"

    @property
    def identity_waits(self) -> bool:
        """Whether an owner should say that the identity that was used is the member's."""
        return bool(self.identity_asked) and self.customer.requires_single_sign_on

    @property
    def effective_role(self) -> str:
        """What the member may do now."""
        return self.Role.VIEWER if self.awaits_confirmation else self.role
