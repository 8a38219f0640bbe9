"""This installation of the portal."""

import secrets
from datetime import datetime

from django.db import models

from provisioning.documents import policies
from provisioning.models.pull_user import PullUser
from provisioning.states import STATUS_OF, Desired


def new_identifier() -> str:
    return secrets.token_hex(4)


class Installation(models.Model):
    """One row. ``identifier`` marks what this installation writes into AWS.

    ``epoch`` counts on while the portal works, and each AWS account keeps the number as well: a
    database that was restored from a backup knows a smaller one. It was last compared with an
    account's at ``epoch_at``. Since ``held_at``, because of ``held_because``, the portal changes
    nothing in AWS by itself (``provisioning.reconciler.hold``).
    """

    identifier = models.CharField(max_length=8, default=new_identifier, editable=False)
    epoch = models.PositiveIntegerField(default=0, editable=False)
    epoch_at = models.DateTimeField(null=True, editable=False)
    held_at = models.DateTimeField(null=True, editable=False)
    held_because = models.TextField(blank=True, editable=False)

    class Meta:
        constraints = [
            models.CheckConstraint(condition=models.Q(pk=1), name="installation_is_one"),
        ]

    def __str__(self) -> str:
        return self.identifier

    @classmethod
    def get(cls) -> "Installation":
        """The row; it is created by a migration."""
        found: Installation = cls.objects.get_or_create(pk=1)[0]
        return found

    def held_since(self, row: PullUser) -> datetime | None:
        """Since when the portal leaves to people what becomes of the user in AWS, if it does: one
        that they have suspended or removed is not held until that is done."""
        if self.held_at is None or row.desired == Desired.PRESENT:
            return self.held_at
        is_done = row.status == STATUS_OF[Desired(row.desired)]
        return self.held_at if is_done and row.desired_at < self.held_at else None

    @property
    def sid(self) -> str:
        """Of its statements in the policies of repositories."""
        return f"{policies.OUR_SID}{self.identifier}"
