"""Sales decide: approve, reject, withdraw."""

from datetime import datetime

from django.db import transaction
from django.utils import timezone

from accounts.audit import Deed, record
from accounts.permissions import DECIDE, require_staff
from provisioning.flows import By, Refused
from provisioning.models import Entitlement
from provisioning.states import EntitlementState, IllegalMove, move
from provisioning.tasks import enqueue_on_commit
from provisioning.wanted import settle


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
    end). Raises NotAllowed, or Refused and then nothing is written."""
    require_staff(by.user, DECIDE, "approve requests")
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
        due_at=starts_at if starts_at > now else ends_at,
    )
    _record(Deed.APPROVED, entitlement, by=by, reason=note)
    enqueue_on_commit(settle(entitlement.customer))


@transaction.atomic
def reject(entitlement: Entitlement, *, by: By, note: str) -> None:
    """Turn a request down; ``note`` tells the customer why. Raises NotAllowed, Refused."""
    require_staff(by.user, DECIDE, "reject requests")
    if not note.strip():
        raise Refused("Say why: the customer reads the note.")
    _move(entitlement, EntitlementState.REJECTED, by=by, note=note)
    _record(Deed.REJECTED, entitlement, by=by, reason=note)


@transaction.atomic
def withdraw(entitlement: Entitlement, *, by: By, reason: str) -> None:
    """Take away what was approved. Raises NotAllowed, Refused."""
    require_staff(by.user, DECIDE, "withdraw access")
    if not reason.strip():
        raise Refused("Give a reason: it stays in the audit log.")
    _move_or_refuse(entitlement, EntitlementState.WITHDRAWN, ended_at=timezone.now(), due_at=None)
    _record(Deed.WITHDREW, entitlement, by=by, reason=reason)
    enqueue_on_commit(settle(entitlement.customer))


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
