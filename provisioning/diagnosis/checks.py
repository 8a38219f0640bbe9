"""Why a customer may not be able to pull: what the database knows of each thing that a pull
needs, what to do about it, and who can do it. It calls no AWS and makes no query of its own: it
reads an entitlement loaded by ``queries.entitlements``."""

from collections import defaultdict
from dataclasses import dataclass, replace
from datetime import datetime

from django.utils import timezone

from accounts.models import Customer
from provisioning import queries
from provisioning.models import AccessKey, Entitlement, PullUser, Repository
from provisioning.queries.progress import ATTENTION, DONE, WAITING, WORKING
from provisioning.states import Desired, EntitlementState, KeyStatus, Status

VENDOR_SEES = "Your vendor can see what is needed."
RESUMED = "Your vendor's sales team can resume it; your keys are kept, and will work again."
ALIKE = 5
BY_ITSELF = "Nothing to do: this usually takes less than a minute."
OPENS_BY_ITSELF = "Nothing to do: it opens by itself."
HELD = (
    "Your vendor has stopped all changes for a while, to check them. It goes on afterwards, by "
    "itself."
)


@dataclass(frozen=True)
class Diagnosis:
    """``state`` is one of the steps' states; ``at`` is a moment that completes ``words``;
    ``remedy`` says what to do and who can do it, and is empty where all is well."""

    about: str
    state: str
    words: str
    at: datetime | None = None
    remedy: str = ""


def diagnose(entitlement: Entitlement) -> list[Diagnosis]:
    """One for each thing that a pull needs, in that order."""
    found = [_right(entitlement)]
    for pull_user in queries.pull_users(entitlement):
        found += [_user(pull_user), *_keys(pull_user)]
    if entitlement.customer.sources:
        found.append(_sources(entitlement.customer))
    opened = queries.open_repositories(entitlement)
    grants = [_grant(entitlement, row, opened) for row in queries.repositories(entitlement)]
    found += _in_brief(grants, "{} repositories")
    found += _in_brief([_tag(row) for row in opened], "Images of {} repositories")
    found += _hosts(opened)
    return [_while_held(each) for each in found] if entitlement.portal_is_held else found  # type: ignore[attr-defined]


def _while_held(found: Diagnosis) -> Diagnosis:
    waits = found.remedy in (BY_ITSELF, OPENS_BY_ITSELF)
    return replace(found, remedy=HELD) if waits else found


def _right(entitlement: Entitlement) -> Diagnosis:
    about, now = "Your right to pull", timezone.now()
    if entitlement.customer.suspended_at:
        return Diagnosis(about, ATTENTION, "suspended", entitlement.customer.suspended_at, RESUMED)
    match entitlement.state:
        case EntitlementState.REQUESTED:
            remedy = "Your vendor's sales team approves it; until then nothing can be pulled."
            return Diagnosis(about, WAITING, "requested", entitlement.requested_at, remedy)
        case EntitlementState.APPROVED if entitlement.starts_at and entitlement.starts_at > now:
            remedy = "It starts by itself. Your vendor's sales team can start it earlier."
            return Diagnosis(about, WAITING, "starts", entitlement.starts_at, remedy)
        case EntitlementState.APPROVED if entitlement.ends_at and entitlement.ends_at <= now:
            return Diagnosis(about, ATTENTION, "ended", entitlement.ends_at, _again(entitlement))
        case EntitlementState.APPROVED if entitlement.ends_at:
            return Diagnosis(about, DONE, "approved, until", entitlement.ends_at)
        case EntitlementState.APPROVED:
            return Diagnosis(about, DONE, "approved, with no end date")
        case EntitlementState.SUSPENDED:
            return Diagnosis(about, ATTENTION, "suspended", remedy=RESUMED)
        case EntitlementState.REJECTED:
            return Diagnosis(
                about, ATTENTION, "rejected", entitlement.decided_at, _again(entitlement)
            )
    words = entitlement.get_state_display().lower()
    return Diagnosis(about, ATTENTION, words, entitlement.ended_at, _again(entitlement))


def _sources(customer: Customer) -> Diagnosis:
    return Diagnosis(
        "Source addresses",
        DONE,
        f"limited to {', '.join(sorted(customer.sources))}",
        remedy="From anywhere else, and through a VPC endpoint, AWS refuses everything. An owner "
        f"of {customer} can change it on the page of {customer}.",
    )


def _again(entitlement: Entitlement) -> str:
    return (
        f"An owner or engineer of {entitlement.customer} can request the product again under "
        "“Your products”, or ask your vendor's sales team."
    )


