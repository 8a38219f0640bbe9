"""The proof that access is gone, and the email that says so."""

from datetime import timedelta

from django.db import transaction
from django.db.models import Exists, OuterRef, Q

from accounts import clock
from provisioning.models import Entitlement, Grant, PullUser, Registry
from provisioning.notifications import emails
from provisioning.states import Desired, EntitlementState

# Entitlements that one sweep closes.
LIMIT = 500
# Until then the email about an end waits, to say that it is done.
CONFIRMED_WITHIN = timedelta(minutes=10)


def record_closures() -> None:
    """Stamp the entitlements that have ended and of which AWS was seen to have nothing any more:
    no grant of their products' repositories, in the name of any of the customer's pull users, and
    no pull user that only they needed. What another entitlement opens does not count."""
    grants = Grant.objects.filter(
        pull_user__customer=OuterRef("customer"), desired=Desired.ABSENT
    ).exclude(in_repository_policy=False, in_user_policy=False)
    of_product = Q(repository__products=OuterRef("product"))
    # A repository that was taken out of the product belongs to none.
    of_none = Q(repository__products__isnull=True)
    accounts = Registry.objects.filter(repositories__products=OuterRef(OuterRef("product")))
    pull_users = PullUser.objects.unsettled().filter(
        customer=OuterRef("customer"),
        desired=Desired.ABSENT,
        account_id__in=accounts.values("account_id"),
    )
    closed = Entitlement.objects.filter(
        ~Exists(grants.filter(of_product | of_none)),
        ~Exists(pull_users),
        state__in=[EntitlementState.WITHDRAWN, EntitlementState.EXPIRED],
        closed_at__isnull=True,
    )
    for entitlement in closed.select_related("customer", "product")[:LIMIT]:
        _close(entitlement)


@transaction.atomic
def _close(entitlement: Entitlement) -> None:
    entitlement.closed_at = clock.now()
    still_open = Entitlement.objects.filter(pk=entitlement.pk, closed_at=None)
    # Of two sweeps one writes it.
    if still_open.update(closed_at=entitlement.closed_at):
        _tell_of_end(entitlement)


def tell_of_late_closures() -> None:
    """The owners learn of an end although AWS has not confirmed the removal yet."""
    late = Entitlement.objects.filter(
        state__in=[EntitlementState.WITHDRAWN, EntitlementState.EXPIRED],
        closed_at=None,
        end_told_at=None,
        ended_at__lte=clock.now() - CONFIRMED_WITHIN,
    )
    for entitlement in late.select_related("customer", "product")[:LIMIT]:
        _tell_of_end(entitlement)


@transaction.atomic
def _tell_of_end(entitlement: Entitlement) -> None:
    untold = Entitlement.objects.filter(pk=entitlement.pk, end_told_at=None)
    if untold.update(end_told_at=clock.now()):
        emails.ended(entitlement)
