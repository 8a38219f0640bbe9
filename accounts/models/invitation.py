"""An invitation to join a customer."""

from datetime import datetime, timedelta

from django.db import models
from django.db.models import Exists, OuterRef, Q
from django.db.models.functions import Lower
from django.utils import timezone

from accounts.managers import TenantQuerySet
from accounts.models.people import Customer, Membership, User

# Long enough for a holiday weekend, short enough for a link that grants access.
INVITATION_LASTS = timedelta(days=7)


def invitation_ends_at() -> datetime:
    return timezone.now() + INVITATION_LASTS


class InvitationQuerySet(TenantQuerySet["Invitation"]):
    def pending(self) -> "InvitationQuerySet":
        """Those that were neither accepted nor withdrawn; some may have expired."""
        return self.filter(accepted_at=None, revoked_at=None)

    def open(self) -> "InvitationQuerySet":
        """Those that can be accepted now."""
        return self.pending().filter(_is_vouched(), expires_at__gt=timezone.now())

    def vouched(self) -> "InvitationQuerySet":
        """The pending ones, with ``is_vouched``."""
        wrapped = models.ExpressionWrapper(_is_vouched(), models.BooleanField())
        return self.pending().annotate(is_vouched=wrapped)


def _is_vouched() -> Q:
    """Whether who sent an invitation may still invite."""
    owners = Membership.objects.owners().filter(reveals_locked_at=None)
    by_owner = owners.filter(user=OuterRef("invited_by"), customer=OuterRef("customer"))
    staff = Q(is_by_vendor=True, invited_by__is_active=True, invited_by__is_staff=True)
    return staff | Q(Exists(by_owner))


class Invitation(models.Model):
    """Permission for the person who receives email at an address to join a customer, once."""

    customer = models.ForeignKey(Customer, models.CASCADE, related_name="invitations")
    email = models.EmailField("email address")
    role = models.CharField(max_length=10, choices=Membership.Role.choices)
    # Of the token in the link, which is stored nowhere; NULL until the email is sent.
    token_hash = models.CharField(max_length=64, unique=True, null=True)  # noqa: DJ001 - unique
    invited_by = models.ForeignKey(User, models.PROTECT, related_name="+")
    # Whether the vendor invited, and not an owner.
    is_by_vendor = models.BooleanField(default=False, db_default=False, editable=False)
    created_at = models.DateTimeField(default=timezone.now)
    expires_at = models.DateTimeField(default=invitation_ends_at)
    sent_at = models.DateTimeField(null=True)
    accepted_at = models.DateTimeField(null=True)
    accepted_by = models.ForeignKey(User, models.PROTECT, null=True, related_name="+")
    revoked_at = models.DateTimeField(null=True)

    objects = InvitationQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                "customer",
                Lower("email"),
                condition=Q(accepted_at=None, revoked_at=None),
                name="invitation_pending_once",
            ),
            models.CheckConstraint(
                condition=Q(role__in=["owner", "engineer", "viewer"]),
                name="invitation_role_is_known",
            ),
            models.CheckConstraint(
                condition=Q(accepted_at=None, accepted_by=None)
                | Q(accepted_at__isnull=False, accepted_by__isnull=False, revoked_at=None),
                name="invitation_accepted_by_somebody_or_not",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.email} as {self.get_role_display().lower()} of {self.customer}"

    @property
    def has_expired(self) -> bool:
        return self.expires_at <= timezone.now()
