"""Members request products; sales approve, reject, extend, suspend, resume and withdraw."""

from datetime import datetime

from django.conf import settings
from django.db import IntegrityError, transaction

from accounts import clock
from accounts.audit.log import Action, record
from accounts.models import Customer
from accounts.permissions import DECIDE, MAY_REQUEST, require_role, require_staff
from provisioning.desired import schedule
from provisioning.desired.grants import sync_grants
from provisioning.flows import Actor, Refused, require_reason
from provisioning.models import Entitlement, Product
from provisioning.notifications import emails
from provisioning.states import EntitlementState, IllegalMove, move

# --- Requests ------------------------------------------------------------------------


def request(
    customer: Customer, product: Product, *, by: Actor, reference: str = "", note: str = ""
) -> Entitlement:
    """Request ``product``. Raises NotAllowed for viewers, Refused for what is not offered or was
    already requested."""
    require_role(by.user, customer, MAY_REQUEST, "request products")
    if not product.is_listed:
        raise Refused(f"{product} is not offered. Ask your vendor's sales team for it.")
    entitlement = Entitlement(customer=customer, product=product, reference=reference, note=note)
    _create(entitlement, by)
    return entitlement


def prepare(entitlement: Entitlement, *, by: Actor) -> None:
    """Create the request that sales make on a customer's behalf; it is then approved like any
    other. Raises NotAllowed, or Refused where there is one."""
    require_staff(by.user, DECIDE, "prepare entitlements")
    _create(entitlement, by)


def _create(entitlement: Entitlement, by: Actor) -> None:
    customer, product = entitlement.customer, entitlement.product
    entitlement.requested_by = by.user
    try:
        with transaction.atomic():
            entitlement.save(force_insert=True)
            record_decision(Action.REQUESTED, entitlement, by=by)
            emails.requested(entitlement, by=by.user)
    except IntegrityError:
        raise Refused(f"{customer} has already requested {product}, or has it.") from None


# --- Decisions -----------------------------------------------------------------------


@transaction.atomic
def approve(
    entitlement: Entitlement,
    *,
    by: Actor,
    starts_at: datetime | None = None,
    ends_at: datetime | None = None,
    note: str = "",
) -> None:
    """Grant the customer what it requested, from ``starts_at`` (now) to ``ends_at`` (no end).
    Raises NotAllowed, or Refused and then nothing is written: also where AWS has no room."""
    require_staff(by.user, DECIDE, "approve requests")
    if settings.FOUR_EYES and entitlement.requested_by_id == by.user.pk:
        raise Refused("You made this request yourself. A colleague in sales can approve it.")
    _lock_product(entitlement)
    now = clock.now()
    starts_at = starts_at or now
    if ends_at and ends_at <= max(starts_at, now):
        raise Refused("The end must be after the start and in the future.")
    if not entitlement.product.repositories.exists():
        raise Refused(
            f"{entitlement.product} has no repository yet. An administrator can add repositories "
            "to the product; then approve again."
        )
    _decide(
        entitlement,
        EntitlementState.APPROVED,
        by=by,
        note=note,
        starts_at=starts_at,
        ends_at=ends_at,
    )
    record_decision(Action.APPROVED, entitlement, by=by, reason=note)
    emails.approved(entitlement)
    is_followed = sync_grants(entitlement.customer)
    # Where another product has opened everything already, no turn follows that could call it
    # ready: then the sweep does.
    due_at = schedule.next_date(entitlement) if is_followed else now
    Entitlement.objects.filter(pk=entitlement.pk).update(due_at=due_at)


@transaction.atomic
def reject(entitlement: Entitlement, *, by: Actor, note: str) -> None:
    """Reject a request; ``note`` tells the customer why. Raises NotAllowed, Refused."""
    require_staff(by.user, DECIDE, "reject requests")
    if not note.strip():
        raise Refused("Say why: the customer reads the note.")
    _decide(entitlement, EntitlementState.REJECTED, by=by, note=note)
    record_decision(Action.REJECTED, entitlement, by=by, reason=note)
    emails.rejected(entitlement)


