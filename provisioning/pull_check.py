"""Why a customer may not be able to pull: what the database knows of each thing that a pull
needs, what to do about it, and who does it. Asks nothing of AWS, and makes no query of its
own: it reads an entitlement loaded by ``queries.entitlements``."""

from dataclasses import dataclass
from datetime import datetime

from django.utils import timezone

from provisioning import queries
from provisioning.models import AccessKey, Entitlement, PullUser, Repository
from provisioning.queries.progress import ATTENTION, DONE, WAITING, WORKING
from provisioning.states import EntitlementState, KeyStatus, Status, Wanted

VENDOR_KNOWS = "Your vendor has been told, and can see what it needs."
RESUMED = "Your vendor's sales can resume it; the keys stay, and work again then."
BY_ITSELF = "It goes on by itself; this usually takes less than a minute."


@dataclass(frozen=True)
class Finding:
    """``state`` is one of the steps' states; ``at`` is a moment that ends ``words``;
    ``remedy`` says what to do and who does it, and is empty where all is well."""

    about: str
    state: str
    words: str
    at: datetime | None = None
    remedy: str = ""


def findings(entitlement: Entitlement) -> list[Finding]:
    """One for each thing that a pull needs, in the order in which it needs them."""
    found = [_right(entitlement)]
    for pull_user in queries.pull_users(entitlement):
        found += [_user(pull_user), *_keys(pull_user)]
    repositories = queries.repositories(entitlement)
    found += [_grant(entitlement, repository) for repository in repositories]
    if queries.open_repositories(entitlement):
        found += [_tag(repository) for repository in queries.open_repositories(entitlement)]
        found += _hosts(queries.open_repositories(entitlement))
    return found


def _right(entitlement: Entitlement) -> Finding:
    about, now = "Your right to pull", timezone.now()
    if entitlement.customer.suspended_at:
        return Finding(about, ATTENTION, "suspended", entitlement.customer.suspended_at, RESUMED)
    match entitlement.state:
        case EntitlementState.REQUESTED:
            remedy = "Your vendor's sales approve it; nothing can be pulled before."
            return Finding(about, WAITING, "requested", entitlement.requested_at, remedy)
        case EntitlementState.APPROVED if entitlement.starts_at and entitlement.starts_at > now:
            remedy = "It begins by itself. Your vendor's sales can begin it earlier."
            return Finding(about, WAITING, "begins", entitlement.starts_at, remedy)
        case EntitlementState.APPROVED if entitlement.ends_at and entitlement.ends_at <= now:
            return Finding(about, ATTENTION, "ended", entitlement.ends_at, _again(entitlement))
        case EntitlementState.APPROVED if entitlement.ends_at:
            return Finding(about, DONE, "approved, until", entitlement.ends_at)
        case EntitlementState.APPROVED:
            return Finding(about, DONE, "approved, without an end")
        case EntitlementState.SUSPENDED:
            return Finding(about, ATTENTION, "suspended", remedy=RESUMED)
        case EntitlementState.REJECTED:
            return Finding(
                about, ATTENTION, "turned down", entitlement.decided_at, _again(entitlement)
            )
    words = entitlement.get_state_display().lower()
    return Finding(about, ATTENTION, words, entitlement.ended_at, _again(entitlement))


def _again(entitlement: Entitlement) -> str:
    return (
        f"An owner or engineer of {entitlement.customer} requests the product again, under "
        "“Your products”, or talks to your vendor's sales."
    )


def _user(pull_user: PullUser) -> Finding:
    about = f"Pull user {pull_user.name}"
    if pull_user.wanted == Wanted.ABSENT:
        words = "deleted" if pull_user.status == Status.GONE else "being deleted"
        return Finding(about, ATTENTION, words, remedy="It goes with the last product.")
    if pull_user.wanted == Wanted.SUSPENDED:
        return Finding(about, ATTENTION, "suspended, its keys switched off", remedy=RESUMED)
    if pull_user.attention:
        return Finding(about, ATTENTION, "not as it should be", remedy=VENDOR_KNOWS)
    if pull_user.status != Status.READY:
        return Finding(about, WORKING, "not in AWS yet", remedy=BY_ITSELF)
    return Finding(about, DONE, f"in AWS account {pull_user.account_id}")


def _keys(pull_user: PullUser) -> list[Finding]:
    """The current key, and those that machines may still have."""
    keys = list(pull_user.access_keys.all())
    current = queries.current_key(pull_user)
    found = [_current_key(current)] if current else []
    if current is None and pull_user.wanted == Wanted.PRESENT:
        found = [Finding("Access key", WORKING, "being made", remedy=BY_ITSELF)]
    return found + [_old_key(key, current) for key in keys if key != current]


def _current_key(key: AccessKey) -> Finding:
    about = f"Access key {key.access_key_id}"
    if key.status != KeyStatus.ACTIVE:
        words = "not active in AWS"
        return Finding(about, ATTENTION, words, remedy="Your vendor can activate or reissue it.")
    if key.secret.is_sealed:
        remedy = "An owner or an engineer reveals it on the product's page and stores it."
        return Finding(about, ATTENTION, "active, but nobody has its secret yet", remedy=remedy)
    if key.secret.burned_at:
        remedy = "Ask your vendor to reissue the credentials."
        return Finding(about, ATTENTION, "its secret was destroyed unseen", remedy=remedy)
    return Finding(
        about, DONE, f"active; revealed to {key.secret.revealed_by}", key.secret.revealed_at
    )


def _old_key(key: AccessKey, current: AccessKey | None) -> Finding:
    about = f"Access key {key.access_key_id}"
    instead = f"Machines that still have it need {current}." if current else ""
    if key.wanted == KeyStatus.ACTIVE and key.retires_at:
        return Finding(about, WAITING, "retires", key.retires_at, instead)
    return Finding(about, ATTENTION, "no longer valid", remedy=instead)


def _grant(entitlement: Entitlement, repository: Repository) -> Finding:
    about = f"Repository {repository.name}"
    if repository in queries.open_repositories(entitlement):
        return Finding(about, DONE, "open to you")
    if entitlement.state != EntitlementState.APPROVED:
        return Finding(about, ATTENTION, "not open by this product")
    if repository.attention:
        return Finding(about, ATTENTION, "not open", remedy=VENDOR_KNOWS)
    return Finding(about, WORKING, "not open yet", remedy="It opens by itself, in its turn.")


def _tag(repository: Repository) -> Finding:
    about = f"Image of {repository.name}"
    read_at = repository.images_read_at
    if repository.newest_tag:
        words = f"the newest tag is {repository.newest_tag}, read from ECR"
        return Finding(about, DONE, words, read_at)
    if read_at:
        remedy = "Your vendor pushes it; from then on the product's page shows its tag."
        return Finding(about, ATTENTION, "there was none yet when ECR was read", read_at, remedy)
    remedy = "It is read by itself. If you know the tag, put it in the place of TAG, and pull."
    return Finding(about, WORKING, "not read from ECR yet", remedy=remedy)


def _hosts(repositories: list[Repository]) -> list[Finding]:
    """What a session must be for: it opens no other region."""
    hosts = {row.pull_uri.partition("/")[0]: row.registry.region for row in repositories}
    return [
        Finding(f"Registry {host}", DONE, f"sign in with the region {region}")
        for host, region in hosts.items()
    ]
