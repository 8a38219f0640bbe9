"""What a turn at a pull user works with, and what it records."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from django.conf import settings
from django.db.models import Q
from django.utils import timezone

from provisioning import vault
from provisioning.aws import boto, errors
from provisioning.aws.gateway import Gateway
from provisioning.documents import names
from provisioning.documents.policies import UserPolicy
from provisioning.models import Grant, PullUser, Registry
from provisioning.models.access_key import AccessKeyQuerySet
from provisioning.models.grant import GrantQuerySet
from provisioning.reconciler.lease import Lease
from provisioning.states import Desired, KeyStatus

Placement = Grant.Placement
OTHER_PLACES: dict[str, tuple[str, str]] = {
    Placement.REPOSITORY_POLICY: ("in_repository_policy", "in_user_policy"),
    Placement.USER_POLICY: ("in_user_policy", "in_repository_policy"),
}


@dataclass(frozen=True)
class PullUserContext:
    """One turn: the row as read under the lease, and its account, through one of its
    registries."""

    lease: Lease
    pull_user: PullUser
    registry: Registry
    gateway: Gateway

    @property
    def login_policy_arn(self) -> str:
        return login_policy_arn(self.pull_user.account_id)

    def gateway_of(self, registry: Registry) -> Gateway:
        return boto.connect(registry)

    def refuse_unmanaged(self, tags: Mapping[str, str]) -> None:
        """Raise PermanentError for a user of the right name that is not the portal's."""
        row = self.pull_user
        if not names.is_ours(tags, customer_slug=row.customer.slug, label=row.label):
            raise errors.PermanentError(
                f"AWS account {row.account_id} has a user named {row.name} that the portal did "
                "not create for this customer. The account's administrator can rename or delete "
                "it; the portal does not touch it."
            )


def login_policy_arn(account_id: str) -> str:
    return f"arn:aws:iam::{account_id}:policy{settings.AWS_PATH}{settings.AWS_LOGIN_POLICY_NAME}"


class OwnPolicy(NamedTuple):
    """What the user's own policy should say, and what it was last seen to say; each with the
    grants that it holds."""

    desired: UserPolicy
    recorded: UserPolicy
    desired_grants: list[Grant]


def own_policy(row: PullUser) -> OwnPolicy:
    """The limit to the customer's networks stays until the user is deleted."""
    grants = row.grants.filter(Q(desired=Desired.PRESENT) | Q(in_user_policy=True))
    found = list(grants.select_related("repository__registry").order_by("pk"))
    is_open = row.desired == Desired.PRESENT
    desired = [grant for grant in found if is_open and _belongs_in_user_policy(grant)]
    recorded = [grant for grant in found if grant.in_user_policy]
    return OwnPolicy(
        desired=UserPolicy(_arns(desired), row.customer.sources),
        recorded=UserPolicy(_arns(recorded), frozenset(row.source_addresses.split())),
        desired_grants=desired,
    )


def _arns(grants: list[Grant]) -> frozenset[str]:
    return frozenset(grant.repository.arn for grant in grants)


def _belongs_in_user_policy(grant: Grant) -> bool:
    """Placed there; or on its way to the repository's policy, until it has arrived."""
    if grant.desired != Desired.PRESENT:
        return False
    is_leaving = grant.in_user_policy and not grant.in_repository_policy
    return grant.placement == Placement.USER_POLICY or is_leaving


def record_user_policy(context: PullUserContext, grants: list[Grant]) -> None:
    """Record that the user's own policy holds exactly ``grants``, and the customer's networks."""
    written = [grant.pk for grant in grants]
    row = context.pull_user
    rows = row.grants.all()
    with context.lease.writing():
        if row.source_addresses != row.customer.source_addresses:
            row.source_addresses = row.customer.source_addresses
            row.save(update_fields=["source_addresses"])
        mark_written(rows.filter(pk__in=written), Placement.USER_POLICY)
        mark_written(rows.exclude(pk__in=written), Placement.USER_POLICY, is_written=False)


def mark_written(grants: GrantQuerySet, place: str, *, is_written: bool = True) -> None:
    """Record whether AWS was seen to have these grants in one place."""
    here, other = OTHER_PLACES[place]
    changing = grants.exclude(**{here: is_written})
    # The status changes unless the other place has the grant as well.
    changing.filter(**{other: False}).update(changed_at=timezone.now())
    changing.update(**{here: is_written})


def mark_keys_deleted(keys: AccessKeyQuerySet) -> int:
    """Record that AWS no longer has these keys, and destroy their unrevealed secrets. Returns
    how many were thought to exist."""
    vault.destroy(*keys)
    return keys.living().update(status=KeyStatus.DELETED, desired=KeyStatus.DELETED)