@transaction.atomic
def withdraw(entitlement: Entitlement, *, by: Actor, reason: str) -> None:
    """Take away what was approved. Raises NotAllowed, Refused."""
    require_staff(by.user, DECIDE, "withdraw access")
    require_reason(reason)
    _move(entitlement, EntitlementState.WITHDRAWN, ended_at=clock.now(), due_at=None)
    record_decision(Action.WITHDREW, entitlement, by=by, reason=reason)
    sync_grants(entitlement.customer)


@transaction.atomic
def suspend(entitlement: Entitlement, *, by: Actor, reason: str) -> None:
    """Close what was approved until it is resumed. The keys stay; they are deactivated where
    nothing else needs them. Raises NotAllowed, Refused."""
    require_staff(by.user, DECIDE, "suspend access")
    require_reason(reason)
    _move(entitlement, EntitlementState.SUSPENDED)
    record_decision(Action.SUSPENDED, entitlement, by=by, reason=reason)
    emails.suspended(entitlement)
    sync_grants(entitlement.customer)


@transaction.atomic
def resume(entitlement: Entitlement, *, by: Actor, reason: str) -> None:
    """Open again what was suspended, with the same keys. Raises NotAllowed, Refused."""
    require_staff(by.user, DECIDE, "resume access")
    require_reason(reason)
    if entitlement.state != EntitlementState.SUSPENDED:
        raise Refused(f"{entitlement} is not suspended.")
    _lock_product(entitlement)
    _move(entitlement, EntitlementState.APPROVED)
    record_decision(Action.RESUMED, entitlement, by=by, reason=reason)
    emails.resumed(entitlement)
    sync_grants(entitlement.customer)


@transaction.atomic
def extend(entitlement: Entitlement, *, by: Actor, ends_at: datetime | None, reason: str) -> None:
    """Move the end of what was approved, or remove it (None). Raises NotAllowed, Refused."""
    require_staff(by.user, DECIDE, "change terms")
    require_reason(reason)
    if ends_at and ends_at <= max(entitlement.starts_at or clock.now(), clock.now()):
        raise Refused("The end must be after the start and in the future.")
    running = Entitlement.objects.filter(
        pk=entitlement.pk, state__in=[EntitlementState.APPROVED, EntitlementState.SUSPENDED]
    )
    # The new end gets reminders of its own.
    if not running.update(ends_at=ends_at, due_at=clock.now(), warned_days=None):
        raise Refused(f"{entitlement} has no term to change: it is not approved.")
    record_decision(Action.EXTENDED, entitlement, by=by, reason=reason)


def _lock_product(entitlement: Entitlement) -> None:
    """A change of the product waits meanwhile, and then syncs the entitlement, too."""
    Product.objects.select_for_update(no_key=True).get(pk=entitlement.product_id)


def _decide(
    entitlement: Entitlement, to: EntitlementState, *, by: Actor, note: str, **changes: object
) -> None:
    decision = {"decided_by": by.user, "decided_at": clock.now(), "decision_note": note}
    _move(entitlement, to, **decision, **changes)


def _move(entitlement: Entitlement, to: EntitlementState, **changes: object) -> None:
    """Raises Refused where the move is not legal."""
    try:
        move(entitlement, to, field="state", **changes)
    except IllegalMove:
        entitlement.refresh_from_db(fields=["state"])
        raise Refused(
            f"{entitlement} is {entitlement.get_state_display().lower()}; it cannot become "
            f"{to.label.lower()}."
        ) from None


def record_decision(
    action: Action, entitlement: Entitlement, *, by: Actor, reason: str = ""
) -> None:
    """Write the audit line about an entitlement."""
    record(
        action,
        str(entitlement),
        by=by,
        customer=entitlement.customer,
        entitlement_id=entitlement.pk,
        reason=reason,
    )
