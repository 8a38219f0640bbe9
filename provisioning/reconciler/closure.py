"""The proof that access is gone."""

from django.db.models import Exists, OuterRef
from django.utils import timezone

from provisioning.models import Entitlement, Grant, PullUser
from provisioning.states import Desired, EntitlementState


def record_closures(customer_pks: set[int]) -> None:
    """Stamp the ended entitlements of customers of whom AWS was seen to have nothing that is not
    desired: no grant, no key, no user."""
    grants = Grant.objects.unsettled().filter(
        pull_user__customer=OuterRef("customer"), desired=Desired.ABSENT
    )
    pull_users = PullUser.objects.unsettled().filter(
        customer=OuterRef("customer"), desired=Desired.ABSENT
    )
    Entitlement.objects.filter(
        ~Exists(grants),
        ~Exists(pull_users),
        customer__in=customer_pks,
        state__in=[EntitlementState.WITHDRAWN, EntitlementState.EXPIRED],
        closed_at__isnull=True,
    ).update(closed_at=timezone.now())
