"""What ops learn by email: a row that needs a person, a paused registry, drift. No line has the id
of a key, as no email has."""

import logging

from django.db import OperationalError

from accounts.emails import outbox
from accounts.masking import without_key_ids
from provisioning.models import Drift, Reconciled, Registry

log = logging.getLogger(__name__)


def needs_attention(row: Reconciled, attention: str) -> None:
    """Called on each turn before it is recorded, so that no end of the process loses it: it says
    what is new."""
    if not attention or row.attention:
        return
    try:
        outbox.trouble(without_key_ids(f"{_of(row)} needs attention. {attention}"))
    except OperationalError as error:
        # A database that was just away fails no turn here; the dashboard shows the row.
        log.warning("The email about %s could not be written: %s", row, error)


def paused(registry: Registry, why: str) -> None:
    outbox.trouble(without_key_ids(f"Registry {registry} is paused. {why}"))


def found(drift: Drift) -> None:
    outbox.trouble(f"{drift.get_kind_display()}: {_of(drift.row)}")


def _of(row: Reconciled) -> str:
    name = f"{row._meta.verbose_name} {row}".capitalize()
    return f"{name} of {row.customer}" if row.customer else name
