"""How full AWS is, as last seen, and where there is room for another grant. It asks the
database only."""

from dataclasses import dataclass

from django.conf import settings
from django.db.models import Count, Sum
from django.db.models.functions import Length

from provisioning.documents import limits, names
from provisioning.documents.policies import UserPolicy
from provisioning.models import Grant, PullUser, Registry, Repository
from provisioning.states import Desired, Status

Placement = Grant.Placement
# Meters warn from here on.
NEARLY_FULL = 0.8


@dataclass(frozen=True)
class Meter:
    """``used`` of ``limit``, as last seen in AWS."""

    name: str
    used: int
    limit: int

    @property
    def is_nearly_full(self) -> bool:
        return self.used >= self.limit * NEARLY_FULL


def meters() -> list[Meter]:
    """The users of each account, then the policy of each repository, fullest first."""
    accounts = {row.account_id: row for row in Registry.objects.all()}
    users = [
        Meter(f"IAM users of account {account_id}", row.iam_users or 0, row.users_quota)
        for account_id, row in sorted(accounts.items())
    ]
    repositories = Repository.objects.order_by("-policy_length", "name")
    return users + [
        Meter(f"Policy of {row.name}", row.policy_length, limits.REPOSITORY_POLICY_LIMIT)
        for row in repositories
    ]


def placement_for(pull_user: PullUser, repository: Repository) -> Grant.Placement | None:
    """Where a new grant should be written; None where there is no room for it."""
    if repository.placement != Placement.USER_POLICY:
        limit = (
            limits.REPOSITORY_POLICY_LIMIT
            if repository.placement == Placement.REPOSITORY_POLICY
            else limits.REPOSITORY_POLICY_FILL
        )
        if _repository_policy_with(pull_user, repository) <= limit:
            return Placement.REPOSITORY_POLICY
    if repository.placement != Placement.REPOSITORY_POLICY and has_user_policy_room(
        pull_user, repository
    ):
        return Placement.USER_POLICY
    return None


def has_user_policy_room(pull_user: PullUser, repository: Repository) -> bool:
    """Whether the user's own policy has room for the repository."""
    present = pull_user.grants.filter(placement=Placement.USER_POLICY, desired=Desired.PRESENT)
    grants = present.exclude(repository=repository).select_related("repository__registry")
    repositories = {repository.arn, *(grant.repository.arn for grant in grants)}
    content = UserPolicy(frozenset(repositories), pull_user.customer.sources)
    return limits.fits_user_policy(content, repository.registry.user_policy_quota)


def _repository_policy_with(pull_user: PullUser, repository: Repository) -> int:
    """Characters of the repository's policy once every grant under way is in it."""
    under_way = Grant.objects.filter(
        repository=repository,
        desired=Desired.PRESENT,
        placement=Placement.REPOSITORY_POLICY,
        in_repository_policy=False,
    )
    sums = under_way.aggregate(count=Count("pk"), length=Sum(Length("pull_user__name")))
    arn = names.user_arn(pull_user.account_id, settings.AWS_PATH, "")
    each = limits.principal_length(arn)
    arriving = sums["count"] * each + (sums["length"] or 0) + each + len(pull_user.name)
    statement = 0 if repository.policy_length else limits.STATEMENT_LENGTH
    return int(repository.policy_length + statement + arriving)


def has_user_room(account_id: str) -> bool:
    """Whether the account has room for another pull user."""
    registries = list(Registry.objects.filter(account_id=account_id))
    used = max((row.iam_users or 0 for row in registries), default=0)
    quota = max((row.users_quota for row in registries), default=limits.USERS_PER_ACCOUNT)
    waiting = PullUser.objects.filter(
        account_id=account_id, desired=Desired.PRESENT, status__in=[Status.WAITING, Status.GONE]
    )
    return used + waiting.count() < quota
