"""The steps that make and remove an IAM user, and what it may do."""

from collections.abc import Mapping
from dataclasses import dataclass

from django.conf import settings
from django.db.models import F
from django.utils import timezone

from provisioning import names, policies
from provisioning.aws import boto, errors
from provisioning.aws.gateway import Gateway, IamUser
from provisioning.lease import Lease
from provisioning.models import Grant, PullUser, Registry
from provisioning.models.pull_user import GrantQuerySet
from provisioning.plan import Step
from provisioning.states import Status, Wanted
from provisioning.steps.access_key import forget


@dataclass(frozen=True)
class UserTurn:
    """A turn at one pull user: the row as read under the lease, and its account, by way of
    one of its registries."""

    lease: Lease
    pull_user: PullUser
    registry: Registry
    gateway: Gateway

    @property
    def login_policy_arn(self) -> str:
        return login_policy_arn(self.pull_user.account_id)

    def gateway_of(self, registry: Registry) -> Gateway:
        return boto.connect(registry)


def login_policy_arn(account_id: str) -> str:
    return f"arn:aws:iam::{account_id}:policy{settings.AWS_PATH}{settings.AWS_LOGIN_POLICY_NAME}"


def ensure_login_policy(turn: UserTurn, step: Step) -> None:
    """The account's policy that lets pull users sign in to its registry."""
    try:
        turn.gateway.create_policy(
            settings.AWS_LOGIN_POLICY_NAME, settings.AWS_PATH, policies.login_policy()
        )
    except errors.AlreadyThere:
        pass  # Another customer's turn was quicker.


def ensure_pull_user(turn: UserTurn, step: Step) -> None:
    """The IAM user, ours by its tags, within its boundary, with the sign-in policy attached."""
    row, boundary_arn = turn.pull_user, turn.registry.boundary_arn
    tags = names.user_tags(row.customer.slug, row.label)
    user = turn.gateway.user(row.name)
    if user is None:
        try:
            user = turn.gateway.create_user(row.name, settings.AWS_PATH, tags, boundary_arn)
            _count(row.account_id, +1)
        except errors.AlreadyThere:
            user = _made_before(turn)
    if boundary_arn not in ("", user.boundary_arn):
        turn.gateway.set_boundary(row.name, boundary_arn)
    turn.gateway.attach_policy(row.name, turn.login_policy_arn)
    with turn.lease.writing():
        if row.user_id != user.user_id:
            _forget_predecessor(row)
        row.arn, row.user_id = user.arn, user.user_id
        row.save(update_fields=["arn", "user_id"])


def _count(account_id: str, change: int) -> None:
    """Keep the account's number of users up, until it is next counted in AWS."""
    counted = Registry.objects.filter(account_id=account_id, iam_users__gte=max(0, -change))
    counted.update(iam_users=F("iam_users") + change)


def _made_before(turn: UserTurn) -> IamUser:
    """The user whose name is taken: made by a try whose answer was lost; or a namesake."""
    row = turn.pull_user
    user = turn.gateway.user(row.name)
    if user is not None:
        refuse_strangers(turn, user.tags)
        return user
    if row.attempts.filter(step="ensure_pull_user").count() > NAMESAKE_AFTER:
        raise errors.PermanentError(
            f"AWS account {row.account_id} says that a user named {row.name} exists, and shows "
            "none: probably one whose name differs by case. The account's administrator can "
            "rename or delete it."
        )
    raise errors.TemporaryError(
        f"IAM says that the user {row.name} exists, but does not show it yet."
    )


# Tries in which IAM has had the time to show a user that it made.
NAMESAKE_AFTER = 6


def _forget_predecessor(row: PullUser) -> None:
    """Another user bears the name now: the keys of the one before went with it, and a
    policy that named it does not let this one in. The next turn makes both anew."""
    row.grants.update(in_repository_policy=False, in_user_policy=False)
    record_status(row.grants.all())
    if forget(row.access_keys.all()):
        PullUser.objects.filter(pk=row.pk).update(due_at=timezone.now())


def record_status(grants: GrantQuerySet) -> None:
    """Bring ``status`` of the grants in line with where AWS was seen to have them."""
    now = timezone.now()
    nowhere = {"in_repository_policy": False, "in_user_policy": False}
    written = grants.exclude(**nowhere)
    for rows, status in (
        (written.filter(wanted=Wanted.PRESENT), Status.READY),
        (grants.filter(wanted=Wanted.PRESENT, **nowhere), Status.WAITING),
        (grants.filter(wanted=Wanted.ABSENT, **nowhere), Status.GONE),
    ):
        rows.exclude(status=status).update(status=status, changed_at=now)


def refuse_strangers(turn: UserTurn, tags: Mapping[str, str]) -> None:
    """Raise PermanentError for a user of the right name that the portal did not make."""
    row = turn.pull_user
    if not names.is_ours(tags, customer_slug=row.customer.slug, label=row.label):
        raise errors.PermanentError(
            f"AWS account {row.account_id} has a user named {row.name} that the portal did not "
            "make for this customer. The account's administrator can rename or delete it; the "
            "portal leaves it alone."
        )


def in_user_policy(pull_user: PullUser) -> list[Grant]:
    """The grants that the user's own policy should hold: those placed there, and those on
    their way to the repository's policy until they have arrived."""
    if pull_user.wanted != Wanted.PRESENT:
        return []
    grants = pull_user.grants.filter(wanted=Wanted.PRESENT).select_related("repository__registry")
    return [
        grant
        for grant in grants
        if grant.placement == Grant.Placement.USER_POLICY
        or (grant.in_user_policy and not grant.in_repository_policy)
    ]


def ensure_user_policy(turn: UserTurn, step: Step) -> None:
    """The user's own policy opens exactly the repositories of the grants placed there."""
    row = turn.pull_user
    grants = in_user_policy(row)
    document = policies.user_policy({grant.repository.arn for grant in grants})
    if document is None:
        turn.gateway.delete_user_policy(row.name, policies.USER_POLICY_NAME)
    else:
        turn.gateway.put_user_policy(row.name, policies.USER_POLICY_NAME, document)
    record_user_policy(turn, grants)


def record_user_policy(turn: UserTurn, grants: list[Grant]) -> None:
    """Write down that the user's own policy holds exactly ``grants``."""
    written = [grant.pk for grant in grants]
    with turn.lease.writing():
        row = turn.pull_user
        row.grants.filter(pk__in=written).update(in_user_policy=True)
        row.grants.exclude(pk__in=written).update(in_user_policy=False)
        record_status(row.grants.all())


def remove_pull_user(turn: UserTurn, step: Step) -> None:
    """The user and what hangs on it; its keys went before."""
    name = turn.pull_user.name
    for arn in turn.gateway.attached_policies(name):
        turn.gateway.detach_policy(name, arn)
    for policy in turn.gateway.user_policies(name):
        turn.gateway.delete_user_policy(name, policy)
    try:
        turn.gateway.delete_user(name)
    except errors.DeleteConflict:
        # Somebody gave it more than the portal does: a password, a group, a key meanwhile.
        turn.gateway.strip_user(name)
        turn.gateway.delete_user(name)
    except errors.Unauthorized:
        # A try whose answer was lost may have done it: IAM looks for a user that is gone
        # under no path, where the role may delete none.
        if turn.gateway.user(name) is not None:
            raise
    _count(turn.pull_user.account_id, -1)
    with turn.lease.writing():
        forget(turn.pull_user.access_keys.all())
        turn.pull_user.grants.update(in_user_policy=False)
