"""Sales decide: approve, reject, extend, suspend, resume, withdraw."""

from datetime import datetime

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from accounts.audit import Deed, record
from accounts.permissions import DECIDE, require_staff
from provisioning import emails
from provisioning.flows import By, Refused, require_reason
from provisioning.models import Entitlement, Product
from provisioning.states import EntitlementState, IllegalMove, move
from provisioning.tasks import enqueue_on_commit
from provisioning.wanted import Due, NoRoom, settle


@transaction.atomic
def approve(
    entitlement: Entitlement,
    *,
    by: By,
    starts_at: datetime | None = None,
    ends_at: datetime | None = None,
    note: str = "",
) -> None:
    """Grant the customer what it asked for, from ``starts_at`` (now) to ``ends_at`` (no
    end). Raises NotAllowed, or Refused and then nothing is written: also where AWS has no
    room for it."""
    require_staff(by.user, DECIDE, "approve requests")
    if settings.FOUR_EYES and entitlement.requested_by_id == by.user.pk:
        raise Refused("You made this request yourself. A colleague in sales can approve it.")
    # Who changes the product meanwhile waits, and then has it looked at again.
    Product.objects.select_for_update(no_key=True).get(pk=entitlement.product_id)
    now = timezone.now()
    starts_at = starts_at or now
    if ends_at and ends_at <= max(starts_at, now):
        raise Refused("The end must lie after the start and in the future.")
    if not entitlement.product.repositories.exists():
        raise Refused(
            f"{entitlement.product} opens no repository yet. An administrator can add its "
            "repositories to the product; then approve again."
        )
    _move(
        entitlement,
        EntitlementState.APPROVED,
        by=by,
        note=note,
        starts_at=starts_at,
        ends_at=ends_at,
        # The sweep looks once more: the product may have changed beside this.
        due_at=starts_at,
    )
    _record(Deed.APPROVED, entitlement, by=by, reason=note)
    emails.approved(entitlement)
    enqueue_on_commit(_settle(entitlement))


@transaction.atomic
def reject(entitlement: Entitlement, *, by: By, note: str) -> None:
    """Turn a request down; ``note`` tells the customer why. Raises NotAllowed, Refused."""
    require_staff(by.user, DECIDE, "reject requests")
    if not note.strip():
        raise Refused("Say why: the customer reads the note.")
    _move(entitlement, EntitlementState.REJECTED, by=by, note=note)
    _record(Deed.REJECTED, entitlement, by=by, reason=note)
    emails.rejected(entitlement)


@transaction.atomic
def withdraw(entitlement: Entitlement, *, by: By, reason: str) -> None:
    """Take away what was approved. Raises NotAllowed, Refused."""
    require_staff(by.user, DECIDE, "withdraw access")
    require_reason(reason)
    now = timezone.now()
    _move_or_refuse(entitlement, EntitlementState.WITHDRAWN, ended_at=now, due_at=None)
    _record(Deed.WITHDREW, entitlement, by=by, reason=reason)
    emails.ended(entitlement, at=now, is_over=False)
    enqueue_on_commit(_settle(entitlement))


@transaction.atomic
def suspend(entitlement: Entitlement, *, by: By, reason: str) -> None:
    """Close what was approved, until it is resumed: the keys stay, switched off where
    nothing else needs them. Raises NotAllowed, Refused."""
    require_staff(by.user, DECIDE, "suspend access")
    require_reason(reason)
    _move_or_refuse(entitlement, EntitlementState.SUSPENDED)
    _record(Deed.SUSPENDED, entitlement, by=by, reason=reason)
    emails.suspended(entitlement)
    enqueue_on_commit(_settle(entitlement))


@transaction.atomic
def resume(entitlement: Entitlement, *, by: By, reason: str) -> None:
    """Open again what was suspended, with the same keys. Raises NotAllowed, Refused."""
    require_staff(by.user, DECIDE, "resume access")
    require_reason(reason)
    if entitlement.state != EntitlementState.SUSPENDED:
        raise Refused(f"{entitlement} is not suspended.")
    _move_or_refuse(entitlement, EntitlementState.APPROVED)
    _record(Deed.RESUMED, entitlement, by=by, reason=reason)
    emails.resumed(entitlement)
    enqueue_on_commit(_settle(entitlement))


@transaction.atomic
def extend(entitlement: Entitlement, *, by: By, ends_at: datetime | None, reason: str) -> None:
    """Move the end of what was approved, or take it away (None). Raises NotAllowed,
    Refused."""
    require_staff(by.user, DECIDE, "change terms")
    require_reason(reason)
    if ends_at and ends_at <= max(entitlement.starts_at or timezone.now(), timezone.now()):
        raise Refused("The end must lie after the start and in the future.")
    running = Entitlement.objects.filter(
        pk=entitlement.pk, state__in=[EntitlementState.APPROVED, EntitlementState.SUSPENDED]
    )
    # The new end is warned of anew.
    if not running.update(ends_at=ends_at, due_at=timezone.now(), warned_days=None):
        raise Refused(f"{entitlement} has no term to change: it is not approved.")
    _record(Deed.EXTENDED, entitlement, by=by, reason=reason)


def _settle(entitlement: Entitlement) -> Due:
    try:
        return settle(entitlement.customer)
    except NoRoom as error:
        raise Refused(str(error)) from None


def _move(
    entitlement: Entitlement, to: EntitlementState, *, by: By, note: str, **changes: object
) -> None:
    _move_or_refuse(
        entitlement,
        to,
        decided_by=by.user,
        decided_at=timezone.now(),
        decision_note=note,
        **changes,
    )


def _move_or_refuse(entitlement: Entitlement, to: EntitlementState, **changes: object) -> None:
    try:
        move(entitlement, to, field="state", **changes)
    except IllegalMove:
        entitlement.refresh_from_db(fields=["state"])
        raise Refused(
            f"{entitlement} is {entitlement.get_state_display().lower()}; it cannot become "
            f"{to.label.lower()}."
        ) from None


def _record(deed: Deed, entitlement: Entitlement, *, by: By, reason: str) -> None:
    record(
        deed,
        str(entitlement),
        by=by.user,
        address=by.address,
        customer=entitlement.customer,
        entitlement_id=entitlement.pk,
        reason=reason,
    )
