"""Drift: what AWS was seen to have that the portal did not make. It is recorded when it is first
seen, confirmed when it is seen again, and then repaired, or left to ops to decide."""

from dataclasses import dataclass, field
from typing import Any

from django.conf import settings

from accounts import clock
from provisioning.models import Drift, Reconciled
from provisioning.models.drift import DriftKind, DriftQuerySet, Repair
from provisioning.notifications import trouble
from provisioning.reconciler.pull_user.plan import PlannedStep

Ending = Drift.Ending


@dataclass(frozen=True)
class Difference:
    """One difference, and the step that would repair it, if a step does. ``facts``: what adopting
    it takes, as JSON has it."""

    kind: DriftKind
    subject: str = ""
    step: PlannedStep | None = None
    detail: str = ""
    facts: dict[str, Any] = field(default_factory=dict, compare=False)


@dataclass(frozen=True)
class RepairDecision:
    """``held``: the differences that must not be repaired now; ``is_waiting``: one of them must
    be confirmed first. They hold back nothing but their own repair."""

    held: set[Difference]
    is_waiting: bool

    def repairable(self, differences: list[Difference]) -> list[Difference]:
        return [difference for difference in differences if difference not in self.held]

    def holds(self, kind: DriftKind) -> bool:
        return any(difference.kind == kind for difference in self.held)

    def allows(self, step: PlannedStep) -> bool:
        """Whether it may be taken now: what takes access away always may."""
        held = {
            (each.step.step, each.step.access_key_id) for each in self.held if each.step is not None
        }
        return step.is_revocation or (step.step, step.access_key_id) not in held


def observe_drift(
    row: Reconciled, differences: list[Difference], *, is_held: bool = False
) -> RepairDecision:
    """Record what was seen on the row's turn, and end what was no longer seen. While the portal is
    held, it repairs only what ops chose."""
    now = clock.now()
    known = {(drift.kind, drift.subject): drift for drift in _open(row)}
    held, is_waiting = set(), False
    for difference in differences:
        drift = known.pop((difference.kind, difference.subject), None)
        if drift is None:
            drift = Drift.objects.create(
                kind=difference.kind,
                subject=difference.subject,
                detail=difference.detail,
                facts=difference.facts,
                **{row.kind: row},
            )
            is_certain = not Drift.Kind(drift.kind).policy.is_confirmed
        else:
            was_certain = is_confirmed(drift) or not Drift.Kind(drift.kind).policy.is_confirmed
            drift.last_seen_at, drift.times_seen = now, drift.times_seen + 1
            drift.facts = difference.facts
            drift.save(update_fields=["last_seen_at", "times_seen", "facts"])
            is_certain = is_confirmed(drift) and not was_certain
        if is_certain:
            trouble.found(drift)
        if drift.choice != "repair" and (is_held or not _may_be_repaired(drift)):
            held.add(difference)
            is_waiting |= _is_repaired_by_the_portal(drift) and not is_held
    for drift in known.values():
        _end(drift, Ending.ADOPTED if drift.choice == "adopt" else Ending.VANISHED)
    return RepairDecision(held, is_waiting)


def mark_repaired(row: Reconciled, differences: list[Difference]) -> None:
    """Record that the steps against these differences have been taken."""
    for difference in differences:
        for drift in _open(row).filter(kind=difference.kind, subject=difference.subject):
            _end(drift, Ending.REPAIRED)


def is_confirmed(drift: Drift) -> bool:
    """Whether it was seen twice, some time apart: a single read may be stale."""
    age = drift.last_seen_at - drift.first_seen_at
    return drift.times_seen > 1 and age >= settings.DRIFT_CONFIRM


def _open(row: Reconciled) -> DriftQuerySet:
    return Drift.objects.open().filter(**{row.kind: row})


def _may_be_repaired(drift: Drift) -> bool:
    if drift.choice == "repair" or not Drift.Kind(drift.kind).policy.is_confirmed:
        return True
    return _is_repaired_by_the_portal(drift) and is_confirmed(drift)


def _is_repaired_by_the_portal(drift: Drift) -> bool:
    """Whether the portal repairs it by itself."""
    is_ours = Drift.Kind(drift.kind).policy.repair is Repair.PORTAL and drift.choice != "adopt"
    return is_ours and settings.DRIFT_REPAIR


def _end(drift: Drift, ending: Drift.Ending) -> None:
    drift.ended_at, drift.ending = clock.now(), ending
    drift.save(update_fields=["ended_at", "ending"])
