"""The moment at which what was approved can be pulled, for the first time."""

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from accounts.models import Customer
from provisioning import emails, queries
from provisioning.models import Entitlement


def record_ready(customers: QuerySet[Customer]) -> None:
    """Stamp those of the customers' entitlements that are there in full now, and write the
    letter that says so.

    Any turn may be the one that makes an entitlement ready, and so may none, where another
    product has opened its repositories before: each of them calls this when it has written
    down what it saw. Call it after that is committed: of two turns that end at the same time,
    the later then sees what both did, and the stamp lets one of them say it.
    """
    now = timezone.now()
    waiting = Entitlement.objects.live(now).filter(ready_at=None, customer__in=customers)
    for entitlement in queries.entitlements(waiting):
        if queries.progress(entitlement).state == "ready":
            _record(entitlement)


@transaction.atomic
def _record(entitlement: Entitlement) -> None:
    first = Entitlement.objects.filter(pk=entitlement.pk, ready_at=None)
    if first.update(ready_at=timezone.now()):
        emails.ready(entitlement)
