"""One turn for one row: observe AWS, compare with what is wanted, act on the difference,
record. A turn may be run twice, beside itself, or die anywhere: the next one ends it."""

import logging
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.conf import settings
from django.db.models import QuerySet
from django.utils import timezone

from provisioning import plan, steps
from provisioning.aws import boto, errors
from provisioning.aws.gateway import Gateway
from provisioning.lease import Lease, LeaseLost, claim
from provisioning.models import (
    Grant,
    PullUser,
    Reconciled,
    Registry,
    Repository,
    StepAttempt,
)
from provisioning.models.pull_user import AccessKeyQuerySet
from provisioning.policies import MalformedPolicy
from provisioning.states import KeyStatus, Outcome, Status, Wanted, move
from provisioning.wanted import Due

log = logging.getLogger(__name__)

# How long ECR may not know a user that IAM has made (up to two minutes were seen).
NEWCOMER_RETRY = timedelta(seconds=3)
BACKOFF_FIRST, BACKOFF_LAST = timedelta(seconds=2), timedelta(minutes=15)
# What needs a person is tried again by itself as well: she may have mended it at AWS.
ATTENTION_RETRY = timedelta(hours=1)
# "Not found" is believed after this long: IAM and ECR are eventually consistent.
BELIEVED_AFTER = timedelta(minutes=5)


@dataclass(frozen=True)
class Agreed:
    """How a turn ended that AWS did not stop: whose turn is next, when the row's own next
    turn is due (None: when somebody asks), and what a person should know."""

    next_turns: Due = field(default_factory=Due)
    next_due: datetime | None = None
    attention: str = ""


def pull_user_turn(pk: int) -> Due:
    """Bring one pull user into agreement with AWS. Returns whose turn it is next."""
    return _turn(PullUser, pk, _reconcile_pull_user)


def repository_turn(pk: int) -> Due:
    """Bring one repository's policy into agreement. Returns whose turn it is next."""
    return _turn(Repository, pk, _reconcile_repository)


def _turn(model: type[Reconciled], pk: int, reconcile: Callable[[Lease], Agreed]) -> Due:
    """Claim the row, reconcile it, and give it back with the moment of its next turn."""
    lease = claim(model, pk)
    if lease is None:
        return Due()
    _close_interrupted(model, pk)
    next_turns = Due()
    try:
        try:
            agreed = reconcile(lease)
        except (errors.PermanentError, MalformedPolicy) as error:
            is_due = _release_failed(lease, ATTENTION_RETRY, error, attention=str(error))
        except errors.AwsError as error:
            is_due = _release_failed(lease, _backoff(_failures(model, pk)), error)
        else:
            next_turns = agreed.next_turns
            is_due = lease.release(
                agreed.next_due, failures=0, attention=agreed.attention, last_error=""
            )
    except LeaseLost:
        # What this turn did to AWS after losing the row, its successor has not seen.
        model._default_manager.filter(pk=pk).update(due_at=timezone.now())
        is_due = True
    own = {pk} if is_due else set()
    return next_turns | (Due(pull_users=own) if model is PullUser else Due(repositories=own))


def _release_failed(lease: Lease, delay: timedelta, error: Exception, attention: str = "") -> bool:
    log.warning("The turn of %s %s failed: %s", lease.model.__name__, lease.pk, error)
    return lease.release(
        timezone.now() + delay,
        failures=_failures(lease.model, lease.pk) + 1,
        attention=attention,
        last_error=str(error),
    )


def _failures(model: type[Reconciled], pk: int) -> int:
    failures: int = model._default_manager.values_list("failures", flat=True).get(pk=pk)
    return failures


def _backoff(failures: int) -> timedelta:
    """Twice as long after each failure, up to BACKOFF_LAST; the jitter spreads a crowd."""
    delay = min(BACKOFF_FIRST * 2 ** min(failures, 20), BACKOFF_LAST)
    return delay * random.uniform(0.5, 1)  # noqa: S311 - spreads load, guards nothing


