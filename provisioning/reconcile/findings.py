"""Drift: what AWS was seen to have that the portal did not make. Believed at the second
sight, then repaired, or left to ops to choose."""

from dataclasses import dataclass

from django.conf import settings
from django.utils import timezone

from provisioning.models import Finding, PullUser, Reconciled, Registry, Repository
from provisioning.plan import Step

Kind = Finding.Kind
Ending = Finding.Ending

# Somebody may have had a reason: repaired only when ops say so.
BY_CHOICE = {Kind.KEY_STATUS, Kind.ORPHAN_USER}
# Removed at first sight: what is unknown to the database may be anybody's.
AT_ONCE = {Kind.KEY_UNKNOWN}
# Not the portal's to change: shown until it is no longer so.
ONLY_SHOWN = {Kind.FOREIGN_POLICY, Kind.DEAD_PRINCIPAL, Kind.KEY_UNUSABLE}
# What ops may leave as it is.
ADOPTABLE = BY_CHOICE | ONLY_SHOWN | {Kind.LOGIN_POLICY_CHANGED}


@dataclass(frozen=True)
class Drift:
    """One difference, and the step that would repair it, if a step does."""

    kind: Finding.Kind
    subject: str = ""
    step: Step | None = None


@dataclass(frozen=True)
class Seen:
    """``held``: the drifts that must not be repaired now; ``is_waiting``: one of them must be
    seen again first."""

    held: set[Drift]
    is_waiting: bool

    def let_through(self, drifts: list[Drift]) -> list[Drift]:
        return [drift for drift in drifts if drift not in self.held]

    def allows(self, step: Step) -> bool:
        """While one is waiting, only what takes away may be done."""
        is_held = step in {drift.step for drift in self.held}
        return not is_held and (step.takes_away or not self.is_waiting)


def see(row: Reconciled, drifts: list[Drift]) -> Seen:
    """Record what was seen, and what no longer is."""
    now = timezone.now()
    before = {(f.kind, f.subject): f for f in Finding.objects.open().filter(row=row.row_name)}
    held, is_waiting = set(), False
    for drift in drifts:
        finding = before.pop((drift.kind, drift.subject), None)
        if finding is None:
            finding = Finding.objects.create(
                kind=drift.kind, subject=drift.subject, row=row.row_name, **_place(row)
            )
        else:
            finding.last_seen_at, finding.times_seen = now, finding.times_seen + 1
            finding.save(update_fields=["last_seen_at", "times_seen"])
        if not _may_be_repaired(finding):
            held.add(drift)
            is_waiting |= _is_for_the_portal(finding)
    for finding in before.values():
        _end(finding, Ending.ADOPTED if finding.choice == "adopt" else Ending.VANISHED)
    return Seen(held, is_waiting)


def repaired(row: Reconciled, drifts: list[Drift]) -> None:
    """The steps against these have been taken."""
    for drift in drifts:
        found = Finding.objects.open().filter(
            row=row.row_name, kind=drift.kind, subject=drift.subject
        )
        for finding in found:
            _end(finding, Ending.REPAIRED)


def is_believed(finding: Finding) -> bool:
    """A single read may be stale."""
    age = finding.last_seen_at - finding.first_seen_at
    return finding.times_seen > 1 and age >= settings.DRIFT_CONFIRM


def _may_be_repaired(finding: Finding) -> bool:
    if finding.kind in AT_ONCE or finding.choice == "repair":
        return True
    return _is_for_the_portal(finding) and is_believed(finding)


def _is_for_the_portal(finding: Finding) -> bool:
    """Whether the portal repairs it without being told to."""
    is_its = finding.kind not in BY_CHOICE | ONLY_SHOWN and finding.choice != "adopt"
    return is_its and settings.DRIFT_REPAIR


def _end(finding: Finding, ending: Finding.Ending) -> None:
    finding.ended_at, finding.ending = timezone.now(), ending
    finding.save(update_fields=["ended_at", "ending"])


def _place(row: Reconciled) -> dict[str, Reconciled]:
    fields: dict[type[Reconciled], str] = {
        PullUser: "pull_user",
        Repository: "repository",
        Registry: "registry",
    }
    return {fields[type(row)]: row}
