"""A row that the reconciler brings into agreement with AWS."""

from typing import Any

from django.db import connection, models, transaction
from django.utils.functional import cached_property


def update_in_order(rows: models.QuerySet[Any], **changes: Any) -> int:
    """UPDATE many rows, with their locks taken by primary key, as actions and turns take them. An
    UPDATE alone takes them as they lie on the disk, and two of those may wait for each other.
    Returns how many rows there were."""
    with transaction.atomic():
        if connection.features.has_select_for_update:
            locked = rows.order_by("pk").select_for_update(no_key=True)
            pks = list(locked.values_list("pk", flat=True))
            rows = rows.model._default_manager.filter(pk__in=pks)
        return rows.update(**changes)


class Priority(models.IntegerChoices):
    """Whose turn comes first, where there are more than workers."""

    URGENT = 1, "A person waits, or access is to be taken away"
    LATER = 2, "Nobody waits: a change of many rows at once"
    OBSERVATION = 3, "Nothing changed: AWS is read again"


class Reconciled(models.Model):
    """A row that the reconciler brings into agreement with AWS, one turn at a time.

    ``due_at`` is when the next turn is due, or NULL when there is nothing to do, and ``priority``
    how urgent it is; the sweep enqueues what is due. ``queued_at`` is when a message was sent that
    no worker has received yet: a row has at most one in each queue. ``lease_*`` say which turn has
    the row (``provisioning.reconciler.lease``). ``attention`` says in plain words what a person
    must do; empty means nothing. ``last_error`` is how the last turn failed, if it did, for the
    vendor's people; ``failing_since`` is when the first of the turns that failed without a success
    in between did; and ``denied`` names the call that AWS denied the portal on the last turn.
    """

    # The name of the foreign keys that lead to a row of this kind: ``pull_user``.
    kind: str
    # What a turn reads together with the row.
    read_with: tuple[str, ...] = ()
    # The customer whose row it is, if it is one customer's.
    customer: Any = None

    due_at = models.DateTimeField(null=True, editable=False)
    priority = models.PositiveSmallIntegerField(
        choices=Priority.choices,
        default=Priority.URGENT,
        db_default=Priority.URGENT,
        editable=False,
    )
    queued_at = models.DateTimeField(null=True, editable=False)
    lease_token = models.UUIDField(null=True, editable=False)
    lease_until = models.DateTimeField(null=True, editable=False)
    failures = models.PositiveIntegerField(default=0, editable=False)
    attention = models.TextField(blank=True, editable=False)
    last_error = models.TextField(blank=True, editable=False)
    failing_since = models.DateTimeField(null=True, editable=False)
    denied = models.CharField(max_length=60, default="", db_default="", editable=False)

    class Meta:
        abstract = True
        # What the sweep asks for: rows that are due, by priority, and those with a message waiting.
        indexes = [
            models.Index(fields=["priority", "due_at"], name="%(class)s_due"),
            models.Index(
                fields=["queued_at"],
                name="%(class)s_queued",
                condition=models.Q(queued_at__isnull=False),
            ),
        ]

    @cached_property
    def registry_in_charge(self) -> Any:
        """The registry whose role works on this row, as it was when first asked for; None where
        there is none left."""
        return None

    def forget_what_was_written(self) -> None:
        """Take what AWS has of the row next for the portal's own work, whatever it is."""

    @property
    def has_to_take_away(self) -> bool:
        """Whether AWS may have more of the row than is desired."""
        return False
