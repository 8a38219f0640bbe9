"""Taking the planned steps of a turn: one that fails holds up only those that need it."""

from collections.abc import Callable
from dataclasses import dataclass, field

from provisioning.aws import errors
from provisioning.reconciler.drift import Difference
from provisioning.reconciler.pull_user.context import PullUserContext
from provisioning.reconciler.pull_user.plan import PlannedStep
from provisioning.reconciler.pull_user.steps import perform
from provisioning.states import Step


@dataclass
class TakenSteps:
    """What became of the steps of a turn."""

    done: list[PlannedStep] = field(default_factory=list)
    missed: set[Step] = field(default_factory=set)
    failures: list[errors.AwsError] = field(default_factory=list)

    def has_taken(self, step: Step) -> bool:
        return any(planned.step == step for planned in self.done)

    def has_repaired(self, difference: Difference, repairable: list[Difference]) -> bool:
        """Whether the step against the difference was taken; without one, it was repairable."""
        step = difference.step
        if step is None:
            return difference in repairable
        return any(
            (each.step, each.access_key_id) == (step.step, step.access_key_id) for each in self.done
        )

    def raise_worst(self) -> None:
        """Raise the failure that most needs a person, if there is one."""
        for family in (errors.Unauthorized, errors.Denied, errors.PermanentError, errors.AwsError):
            for error in self.failures:
                if isinstance(error, family):
                    raise error


def take_steps(
    context: PullUserContext,
    steps: list[PlannedStep],
    is_allowed: Callable[[PlannedStep], bool] = lambda planned: True,
) -> TakenSteps:
    """Take each step that is allowed. One that fails, or is not, holds up those that need it, and
    no others. Raises LeaseLost."""
    taken = TakenSteps()
    for planned in steps:
        if not is_allowed(planned) or planned.needs & taken.missed:
            taken.missed.add(planned.step)
            continue
        try:
            perform(planned, context)
        except errors.AwsError as error:
            taken.missed.add(planned.step)
            taken.failures.append(error)
        else:
            taken.done.append(planned)
    return taken
