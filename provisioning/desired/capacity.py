"""How full AWS is, as last seen, and where there is room for another grant. It asks the
database only."""

from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass
from functools import cached_property

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


class Room:
    """Where there is room for more grants of these pull users in these repositories, whose
    registries must be loaded. What is placed takes its room from what is placed next."""

    def __init__(
        self, pull_users: Collection[PullUser], repositories: Collection[Repository]
    ) -> None:
        self._pull_users, self._repositories = pull_users, repositories

    def place(self, pull_user: PullUser, repository: Repository) -> Grant.Placement | None:
        """Where a new grant should be written; None where there is no room for it."""
        is_free = repository.placement == Repository.Placement.AUTOMATIC
        if is_free or repository.placement == Placement.REPOSITORY_POLICY:
            limit = limits.REPOSITORY_POLICY_FILL if is_free else limits.REPOSITORY_POLICY_LIMIT
            length = limits.principal_length(
                names.user_arn(pull_user.account_id, settings.AWS_PATH, pull_user.name)
            )
            if self._lengths[repository.pk] + length <= limit:
                self._lengths[repository.pk] += length
                return Placement.REPOSITORY_POLICY
        if is_free or repository.placement == Placement.USER_POLICY:
            return self.place_in_user_policy(pull_user, repository)
        return None

    def place_in_user_policy(
        self, pull_user: PullUser, repository: Repository
    ) -> Grant.Placement | None:
        """None where the user's own policy has no room for the repository."""
        arns = self._arns[pull_user.pk] | {repository.arn}
        content = UserPolicy(frozenset(arns), pull_user.customer.sources)
        if not limits.fits_user_policy(content, repository.registry.user_policy_quota):
            return None
        self._arns[pull_user.pk] = arns
        return Placement.USER_POLICY

    @cached_property
    def _lengths(self) -> dict[int, int]:
        """Characters of each repository's policy once every grant under way is in it."""
        under_way = Grant.objects.filter(
            repository__in=self._repositories,
            desired=Desired.PRESENT,
            placement=Placement.REPOSITORY_POLICY,
            in_repository_policy=False,
        )
        sums = under_way.values("repository_id", "pull_user__account_id").annotate(
            count=Count("pk"), length=Sum(Length("pull_user__name"))
        )
        lengths = {
            row.pk: row.policy_length or limits.STATEMENT_LENGTH for row in self._repositories
        }
        for row in sums.order_by():
            arn = names.user_arn(row["pull_user__account_id"], settings.AWS_PATH, "")
            arriving = row["count"] * limits.principal_length(arn) + row["length"]
            lengths[row["repository_id"]] += arriving
        return lengths

    @cached_property
    def _arns(self) -> dict[int, set[str]]:
        """The repositories that each user's own policy is to open."""
        present = Grant.objects.filter(
            pull_user__in=self._pull_users,
            placement=Placement.USER_POLICY,
            desired=Desired.PRESENT,
        )
        arns: dict[int, set[str]] = defaultdict(set)
        for grant in present.select_related("repository__registry"):
            arns[grant.pull_user_id].add(grant.repository.arn)
        return arns


def has_user_room(account_id: str) -> bool:
    """Whether the account has room for another pull user."""
    registries = list(Registry.objects.filter(account_id=account_id))
    used = max((row.iam_users or 0 for row in registries), default=0)
    quota = max((row.users_quota for row in registries), default=limits.USERS_PER_ACCOUNT)
    waiting = PullUser.objects.filter(
        account_id=account_id, desired=Desired.PRESENT, status__in=[Status.WAITING, Status.GONE]
    )
    return used + waiting.count() < quota
