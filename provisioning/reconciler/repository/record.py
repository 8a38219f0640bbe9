"""What a turn at a repository's policy records of the grants, and whose turn that makes it."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import transaction

from accounts.models import Customer
from provisioning.desired import schedule
from provisioning.models import AccessKey, Grant, PullUser
from provisioning.reconciler.lease import Lease
from provisioning.reconciler.pull_user.context import mark
from provisioning.reconciler.readiness import record_ready
from provisioning.states import Desired

Placement = Grant.Placement


def record(lease: Lease, grants: list[Grant], granted: set[Grant]) -> None:
    """Record that of ``grants`` the policy has ``granted``, and wake the users for whom that
    changes something."""
    changed = [grant for grant in grants if grant.in_repository_policy is not (grant in granted)]
    if changed:
        _record_changes(lease, changed, granted)
    if granted:
        customers = {grant.pull_user.customer_id for grant in granted}
        record_ready(Customer.objects.filter(pk__in=customers))


def _record_changes(lease: Lease, grants: list[Grant], granted: set[Grant]) -> None:
    at_issue = Grant.objects.filter(pk__in=[grant.pk for grant in grants])
    written = at_issue.filter(
        pk__in=[grant.pk for grant in grants if grant in granted],
        # Not of a user that was replaced meanwhile: the policy names the old one.
        pull_user__user_id__in={grant.pull_user.user_id for grant in granted},
    )
    written_pks = set(written.values_list("pk", flat=True))
    pull_users = {grant.pull_user_id for grant in grants}
    with locked(pull_users), lease.writing():
        mark(at_issue.filter(pk__in=written_pks), "in_repository_policy", is_there=True)
        mark(at_issue.exclude(pk__in=written_pks), "in_repository_policy", is_there=False)
        admitted = {grant.pull_user_id for grant in grants if grant in granted}
        # ECR no longer knows them: their own turns find out why.
        lost = {g.pull_user_id for g in grants if g.in_repository_policy and g not in granted}
        woken = _users_to_wake(pull_users, admitted) | lost
        schedule.wake(pull_users=woken, priority=lease.wakes_with)


def _users_to_wake(pull_users: set[int], admitted: set[int]) -> set[int]:
    """Of these users, those for whom it is time: to be removed, to be admitted elsewhere or no
    longer, or, being admitted now, to have their key tested."""
    users = PullUser.objects.filter(pk__in=pull_users)
    unsettled = users.unsettled().filter(desired=Desired.ABSENT)
    elsewhere = Grant.objects.unsettled().filter(pull_user__in=pull_users)
    elsewhere = elsewhere.exclude(placement=Placement.REPOSITORY_POLICY, in_user_policy=False)
    untested = AccessKey.objects.current().filter(
        pull_user__in=admitted, tested_at__isnull=True, secret__ciphertext__isnull=False
    )
    return {
        *unsettled.values_list("pk", flat=True),
        *elsewhere.values_list("pull_user_id", flat=True),
        *untested.values_list("pull_user_id", flat=True),
    }


@contextmanager
def locked(pull_users: set[int]) -> Iterator[None]:
    """A transaction that holds these pull users before it takes the repository, as actions do:
    locking in another order may deadlock."""
    with transaction.atomic():
        rows = PullUser.objects.select_for_update(no_key=True).filter(pk__in=pull_users)
        list(rows.order_by("pk").values_list("pk", flat=True))
        yield