def _user(pull_user: PullUser) -> Diagnosis:
    about = f"Pull user {pull_user.name}"
    if pull_user.desired == Desired.ABSENT:
        words = "deleted" if pull_user.status == Status.GONE else "being deleted"
        return Diagnosis(
            about, ATTENTION, words, remedy="Pull users are removed with the last product."
        )
    if pull_user.desired == Desired.SUSPENDED:
        return Diagnosis(about, ATTENTION, "suspended, with its keys deactivated", remedy=RESUMED)
    if pull_user.attention:
        return Diagnosis(about, ATTENTION, "needs your vendor's attention", remedy=VENDOR_SEES)
    if pull_user.status != Status.READY:
        return Diagnosis(about, WORKING, "not in AWS yet", remedy=BY_ITSELF)
    return Diagnosis(about, DONE, f"in AWS account {pull_user.account_id}")


def _keys(pull_user: PullUser) -> list[Diagnosis]:
    """The current key, and those that machines may still use."""
    keys = list(pull_user.access_keys.all())
    current = queries.current_key(pull_user)
    found = [_current_key(current)] if current else []
    if current is None and pull_user.desired == Desired.PRESENT:
        found = [Diagnosis("Access key", WORKING, "being created", remedy=BY_ITSELF)]
    return found + [_old_key(key, current) for key in keys if key != current]


def _current_key(key: AccessKey) -> Diagnosis:
    about = f"Access key {key.access_key_id}"
    if key.status != KeyStatus.ACTIVE:
        # Where it should be active, someone deactivated it in AWS: ops decide about that.
        who = "Your vendor" if key.desired == KeyStatus.ACTIVE else "An owner or an engineer"
        remedy = f"{who} can activate it. An owner or an engineer can create a new key."
        return Diagnosis(about, ATTENTION, "not active in AWS", remedy=remedy)
    if key.secret.is_unrevealed:
        remedy = "An owner or an engineer can reveal it on the product's page, and store it."
        return Diagnosis(
            about, ATTENTION, "active, but nobody has revealed its secret yet", remedy=remedy
        )
    if key.adopted_at:
        return Diagnosis(about, DONE, "active")
    if key.secret.destroyed_at:
        remedy = "An owner or an engineer can create a new key."
        return Diagnosis(
            about, ATTENTION, "its secret was destroyed before anyone revealed it", remedy=remedy
        )
    return Diagnosis(
        about, DONE, f"active; revealed to {key.secret.revealed_by}", key.secret.revealed_at
    )


def _old_key(key: AccessKey, current: AccessKey | None) -> Diagnosis:
    about = f"Access key {key.access_key_id}"
    instead = f"Machines that still use it need {current}." if current else ""
    if key.desired == KeyStatus.ACTIVE and key.retires_at:
        return Diagnosis(about, WAITING, "retires", key.retires_at, instead)
    return Diagnosis(about, ATTENTION, "no longer valid", remedy=instead)


def _in_brief(found: list[Diagnosis], about: str) -> list[Diagnosis]:
    """One line for each repository; for more than ALIKE of them with which it is the same, one for
    all, headed by ``about`` with their number."""
    alike: dict[tuple[str, str], list[Diagnosis]] = defaultdict(list)
    for each in found:
        alike[each.state, each.remedy].append(each)
    brief = []
    for rows in alike.values():
        words = {row.words for row in rows}
        said = words.pop() if len(words) == 1 else "as they should be"
        one = replace(rows[0], about=about.format(len(rows)), words=said, at=None)
        brief += [one] if len(rows) > ALIKE else rows
    return brief


def _grant(entitlement: Entitlement, repository: Repository, opened: list[Repository]) -> Diagnosis:
    about = f"Repository {repository.name}"
    denials = queries.denials(entitlement, repository)
    if denials:
        remedy = (
            "Your vendor's AWS administrator can change that statement. Your key is not the cause."
        )
        words = f"the repository's policy denies it ({denials[0]})"
        return Diagnosis(about, ATTENTION, words, remedy=remedy)
    if repository in opened:
        return Diagnosis(about, DONE, "open to you")
    if entitlement.state != EntitlementState.APPROVED:
        return Diagnosis(about, ATTENTION, "not opened by this product")
    if repository.attention:
        return Diagnosis(about, ATTENTION, "not open", remedy=VENDOR_SEES)
    return Diagnosis(about, WORKING, "not open yet", remedy=OPENS_BY_ITSELF)


def _tag(repository: Repository) -> Diagnosis:
    about = f"Image of {repository.name}"
    read_at = repository.images_read_at
    if repository.newest_tag:
        words = f"the newest tag is {repository.newest_tag}, read from ECR"
        return Diagnosis(about, DONE, words, read_at)
    if read_at:
        remedy = "Once your vendor pushes one, the product's page shows its tag."
        return Diagnosis(about, ATTENTION, "there was none when ECR was last read", read_at, remedy)
    remedy = "It is read within a minute; then the product's page shows its tag."
    return Diagnosis(about, WORKING, "not read from ECR yet", remedy=remedy)


def _hosts(repositories: list[Repository]) -> list[Diagnosis]:
    """The regions to sign in to: a session opens no other."""
    hosts = {row.pull_uri.partition("/")[0]: row.registry.region for row in repositories}
    return [
        Diagnosis(f"Registry {host}", DONE, f"sign in with the region {region}")
        for host, region in hosts.items()
    ]
