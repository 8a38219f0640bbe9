"""The hold: the portal looks at AWS and changes nothing there by itself, until people have decided
what is right, AWS or the database."""

from django.db import transaction

from accounts import clock
from accounts.actor import Actor
from accounts.audit.log import Action, record, record_by_portal
from provisioning.models import (
    Drift,
    Installation,
    PullUser,
    Reconciled,
    Registry,
    Repository,
    update_in_order,
)
from provisioning.states import Desired

# In the order in which actions lock them.
LOOKED_AT: tuple[type[Reconciled], ...] = (PullUser, Repository, Registry)


@transaction.atomic
def begin(because: str, *, by: Actor | None = None) -> bool:
    """Hold the portal, and look at everything. Returns whether it was not held before. ``by``:
    None where the portal itself has found a reason, or someone at its command line."""
    running = Installation.objects.filter(pk=Installation.get().pk, held_at=None)
    if not running.update(held_at=clock.now(), held_because=because):
        return False
    _record(Action.HELD, because, by)
    _look_again()
    return True


@transaction.atomic
def end(reason: str, *, by: Actor | None = None) -> bool:
    """Let the portal go on: AWS is made to agree with the database. Returns whether it was held.
    The caller has made sure that nothing is left to decide."""
    held = Installation.objects.filter(pk=1, held_at__isnull=False)
    if not held.update(held_at=None, held_because=""):
        return False
    _record(Action.RELEASED, reason, by)
    _look_again()
    return True


def _record(action: Action, reason: str, by: Actor | None) -> None:
    if by is None:
        record_by_portal(action, "the portal", reason=reason)
    else:
        record(action, "the portal", by=by, reason=reason)


def _look_again() -> None:
    """The sweep enqueues the rows; each account's epoch is compared first."""
    update_in_order(Registry.objects.all(), epoch_at=None)
    for model in LOOKED_AT:
        update_in_order(model._default_manager.all(), due_at=clock.now())


def unseen() -> int:
    """How many rows AWS has not been asked about since the hold began. Those that failed since are
    not counted: they were tried."""
    held_at = Installation.get().held_at
    if held_at is None:
        return 0
    accounts = Registry.objects.filter(failures=0).exclude(epoch_at__gt=held_at)
    repositories = Repository.objects.filter(failures=0).exclude(observed_at__gt=held_at)
    pull_users = PullUser.objects.filter(failures=0).exclude(observed_at__gt=held_at)
    pull_users = pull_users.exclude(desired=Desired.ABSENT)
    return accounts.count() + repositories.count() + pull_users.count()


def undecided() -> int:
    """How many differences keep the hold from ending until ops have decided."""
    return Drift.objects.blocking_release().count()
