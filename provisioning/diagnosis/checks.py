"""Why a customer may not be able to pull: what the database knows of each thing that a pull
needs, what to do about it, and who can do it. It calls no AWS and makes no query of its own: it
reads an entitlement loaded by ``queries.entitlements``."""

from collections import defaultdict
from dataclasses import dataclass, replace
from datetime import datetime

from accounts.models import Customer
from provisioning import queries
from provisioning.models import Entitlement, PullUser, Repository
from provisioning.queries.progress import ATTENTION, DONE, WAITING, WORKING
from provisioning.queries.wording import HELD, SUSPENDED
from provisioning.states import Desired, EntitlementState, Status

VENDOR_SEES = "Your vendor can see what is needed."
ALIKE = 5
BY_ITSELF = "Nothing to do: this usually takes less than a minute."
OPENS_BY_ITSELF = "Nothing to do: it opens by itself."


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
    return replace(found, remedy=f"{HELD.words}. {HELD.remedy}") if waits else found


def _right(entitlement: Entitlement) -> Diagnosis:
    about, progress = "Your right to pull", queries.progress(entitlement)
    state = progress.state
    if not state.is_live:
        colour = "attention" if state.is_past else state.colour
        return Diagnosis(about, colour, state.words, progress.at, state.remedy)
    if entitlement.ends_at:
        return Diagnosis(about, DONE, "approved, until", entitlement.ends_at)
    return Diagnosis(about, DONE, "approved, with no end date")


def _sources(customer: Customer) -> Diagnosis:
    return Diagnosis(
        "Source addresses",
        DONE,
        f"limited to {', '.join(sorted(customer.sources))}",
        remedy="From anywhere else, and through a VPC endpoint, AWS refuses everything. An owner "
        f"of {customer} can change it on the page of {customer}.",
    )


def _user(pull_user: PullUser) -> Diagnosis:
    about = f"Pull user {pull_user.name}"
    if pull_user.desired == Desired.ABSENT:
        words = "deleted" if pull_user.status == Status.GONE else "being deleted"
        return Diagnosis(
            about, ATTENTION, words, remedy="Pull users are removed with the last product."
        )
    if pull_user.desired == Desired.SUSPENDED:
        return Diagnosis(
            about, ATTENTION, "suspended, with its keys deactivated", remedy=SUSPENDED.remedy
        )
    if pull_user.attention:
        return Diagnosis(about, ATTENTION, "needs your vendor's attention", remedy=VENDOR_SEES)
    if pull_user.status != Status.READY:
        return Diagnosis(about, WORKING, "not in AWS yet", remedy=BY_ITSELF)
    return Diagnosis(about, DONE, f"in AWS account {pull_user.account_id}")


def _keys(pull_user: PullUser) -> list[Diagnosis]:
    """Every key that AWS has, and what becomes of any other."""
    if pull_user.desired != Desired.PRESENT:
        return []
    found = [of_key(shown) for shown in queries.key_states(pull_user)]
    current = queries.current_key(pull_user)
    if current is not None:
        remedy = f"Machines that use one need {current}."
        about = f"Other access keys of {pull_user.name}"
        found.append(Diagnosis(about, WAITING, "no longer valid", remedy=remedy))
    return found


def of_key(shown: queries.KeyState) -> Diagnosis:
    state = shown.state
    about = f"Access key {shown.key}" if shown.key else "Access key"
    words = "; ".join(_inside(each) for each in (state.label, state.words) if each)
    return Diagnosis(about, state.colour, words, shown.at, state.remedy)


def _inside(words: str) -> str:
    """A sentence within another one."""
    return words[:1].lower() + words[1:]


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
