"""The moment at which an approved product can be pulled for the first time."""

from django.db import transaction
from django.db.models import QuerySet

from accounts import clock
from accounts.models import Customer
from provisioning import queries
from provisioning.models import Entitlement
from provisioning.notifications import emails
from provisioning.queries.wording import State


def record_ready(customers: QuerySet[Customer]) -> None:
    """Stamp those of the customers' entitlements that are complete now, and write the email
    that says so.

    Any turn may be the one that completes an entitlement, and so may none, where another product
    has opened its repositories before: each calls this when it has recorded what it saw, after
    that is committed. Of two turns that end at the same time, the later one then sees what both
    did, and the stamp lets one of them write the email.
    """
    now = clock.now()
    waiting = Entitlement.objects.live(now).filter(ready_at=None, customer__in=customers)
    for entitlement in queries.entitlements(waiting):
        state = queries.progress(entitlement).state
        if state.is_set_up:
            _record(entitlement, state)


@transaction.atomic
def _record(entitlement: Entitlement, state: State) -> None:
    first = Entitlement.objects.filter(pk=entitlement.pk, ready_at=None)
    if first.update(ready_at=clock.now()):
        emails.ready(entitlement, state)
