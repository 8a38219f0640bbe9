"""What differs between AWS and the database while the portal is held, and what people can do about
it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Count, Q

from accounts import clock
from accounts.models import Customer
from provisioning.documents import names
from provisioning.models import Drift, Entitlement
from provisioning.models.drift import DriftKind, Repair


@dataclass(frozen=True)
class PlanLine:
    """One difference. ``customer``: its name; empty where the database knows none; ``facts``: what
    AWS knows of it, in words."""

    drift: Drift
    customer: str
    user: str
    where: str
    facts: str


@dataclass(frozen=True)
class Words:
    found: str
    adopt: str = ""
    repair: str = ""


@dataclass(frozen=True)
class PlanSection:
    """Differences that are alike. ``words`` say what was found and what a person can choose, empty
    where that is not possible."""

    kind: DriftKind
    words: Words
    lines: Sequence[PlanLine]
    total: int
    undecided: int


# What each kind means after a restore, and what to adopt it, and to repair it, does; in this order:
# whose access is known has a user whose keys are known.
WORDS = {
    DriftKind.GRANT_UNKNOWN: Words(
        "AWS lets these users pull, and the database does not.",
        adopt="Keep the access: the entitlement is approved again, without an end date.",
        repair="Remove the access in AWS now.",
    ),
    DriftKind.USER_MISSING: Words(
        "The database has these users, and AWS does not.",
        adopt="Withdraw their customers' entitlements: that was done after the backup.",
        repair="Create the users again when the hold ends.",
    ),
    DriftKind.GRANT_MISSING: Words(
        "The database lets these users pull, and AWS does not.",
        adopt="Withdraw the entitlements: that was done after the backup.",
        repair="Give the access again when the hold ends.",
    ),
    DriftKind.KEY_UNKNOWN: Words(
        "AWS has these access keys, and the database does not. Customers may be using them.",
        adopt="Keep them: they were created after the backup.",
        repair="Delete them in AWS now.",
    ),
    DriftKind.KEY_ACTIVATED: Words(
        "These keys are active in AWS, and deactivated in the database.",
        adopt="Leave them active.",
        repair="Deactivate them in AWS now.",
    ),
    DriftKind.KEY_STATUS: Words(
        "These keys are deactivated in AWS, and active in the database.",
        adopt="Leave them deactivated.",
        repair="Activate them when the hold ends.",
    ),
    DriftKind.USER_POLICY_CHANGED: Words(
        "These users' own policies are not as in the database. Where a customer changed its "
        "networks after the backup, make that change again on its page.",
        repair="Write them as in the database when the hold ends.",
    ),
    DriftKind.UNKNOWN_USER: Words(
        "AWS has these users of the portal, and the database does not. To keep one, keep its "
        "access: then the database knows it.",
        adopt="Leave them alone.",
        repair="Delete them in AWS now.",
    ),
    DriftKind.KEY_MISSING: Words(
        "The database has these keys, and AWS does not. When the hold ends, new keys are created "
        "where none is left, and their customers can reveal them.",
    ),
}


def restore_plan(most: int | None = None) -> list[PlanSection]:
    """Every difference that is open, by kind, and by customer within one; at most ``most`` of each
    kind."""
    counted = Drift.objects.open().order_by().values_list("kind")
    counts = counted.annotate(total=Count("pk"), undecided=Count("pk", filter=Q(choice="")))
    order = [*WORDS, *DriftKind]
    return [
        PlanSection(
            DriftKind(kind),
            WORDS.get(kind) or _words_of(kind),
            _lines(kind, most),
            total=total,
            undecided=undecided,
        )
        for kind, total, undecided in sorted(counts, key=lambda row: order.index(row[0]))
    ]


def _words_of(name: str) -> Words:
    """Kinds that have nothing to do with a restore."""
    kind = DriftKind(name)
    return Words(
        f"{kind.label}.",
        adopt="Leave it as it is." if kind.policy.is_adoptable else "",
        repair="" if kind.policy.repair is Repair.NOBODY else "Repair it when the hold ends.",
    )


def _lines(kind: str, most: int | None) -> list[PlanLine]:
    """Those to decide first."""
    rows = Drift.objects.open().filter(kind=kind).order_by("choice", "first_seen_at", "pk")
    drifts = list(rows.select_related("pull_user__customer", "repository", "registry")[:most])
    slugs = {names.split_user_name(drift.user_name)[0] for drift in drifts}
    customers = dict(Customer.objects.filter(slug__in=slugs).values_list("slug", "name"))
    lines = [
        PlanLine(
            drift,
            customer=customers.get(names.split_user_name(drift.user_name)[0], ""),
            user=drift.user_name,
            where=str(drift.repository or drift.subject.rpartition("/")[2]),
            facts=_facts(drift),
        )
        for drift in drifts
    ]
    return sorted(lines, key=lambda line: (bool(line.drift.choice), line.customer, line.user))


def _facts(drift: Drift) -> str:
    keys = drift.facts.get("keys")
    if keys is not None:
        return "; ".join(f"key {key_id}: {_of_key(facts)}" for key_id, facts in keys.items())
    return _of_key(drift.facts) if "status" in drift.facts else drift.detail


def _of_key(facts: dict[str, str]) -> str:
    words = f"{facts['status'].lower()}, created {_day(facts['created_at'])}"
    if "used_at" not in facts:
        return f"{words}, never used"
    return f"{words}, last used {_day(facts['used_at'])} for {facts['used_for']}"


def _day(moment: str) -> str:
    return f"{datetime.fromisoformat(moment):%d %B %Y}".lstrip("0")


def held_back() -> list[Entitlement]:
    """The entitlements that end as soon as the hold does, because their end has passed."""
    now = clock.now()
    due = Entitlement.objects.filter(due_at__lte=now, ends_at__lte=now)
    return list(due.select_related("customer", "product"))
