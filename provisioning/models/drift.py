"""Differences between AWS and the database that the portal did not make."""

from dataclasses import dataclass
from enum import Enum

from django.conf import settings
from django.db import models
from django.db.models import Q

from accounts import clock
from provisioning.models.reconciled import Reconciled


class Repair(Enum):
    """Who decides that drift is repaired."""

    PORTAL = "the portal, by itself"
    OPS = "ops: someone may have had a reason"
    NOBODY = "nobody: it is not the portal's to change, and is only shown"


@dataclass(frozen=True)
class Policy:
    """What the portal does about one kind of drift. ``is_confirmed``: it must be seen twice
    first, because a single read may be stale. ``is_adoptable``: ops may leave it as it is;
    ``is_adoptable_while_held``: while the portal is held, at least, because then AWS may be right
    and the database old. ``blocks_release``: a hold cannot end before ops have decided."""

    repair: Repair
    is_confirmed: bool = True
    is_adoptable: bool = False
    is_adoptable_while_held: bool = False
    blocks_release: bool = False

    def may_be_adopted(self, *, is_held: bool) -> bool:
        """Whether ops may leave it as AWS has it."""
        return self.is_adoptable or (is_held and self.is_adoptable_while_held)


class DriftKind(models.TextChoices):
    USER_MISSING = "user_missing", "Pull user deleted in IAM"
    USER_REPLACED = "user_replaced", "Pull user deleted and created again in IAM"
    USER_CHANGED = "user_changed", "Pull user's sign-in policy, boundary or tags removed"
    LOGIN_POLICY_CHANGED = "login_policy_changed", "Sign-in policy edited"
    KEY_MISSING = "key_missing", "Access key deleted in IAM"
    USER_MOVED = "user_moved", "Pull user moved to another path in IAM"
    KEY_STATUS = "key_status", "Access key deactivated in IAM"
    KEY_ACTIVATED = "key_activated", "Access key activated in IAM"
    KEY_UNKNOWN = "key_unknown", "Access key that the portal did not create"
    KEY_UNUSABLE = "key_unusable", "Access key that AWS does not accept"
    USER_POLICY_CHANGED = "user_policy_changed", "Pull user's own policy edited"
    FOREIGN_POLICY = "foreign_policy", "Pull user has policies that the portal did not give it"
    STATEMENT_CHANGED = "statement_changed", "The portal's statement edited"
    OTHER_STATEMENT = (
        "other_statement",
        "A statement that another portal wrote",
    )
    DEAD_PRINCIPAL = "dead_principal", "A foreign statement names a deleted user"
    UNKNOWN_USER = "orphan_user", "Pull user that the database does not know"
    GRANT_UNKNOWN = "grant_unknown", "Access that the database does not know"
    GRANT_MISSING = "grant_missing", "Access that AWS does not have"

    @property
    def policy(self) -> Policy:
        return POLICIES.get(self, Policy(Repair.PORTAL))


DECIDED_WHILE_HELD = {"is_adoptable_while_held": True, "blocks_release": True}
# Kinds that are not listed are repaired by the portal once they are confirmed.
POLICIES = {
    DriftKind.LOGIN_POLICY_CHANGED: Policy(Repair.PORTAL, is_adoptable=True),
    DriftKind.KEY_STATUS: Policy(Repair.OPS, is_adoptable=True),
    DriftKind.UNKNOWN_USER: Policy(Repair.OPS, is_adoptable=True),
    # Anyone may hold a key that the database does not know, or that was switched off.
    DriftKind.KEY_UNKNOWN: Policy(Repair.PORTAL, is_confirmed=False, **DECIDED_WHILE_HELD),
    DriftKind.KEY_ACTIVATED: Policy(Repair.PORTAL, is_confirmed=False, **DECIDED_WHILE_HELD),
    DriftKind.USER_MISSING: Policy(Repair.PORTAL, **DECIDED_WHILE_HELD),
    DriftKind.USER_POLICY_CHANGED: Policy(Repair.PORTAL, blocks_release=True),
    # Seen only while the portal is held.
    DriftKind.GRANT_UNKNOWN: Policy(Repair.OPS, **DECIDED_WHILE_HELD),
    DriftKind.GRANT_MISSING: Policy(Repair.OPS, **DECIDED_WHILE_HELD),
    DriftKind.USER_MOVED: Policy(Repair.NOBODY),
    DriftKind.OTHER_STATEMENT: Policy(Repair.OPS, is_adoptable=True),
    DriftKind.KEY_UNUSABLE: Policy(Repair.NOBODY, is_adoptable=True),
    DriftKind.FOREIGN_POLICY: Policy(Repair.NOBODY, is_adoptable=True),
    DriftKind.DEAD_PRINCIPAL: Policy(Repair.NOBODY, is_adoptable=True),
}


