"""What a turn at a pull user works with, and what it records."""

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from django.conf import settings
from django.db.models import Case, Value, When

from accounts import clock
from provisioning import vault
from provisioning.aws import boto, errors
from provisioning.aws.gateway import Gateway, IamUser
from provisioning.documents import names
from provisioning.documents.policies import UserPolicy
from provisioning.models import AccessKey, Grant, PullUser, Registry
from provisioning.models.access_key import AccessKeyQuerySet
from provisioning.models.grant import GrantQuerySet
from provisioning.reconciler.lease import Lease
from provisioning.reconciler.result import Requeue
from provisioning.states import Desired, KeyStatus, Outcome, Step

Placement = Grant.Placement


@dataclass(frozen=True)
class PullUserContext:
    """One turn: the row as read under the lease, and its account, through one of its
    registries. ``held_policy``: what the user's own policy should say while the portal is held.

    The keys and grants are read once; what changes them lets the context ``forget``.
    """

    lease: Lease
    pull_user: PullUser
    registry: Registry
    gateway: Gateway
    held_policy: "OwnPolicy | None" = None

    @cached_property
    def keys(self) -> list[AccessKey]:
        """All that were ever created for the user, the newest first."""
        return list(self.pull_user.access_keys.select_related("secret"))

    @cached_property
    def grants(self) -> list[Grant]:
        return list(self.pull_user.grants.select_related("repository__registry").order_by("pk"))

    def forget(self) -> None:
        """The keys or grants have changed: the next who asks reads them again."""
        for name in ("keys", "grants"):
            self.__dict__.pop(name, None)

    @property
    def own_policy(self) -> "OwnPolicy":
        return self.held_policy or own_policy(self.pull_user, self.grants)

    @property
    def login_policy_arn(self) -> str:
        return login_policy_arn(self.pull_user.account_id)

    def gateway_of(self, registry: Registry) -> Gateway:
        return boto.connect(registry)

    def refuse_unmanaged(self, user: IamUser) -> None:
        """Raise PermanentError for a user of the right name that is not the portal's: neither its
        id nor its tags say so. Tags alone would not do: others clean them up."""
        row = self.pull_user
        is_known = bool(row.user_id) and user.user_id == row.user_id
        is_tagged = names.is_ours(user.tags, customer_slug=row.customer.slug, label=row.label)
        if is_known or is_tagged or self._may_have_created(user):
            return
        raise errors.PermanentError(
            f"AWS account {row.account_id} has a user named {row.name} that the portal did "
            "not create for this customer. The account's administrator can rename or delete "
            "it; the portal does not touch it."
        )

    def _may_have_created(self, user: IamUser) -> bool:
        """Whether an attempt whose answer was lost explains the user: its path and its boundary are
        those that only the portal's role gives."""
        row, boundary_arn = self.pull_user, self.registry.boundary_arn
        is_in_place = user.arn == names.user_arn(row.account_id, settings.AWS_PATH, row.name)
        is_bounded = boundary_arn != "" and user.boundary_arn == boundary_arn
        last = row.attempts.filter(step=Step.ENSURE_PULL_USER).first()
        is_unexplained = last is not None and (not row.user_id or last.outcome != Outcome.DONE)
        return is_in_place and is_bounded and is_unexplained


def login_policy_arn(account_id: str) -> str:
    return f"arn:aws:iam::{account_id}:policy{settings.AWS_PATH}{settings.AWS_LOGIN_POLICY_NAME}"


class OwnPolicy(NamedTuple):
    """What the user's own policy should say, the grants that it then holds, and whether AWS may
    still have others there."""

    desired: UserPolicy
    grants: list[Grant]
    has_others: bool


def own_policy(row: PullUser, grants: list[Grant]) -> OwnPolicy:
    """The limit to the customer's networks stays until the user is deleted."""
    is_active = row.desired == Desired.PRESENT
    held = [grant for grant in grants if is_active and _belongs_in_user_policy(grant)]
    arns = frozenset(grant.repository.arn for grant in held)
    return OwnPolicy(
        UserPolicy(arns, row.customer.sources),
        held,
        has_others=any(g.in_user_policy and g.desired == Desired.ABSENT for g in grants),
    )


def _belongs_in_user_policy(grant: Grant) -> bool:
    """Placed there; or on its way to the repository's policy, until it has arrived."""
    if grant.desired != Desired.PRESENT:
        return False
    is_leaving = grant.in_user_policy is not False and not grant.in_repository_policy
    return grant.placement == Placement.USER_POLICY or is_leaving


def record_user_policy(context: PullUserContext, grants: list[Grant], written: str) -> None:
    """Record that the user's own policy holds exactly ``grants``; ``written`` is its meaning."""
    row = context.pull_user
    held = [grant.pk for grant in grants]
    with context.lease.writing():
        row.policy_written, row.policy_attempted = written, ""
        row.save(update_fields=["policy_written", "policy_attempted"])
        mark(row.grants.filter(pk__in=held), "in_user_policy", is_there=True)
        mark(row.grants.exclude(pk__in=held), "in_user_policy", is_there=False)


def mark(grants: GrantQuerySet, place: str, *, is_there: bool | None) -> None:
    """Record whether AWS has these grants in a place, ``in_repository_policy`` or
    ``in_user_policy``; None: a call was sent whose outcome is not known yet."""
    if is_there is None:
        grants.exclude(**{f"{place}__isnull": True}).update(**{place: None})
        return
    now = Value(clock.now())
    # Where it was in doubt whether it came, and it did not, nothing has changed.
    changed_at = now if is_there else Case(When(**{place: True}, then=now), default="changed_at")
    grants.exclude(**{place: is_there}).update(**{place: is_there, "changed_at": changed_at})


OTHER_PLACE = {
    "in_repository_policy": "in_user_policy",
    "in_user_policy": "in_repository_policy",
}


def require_elsewhere(grants: GrantQuerySet, place: str) -> None:
    """A desired grant leaves one place only while the other one has it, whatever was seen before:
    it may be moved to and fro, and the turn of the other place may be about to take it away, too.
    Call it in the transaction that marks what leaves. Raises Requeue."""
    leaving = grants.filter(desired=Desired.PRESENT).exclude(**{place: False}).order_by("pk")
    for grant in leaving.select_for_update(no_key=True):
        if not getattr(grant, OTHER_PLACE[place]):
            raise Requeue(clock.now())


def mark_keys_deleted(keys: AccessKeyQuerySet) -> int:
    """Record that AWS no longer has these keys, and destroy their unrevealed secrets. Returns
    how many were thought to exist."""
    vault.destroy(*keys)
    return keys.living().update(
        status=KeyStatus.DELETED, desired=KeyStatus.DELETED, written=KeyStatus.DELETED
    )
