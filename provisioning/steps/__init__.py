"""The steps that change AWS. Each may be taken any number of times, and each try is on
record before AWS hears of it."""

from collections.abc import Callable

from provisioning.plan import Step
from provisioning.steps import access_key, pull_user
from provisioning.steps.attempt import attempt
from provisioning.steps.pull_user import UserTurn
from provisioning.steps.statement import ensure_repository_statement, record_seen, that_fit

__all__ = ["STEPS", "attempt", "ensure_repository_statement", "perform", "record_seen", "that_fit"]

STEPS: dict[str, Callable[[UserTurn, Step], None]] = {
    step.__name__: step
    for step in (
        pull_user.ensure_login_policy,
        pull_user.ensure_pull_user,
        pull_user.ensure_user_policy,
        pull_user.remove_pull_user,
        access_key.ensure_access_key,
        access_key.set_key_status,
        access_key.remove_access_key,
        access_key.try_access_key,
    )
}


def perform(step: Step, turn: UserTurn) -> None:
    """Take one step of a plan, on record. Raises what the gateway raises, and LeaseLost."""
    with attempt(step.name, turn.lease, pull_user=turn.pull_user):
        STEPS[step.name](turn, step)