def kind_choices() -> list[tuple[str, str]]:
    """A callable, so that a new kind needs no migration."""
    return DriftKind.choices


class DriftQuerySet(models.QuerySet["Drift"]):
    def open(self) -> "DriftQuerySet":
        return self.filter(ended_at__isnull=True)

    def blocking_release(self) -> "DriftQuerySet":
        """What ops have yet to decide before a hold can end."""
        kinds = [kind for kind in DriftKind if kind.policy.blocks_release]
        return self.open().filter(kind__in=kinds, choice="")


ROWS = ("registry", "repository", "pull_user")


def _of(row: str) -> Q:
    """Drift of one kind of row, and of no other."""
    return Q(**{f"{name}__isnull": name != row for name in ROWS})


class Drift(models.Model):
    """A difference between AWS and the database that the portal did not make, seen on the turn
    of one row. ``subject`` tells one from another of its kind: a key, a principal, a policy;
    ``detail`` says more about it, and ``facts`` what adopting it takes."""

    Kind = DriftKind

    class Ending(models.TextChoices):
        REPAIRED = "repaired", "Repaired by the portal"
        ADOPTED = "adopted", "Left as it is, by choice"
        VANISHED = "vanished", "No longer there"

    kind = models.CharField(max_length=30, choices=kind_choices)
    subject = models.CharField(max_length=600, blank=True)
    detail = models.TextField(blank=True, default="", db_default="")
    facts = models.JSONField(default=dict, db_default={})
    registry = models.ForeignKey("provisioning.Registry", models.CASCADE, null=True)
    repository = models.ForeignKey("provisioning.Repository", models.CASCADE, null=True)
    pull_user = models.ForeignKey("provisioning.PullUser", models.CASCADE, null=True)
    first_seen_at = models.DateTimeField(default=clock.now)
    last_seen_at = models.DateTimeField(default=clock.now)
    times_seen = models.PositiveIntegerField(default=1)
    # What ops chose, where the portal does not decide by itself.
    choice = models.CharField(
        max_length=10, blank=True, choices=[("repair", "Repair"), ("adopt", "Leave as it is")]
    )
    chosen_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+"
    )
    ended_at = models.DateTimeField(null=True)
    ending = models.CharField(max_length=10, blank=True, choices=Ending.choices)

    objects = DriftQuerySet.as_manager()

    class Meta:
        verbose_name_plural = "drift"
        ordering = ["-first_seen_at", "-pk"]
        constraints = [
            models.CheckConstraint(
                condition=_of("registry") | _of("repository") | _of("pull_user"),
                name="drift_is_of_one_row",
            ),
            *(
                models.UniqueConstraint(
                    fields=["kind", "subject", row],
                    condition=Q(ended_at__isnull=True),
                    name=f"drift_of_{row}_open_once",
                )
                for row in ROWS
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()}: {self.subject}"

    @property
    def user_name(self) -> str:
        """The IAM user whom it concerns, where it concerns one."""
        if self.pull_user is not None:
            return self.pull_user.name
        return self.subject.rpartition("/")[2]

    @property
    def row(self) -> Reconciled:
        """The row on whose turn it was seen."""
        found: Reconciled = self.pull_user or self.repository or self.registry  # type: ignore[assignment]
        return found