def _close_interrupted(model: type[Reconciled], pk: int) -> None:
    """The tries of a worker that died are over: this turn holds the lease now."""
    of = {"pull_user": pk} if model is PullUser else {"repository": pk}
    StepAttempt.objects.filter(**of, outcome=Outcome.RUNNING).update(
        outcome=Outcome.INTERRUPTED, ended_at=timezone.now()
    )


# --- A pull user -------------------------------------------------------------------


def _reconcile_pull_user(lease: Lease) -> Agreed:
    row = PullUser.objects.select_related("customer").get(pk=lease.pk)
    if row.wanted == Wanted.ABSENT:
        granted = _ids(row.grants.exclude(status=Status.GONE))
        if granted:
            # The grant goes first; the repository's turn calls back here.
            return Agreed(Due(repositories=granted))
    turn = steps.UserTurn(lease, row, _gateway_of_account(row.account_id))
    observed = _observe(turn)
    with lease.writing():
        steps.forget(_missing_keys(row, observed))
    for step in plan.diff(_wanted(row), observed):
        steps.perform(step, turn)
    with lease.writing():
        move(row, Status.READY if row.wanted == Wanted.PRESENT else Status.GONE, field="status")
        unsettled = _ids(row.grants.unsettled())
        Repository.objects.filter(pk__in=unsettled).update(due_at=timezone.now())
    return Agreed(Due(repositories=unsettled), next_due=_next_retirement(row))


def _gateway_of_account(account_id: str) -> Gateway:
    """IAM is one for all regions: any registry of the account leads there."""
    registry = Registry.objects.filter(account_id=account_id).order_by("pk").first()
    if registry is None:
        raise errors.PermanentError(
            f"No registry of AWS account {account_id} is left in the portal. The portal's "
            "administrator can add it again."
        )
    return boto.connect(registry)


def _wanted(row: PullUser) -> plan.WantedUser:
    living = row.access_keys.filter(wanted=KeyStatus.ACTIVE).exclude(retires_at__lte=timezone.now())
    return plan.WantedUser(
        is_present=row.wanted == Wanted.PRESENT,
        keys=frozenset(living.values_list("access_key_id", flat=True)),
        needs_key=not row.access_keys.current().exists(),
    )


def _observe(turn: steps.UserTurn) -> plan.ObservedUser:
    row, gateway = turn.pull_user, turn.gateway
    user = gateway.user(row.name)
    if user is None:
        is_login_policy_needed = row.wanted == Wanted.PRESENT
        return plan.ObservedUser(
            has_login_policy=not is_login_policy_needed
            or gateway.policy_exists(turn.login_policy_arn),
            is_present=False,
        )
    steps.refuse_strangers(turn, user.tags)
    may_sign_in = turn.login_policy_arn in gateway.attached_policies(row.name)
    return plan.ObservedUser(
        # What is attached exists.
        has_login_policy=may_sign_in or gateway.policy_exists(turn.login_policy_arn),
        is_present=True,
        is_complete=may_sign_in and user.user_id == row.user_id,
        keys=gateway.access_keys(row.name),
    )


def _ids(grants: QuerySet[Grant]) -> set[int]:
    return set(grants.values_list("repository_id", flat=True))


def _missing_keys(row: PullUser, observed: plan.ObservedUser) -> AccessKeyQuerySet:
    """The keys that somebody deleted behind the portal's back. Young ones may only not be
    visible yet; and where the user itself is wanted and gone, making it anew settles it."""
    missing = row.access_keys.living().exclude(access_key_id__in=observed.keys)
    if row.wanted == Wanted.ABSENT and not observed.is_present:
        return missing
    if not observed.is_present:
        return missing.none()
    return missing.filter(created_at__lt=timezone.now() - BELIEVED_AFTER)


def _next_retirement(row: PullUser) -> datetime | None:
    retires_at: datetime | None = (
        row.access_keys.filter(wanted=KeyStatus.ACTIVE, retires_at__isnull=False)
        .order_by("retires_at")
        .values_list("retires_at", flat=True)
        .first()
    )
    return retires_at


# --- A repository ------------------------------------------------------------------


