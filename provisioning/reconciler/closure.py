"""The proof that access is gone."""

from django.db.models import Exists, OuterRef, Q

from accounts import clock
from provisioning.models import Entitlement, Grant, PullUser, Registry
from provisioning.states import Desired, EntitlementState


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
    Entitlement.objects.filter(
        ~Exists(grants.filter(of_product | of_none)),
        ~Exists(pull_users),
        state__in=[EntitlementState.WITHDRAWN, EntitlementState.EXPIRED],
        closed_at__isnull=True,
    ).update(closed_at=clock.now())
