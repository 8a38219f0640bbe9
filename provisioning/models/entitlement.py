"""A customer's right to a product."""

from datetime import datetime

from django.conf import settings
from django.db import models
from django.db.models import F, Q

from accounts import clock
from accounts.managers import TenantQuerySet
from provisioning.models.product import Product
from provisioning.states import EntitlementState

OPEN = [EntitlementState.REQUESTED, EntitlementState.APPROVED, EntitlementState.SUSPENDED]


class EntitlementQuerySet(TenantQuerySet["Entitlement"]):
    def live(self, now: datetime | None = None) -> "EntitlementQuerySet":
        """Approved, started and not yet ended: those that give access now."""
        now = now or clock.now()
        return self.filter(
            Q(ends_at__isnull=True) | Q(ends_at__gt=now),
            state=EntitlementState.APPROVED,
            starts_at__lte=now,
            customer__suspended_at__isnull=True,
        )

    def halted(self, now: datetime | None = None) -> "EntitlementQuerySet":
        """Those that would be live if neither they nor their customers were suspended."""
        now = now or clock.now()
        return self.filter(
            Q(ends_at__isnull=True) | Q(ends_at__gt=now),
            Q(state=EntitlementState.SUSPENDED)
            | Q(state=EntitlementState.APPROVED, customer__suspended_at__isnull=False),
            starts_at__lte=now,
        )

    def open(self) -> "EntitlementQuerySet":
        """Requested, approved or suspended: a customer has at most one per product."""
        return self.filter(state__in=OPEN)


class Entitlement(models.Model):
    """A customer's right to a product, from a request to its end."""

    customer = models.ForeignKey("accounts.Customer", models.PROTECT, related_name="entitlements")
    product = models.ForeignKey(Product, models.PROTECT, related_name="entitlements")
    state = models.CharField(
        max_length=10, choices=EntitlementState.choices, default=EntitlementState.REQUESTED
    )
    reference = models.CharField(
        max_length=80, blank=True, help_text="The customer's order or contract number."
    )
    note = models.TextField(blank=True, help_text="What the customer wrote.")
    requested_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    requested_at = models.DateTimeField(default=clock.now)

    decided_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, blank=True, related_name="+"
    )
    decided_at = models.DateTimeField(null=True, blank=True)
    decision_note = models.TextField(blank=True, help_text="Shown to the customer.")
    starts_at = models.DateTimeField("start", null=True, blank=True)
    ends_at = models.DateTimeField("end", null=True, blank=True, help_text="Empty: no end.")
    ended_at = models.DateTimeField(null=True, blank=True, editable=False)
    # When AWS was seen to have nothing left of it, after its end.
    closed_at = models.DateTimeField(null=True, blank=True, editable=False)
    # When the email about its end was written.
    end_told_at = models.DateTimeField(null=True, blank=True, editable=False)
    # When everything was first seen to be there, so that the customer could pull.
    ready_at = models.DateTimeField(null=True, blank=True, editable=False)
    # The last warning about its end: how many days before.
    warned_days = models.PositiveSmallIntegerField(null=True, editable=False)
    # When its dates next change what is desired: at its start, then at its end.
    due_at = models.DateTimeField(null=True, editable=False, db_index=True)

    objects = EntitlementQuerySet.as_manager()

    class Meta:
        ordering = ["-requested_at", "-pk"]
        permissions = [
            ("decide_entitlement", "Can approve, reject and withdraw"),
            ("operate", "Can run the operations dashboard"),
        ]
        indexes = [
            models.Index(
                fields=["customer"],
                condition=Q(state__in=["withdrawn", "expired"], closed_at__isnull=True),
                name="entitlement_ended_not_closed",
            ),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["customer", "product"],
                condition=Q(state__in=["requested", "approved", "suspended"]),
                name="entitlement_open_once",
                violation_error_message="The customer already has or has requested this product.",
            ),
            models.CheckConstraint(
                condition=Q(state="requested", decided_at__isnull=True, decided_by__isnull=True)
                | Q(~Q(state="requested"), decided_at__isnull=False, decided_by__isnull=False),
                name="entitlement_decided_by_somebody",
            ),
            models.CheckConstraint(
                condition=Q(state__in=["requested", "rejected"]) | Q(starts_at__isnull=False),
                name="entitlement_approved_with_a_start",
            ),
            models.CheckConstraint(
                condition=Q(ends_at__isnull=True) | Q(ends_at__gt=F("starts_at")),
                name="entitlement_ends_after_it_starts",
            ),
            models.CheckConstraint(
                condition=Q(state__in=EntitlementState.values), name="entitlement_state_is_known"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.product} for {self.customer}"