def _reconcile_repository(lease: Lease) -> Agreed:
    row = Repository.objects.select_related("registry").get(pk=lease.pk)
    if row.policy_set_at and timezone.now() < row.policy_set_at + settings.REPOSITORY_PACE:
        return Agreed(next_due=row.policy_set_at + settings.REPOSITORY_PACE)
    at_issue = row.grants.exclude(wanted=Wanted.ABSENT, status=Status.GONE)
    grants = list(at_issue.select_related("pull_user").order_by("changed_at", "pk"))
    wanted = [grant for grant in grants if grant.wanted == Wanted.PRESENT]
    unwanted = [grant for grant in grants if grant.wanted == Wanted.ABSENT]
    # A user that is still being made calls back here when it is.
    present = [grant for grant in wanted if grant.pull_user.is_ready]
    try:
        granted = steps.ensure_repository_statement(_observe_repository(lease, row, present))
    except errors.RepositoryNotFound:
        # Its policy went with it.
        next_turns = _record_grants(lease, present=[], granted=[], gone=unwanted)
        if wanted:
            raise
        return Agreed(next_turns)
    next_turns = _record_grants(lease, present, granted, gone=unwanted)
    left_out = [grant for grant in present if grant not in granted]
    return _agreed_but_for(left_out, next_turns)


def _observe_repository(
    lease: Lease, row: Repository, present: list[Grant]
) -> steps.RepositoryTurn:
    gateway = boto.connect(row.registry)
    uri, newest_tag = gateway.repository_uri(row.name), gateway.newest_tag(row.name)
    if (uri, newest_tag) != (row.uri, row.newest_tag):
        with lease.writing():
            Repository.objects.filter(pk=row.pk).update(uri=uri, newest_tag=newest_tag)
    return steps.RepositoryTurn(
        lease,
        row,
        gateway,
        observed=gateway.repository_policy(row.name),
        confirmed=[grant for grant in present if grant.status == Status.READY],
        newcomers=[grant for grant in present if grant.status != Status.READY],
    )


def _record_grants(
    lease: Lease, present: list[Grant], granted: list[Grant], gone: list[Grant]
) -> Due:
    """Write down what AWS has now. Next are the users that lost their last grant, and those
    that AWS once knew and knows no more."""
    now = timezone.now()
    lost = [grant for grant in present if grant.status == Status.READY and grant not in granted]
    with lease.writing():
        # Not the grants of a user that was made anew meanwhile: the policy names the old one.
        Grant.objects.filter(
            pk__in=[grant.pk for grant in granted],
            pull_user__user_id__in={grant.pull_user.user_id for grant in granted},
        ).exclude(status=Status.READY).update(status=Status.READY, changed_at=now)
        for grants, status in ((lost, Status.WAITING), (gone, Status.GONE)):
            Grant.objects.filter(pk__in=[grant.pk for grant in grants]).update(
                status=status, changed_at=now
            )
        leaving = PullUser.objects.unsettled().filter(
            pk__in={grant.pull_user_id for grant in gone}, wanted=Wanted.ABSENT
        )
        due = Due(
            pull_users={*leaving.values_list("pk", flat=True)}
            | {grant.pull_user_id for grant in lost}
        )
        PullUser.objects.filter(pk__in=due.pull_users).update(due_at=now)
    return due


def _agreed_but_for(left_out: list[Grant], next_turns: Due) -> Agreed:
    if not left_out:
        return Agreed(next_turns)
    now = timezone.now()
    waited = now - min(grant.changed_at for grant in left_out)
    names = ", ".join(grant.pull_user.name for grant in left_out[:5])
    attention = (
        f"ECR does not let in {len(left_out)} of the users of this repository ({names}). Either "
        "its policy is full, and the AWS administrator can remove statements that are not the "
        "portal's; or the users were deleted in IAM, and ops can reissue their credentials."
    )
    return Agreed(
        next_turns,
        next_due=now + max(NEWCOMER_RETRY, min(waited / 4, BACKOFF_LAST)),
        attention=attention if waited > BELIEVED_AFTER else "",
    )
