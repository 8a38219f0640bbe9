"""Parts of an entitlement loaded by ``entitlements``. No query."""

from collections.abc import Iterable

from django.utils import timezone

from provisioning.documents import names
from provisioning.documents.pulling import Denial
from provisioning.models import AccessKey, Entitlement, Grant, PullUser, Repository
from provisioning.models.access_key import TESTED_FOR
from provisioning.states import Desired, EntitlementState, KeyStatus, Status

DEFAULT = names.DEFAULT_LABEL


def repositories(entitlement: Entitlement) -> list[Repository]:
    return sorted(entitlement.product.repositories.all(), key=lambda row: row.name)


def pull_user_of(entitlement: Entitlement, account_id: str) -> PullUser | None:
    """The customer's default pull user in an account, without those of its labels."""
    users: Iterable[PullUser] = entitlement.customer.pull_users.all()
    return next((u for u in users if (u.account_id, u.label) == (account_id, DEFAULT)), None)


def grant_of(entitlement: Entitlement, repository: Repository) -> Grant | None:
    pull_user = pull_user_of(entitlement, repository.registry.account_id)
    grants = pull_user.grants.all() if pull_user else []
    return next((grant for grant in grants if grant.repository_id == repository.pk), None)


def pull_users(entitlement: Entitlement) -> list[PullUser]:
    """The pull users of an entitlement: one for each AWS account and label. Of labels, only
    those that are desired."""
    accounts = {row.registry.account_id for row in entitlement.product.repositories.all()}
    found = [
        user
        for user in entitlement.customer.pull_users.all()
        if user.account_id in accounts and (user.label == DEFAULT or user.desired != Desired.ABSENT)
    ]
    return sorted(found, key=lambda user: (user.account_id, user.label != DEFAULT, user.label))


def current_key(pull_user: PullUser) -> AccessKey | None:
    """The key that stands for the user, if AWS has it."""
    keys = (key for key in pull_user.access_keys.all() if key.retires_at is None)
    return next((key for key in keys if key.desired != KeyStatus.DELETED), None)


def usable_keys(pull_user: PullUser) -> list[AccessKey]:
    """The keys that AWS has and that are to stay for now, the newest first; of those that nobody
    has revealed, only one that can be."""
    now = timezone.now()
    return [
        key
        for key in pull_user.access_keys.all()
        if key.desired != KeyStatus.DELETED
        and (key.retires_at is None or key.retires_at > now)
        and (key.is_offered or not key.secret.is_unrevealed)
    ]


def to_reveal(entitlement: Entitlement) -> list[AccessKey]:
    """The keys that wait for a member to reveal them."""
    users = [user for user in pull_users(entitlement) if user.is_ready]
    keys = [key for key in map(current_key, users) if key]
    return [
        key
        for key in keys
        if key.is_offered and key.secret.is_unrevealed and key.desired == KeyStatus.ACTIVE
    ]


def tested_when(key: AccessKey, pull_user: PullUser) -> str:
    """What the test of a new key waits for, in words for its customer. One query where the grants
    of ``pull_user`` were not loaded with it."""
    grants = pull_user.grants.all()
    if not any(each.desired == Desired.PRESENT and each.status == Status.READY for each in grants):
        return "It is tested as soon as a repository is open to you."
    if key.created_at < timezone.now() - TESTED_FOR:
        return "AWS has not accepted it yet. It is tested again, and your vendor can see this."
    return "AWS may take a minute to accept a new key."


def key_for(entitlement: Entitlement, repository: Repository) -> AccessKey | None:
    """The key with which a repository is pulled."""
    pull_user = pull_user_of(entitlement, repository.registry.account_id)
    return current_key(pull_user) if pull_user else None


def denials(entitlement: Entitlement, repository: Repository) -> list[Denial]:
    """What keeps the customer from pulling although the repository was opened to it."""
    pull_user = pull_user_of(entitlement, repository.registry.account_id)
    return repository.denials_of(pull_user.arn) if pull_user and pull_user.arn else []


def open_repositories(entitlement: Entitlement) -> list[Repository]:
    """The repositories that the customer can pull from now."""
    if entitlement.state != EntitlementState.APPROVED:
        return []
    grants = {row.pk: grant_of(entitlement, row) for row in repositories(entitlement)}
    return [
        row
        for row in repositories(entitlement)
        if (grant := grants[row.pk])
        and (grant.desired, grant.status) == (Desired.PRESENT, Status.READY)
    ]


def stuck_repositories(entitlement: Entitlement) -> list[Repository]:
    """The repositories whose policy a person should look at."""
    return [row for row in repositories(entitlement) if row.attention or row.failures]
