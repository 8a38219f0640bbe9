"""The steps that change AWS. Each may be taken any number of times, and each try is on
record before AWS hears of it."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from django.conf import settings
from django.utils import timezone

from provisioning import names, placement, policies, vault
from provisioning.aws import errors
from provisioning.aws.gateway import Gateway
from provisioning.lease import Lease
from provisioning.models import AccessKey, Grant, PullUser, Repository, StepAttempt
from provisioning.models.pull_user import AccessKeyQuerySet
from provisioning.plan import Step
from provisioning.policies import Document
from provisioning.states import KeyStatus, Outcome, Status


@dataclass(frozen=True)
class UserTurn:
    """A turn at one pull user: the row as read under the lease, and its account."""

    lease: Lease
    pull_user: PullUser
    gateway: Gateway

    @property
    def login_policy_arn(self) -> str:
        return login_policy_arn(self.pull_user.account_id)


def login_policy_arn(account_id: str) -> str:
    return f"arn:aws:iam::{account_id}:policy{settings.AWS_PATH}{settings.AWS_LOGIN_POLICY_NAME}"


def perform(step: Step, turn: UserTurn) -> None:
    """Take one step of a plan, on record. Raises what the gateway raises, and LeaseLost."""
    with attempt(step.name, turn.lease, pull_user=turn.pull_user):
        _STEPS[step.name](turn, step)


@contextmanager
def attempt(name: str, lease: Lease, **of: object) -> Iterator[StepAttempt]:
    """Record a try: begun before the block, ended by how the block ends. An ``error`` set
    in the block says what is left to be tried again.

    ``of`` is the row tried for: ``pull_user=`` or ``repository=``.
    """
    with lease.writing():
        row = StepAttempt.objects.create(step=StepAttempt.Step(name), **of)
    try:
        yield row
    except errors.PermanentError as error:
        row.end(Outcome.PERMANENT, str(error))
        raise
    except errors.AwsError as error:
        row.end(Outcome.TEMPORARY, str(error))
        raise
    except Exception:
        row.end(Outcome.INTERRUPTED)
        raise
    row.end(Outcome.TEMPORARY if row.error else Outcome.DONE, row.error)


def ensure_login_policy(turn: UserTurn, step: Step) -> None:
    """The account's policy that lets pull users sign in to its registry."""
    try:
        turn.gateway.create_policy(
            settings.AWS_LOGIN_POLICY_NAME, settings.AWS_PATH, policies.login_policy()
        )
    except errors.AlreadyThere:
        pass  # Another customer's turn was quicker.


def ensure_pull_user(turn: UserTurn, step: Step) -> None:
    """The IAM user, ours by its tags, with the sign-in policy attached."""
    row = turn.pull_user
    tags = names.user_tags(row.customer.slug, row.label)
    user = turn.gateway.user(row.name)
    if user is None:
        try:
            user = turn.gateway.create_user(row.name, settings.AWS_PATH, tags)
        except errors.AlreadyThere:
            # Made by a try whose answer was lost; or a namesake in other case.
            user = turn.gateway.user(row.name)
            if user is None:
                raise errors.TemporaryError(
                    f"IAM says that the user {row.name} exists, but does not show it yet."
                ) from None
            refuse_strangers(turn, user.tags)
    turn.gateway.attach_policy(row.name, turn.login_policy_arn)
    with turn.lease.writing():
        if row.user_id != user.user_id:
            _forget_predecessor(row)
        row.arn, row.user_id = user.arn, user.user_id
        row.save(update_fields=["arn", "user_id"])


def _forget_predecessor(row: PullUser) -> None:
    """Another user bears the name now: the keys of the one before went with it, and a
    policy that named it does not let this one in. The next turn makes both anew."""
    row.grants.filter(status=Status.READY).update(status=Status.WAITING)
    if forget(row.access_keys.all()):
        PullUser.objects.filter(pk=row.pk).update(due_at=timezone.now())


def forget(keys: AccessKeyQuerySet) -> int:
    """Write down that AWS no longer has these keys, and burn what is sealed of them.
    Returns how many were thought to live."""
    vault.burn(*keys)
    return keys.living().update(status=KeyStatus.DELETED, wanted=KeyStatus.DELETED)


def refuse_strangers(turn: UserTurn, tags: Mapping[str, str]) -> None:
    """Raise PermanentError for a user of the right name that the portal did not make."""
    row = turn.pull_user
    if not names.is_ours(tags, customer_slug=row.customer.slug, label=row.label):
        raise errors.PermanentError(
            f"AWS account {row.account_id} has a user named {row.name} that the portal did not "
            "make for this customer. The account's administrator can rename or delete it; the "
            "portal leaves it alone."
        )


def ensure_access_key(turn: UserTurn, step: Step) -> None:
    """A new access key, its secret sealed at once.

    The one step that cannot be repeated: whatever happens between AWS's answer and the
    end of the transaction leaves a key that the database does not know, and the next
    turn deletes it.
    """
    key = turn.gateway.create_access_key(turn.pull_user.name)
    with turn.lease.writing():
        row = AccessKey.objects.create(pull_user=turn.pull_user, access_key_id=key.access_key_id)
        vault.seal(key.secret_access_key, access_key=row)


def remove_access_key(turn: UserTurn, step: Step) -> None:
    """A key that should not live: retired, withdrawn, or unknown to the database."""
    turn.gateway.delete_access_key(turn.pull_user.name, step.access_key_id)
    with turn.lease.writing():
        forget(AccessKey.objects.filter(access_key_id=step.access_key_id))


def remove_pull_user(turn: UserTurn, step: Step) -> None:
    """The user and what hangs on it; its keys went before."""
    for arn in turn.gateway.attached_policies(turn.pull_user.name):
        turn.gateway.detach_policy(turn.pull_user.name, arn)
    turn.gateway.delete_user(turn.pull_user.name)
    with turn.lease.writing():
        forget(turn.pull_user.access_keys.all())


_STEPS: dict[str, Callable[[UserTurn, Step], None]] = {
    step.__name__: step
    for step in (
        ensure_login_policy,
        ensure_pull_user,
        ensure_access_key,
        remove_access_key,
        remove_pull_user,
    )
}


@dataclass(frozen=True)
class RepositoryTurn:
    """A turn at one repository's policy.

    ``confirmed`` are the grants that AWS took before, ``newcomers`` those it has yet to
    take; whoever is in neither goes.
    """

    lease: Lease
    repository: Repository
    gateway: Gateway
    observed: Document | None
    confirmed: list[Grant]
    newcomers: list[Grant]


def ensure_repository_statement(turn: RepositoryTurn) -> list[Grant]:
    """Make our statement name the confirmed and as many newcomers as AWS takes.

    Returns the grants that the policy then holds, read back. Newcomers that ECR does not
    know yet, or for which there is no room, are left out and hold up nobody else.
    """
    newcomers = _that_fit(turn)
    if _same(turn, turn.observed, turn.confirmed + newcomers):
        return turn.confirmed + newcomers
    with attempt("ensure_repository_statement", turn.lease, repository=turn.repository) as row:
        granted = _set_largest(turn, newcomers)
        with turn.lease.writing():
            Repository.objects.filter(pk=turn.repository.pk).update(policy_set_at=timezone.now())
        if not _same(turn, turn.gateway.repository_policy(turn.repository.name), granted):
            raise errors.TemporaryError(
                "ECR has taken the policy, but does not show it yet: it is read again."
            )
        left_out = len(turn.confirmed) + len(newcomers) - len(granted)
        if left_out:
            row.error = f"ECR does not know {left_out} of the users yet; they are tried again."
    return granted


def _set_largest(turn: RepositoryTurn, newcomers: list[Grant]) -> list[Grant]:
    """Set the policy with all newcomers; when ECR does not know one, halve them until
    those it knows are in. One call for a good lot, some twice log2(n) for a bad one."""
    granted = turn.confirmed
    is_set = False

    def add(some: list[Grant]) -> None:
        nonlocal granted, is_set
        try:
            _set(turn, granted + some)
        except errors.PrincipalNotFound:
            if len(some) > 1:
                half = len(some) // 2
                add(some[:half])
                add(some[half:])
            return
        granted, is_set = granted + some, True

    if newcomers:
        add(newcomers)
    if not is_set and not _same(turn, turn.observed, granted):
        granted = _set_confirmed(turn)
    return granted


def _set_confirmed(turn: RepositoryTurn) -> list[Grant]:
    """Set the policy without newcomers. Should ECR not know one of the confirmed, those
    whose user was deleted behind the portal's back are left out."""
    try:
        _set(turn, turn.confirmed)
    except errors.PrincipalNotFound:
        alive = [grant for grant in turn.confirmed if turn.gateway.user(grant.pull_user.name)]
        _set(turn, alive)
        return alive
    return turn.confirmed


def _that_fit(turn: RepositoryTurn) -> list[Grant]:
    """The newcomers, first come first served, for whom the policy has room."""
    newcomers = turn.newcomers
    while newcomers and not placement.fits(_document(turn, turn.confirmed + newcomers)):
        newcomers = newcomers[:-1]
    return newcomers


def _document(turn: RepositoryTurn, grants: list[Grant]) -> Document | None:
    return policies.repository_policy(turn.observed, [grant.pull_user.arn for grant in grants])


def _same(turn: RepositoryTurn, document: Document | None, grants: list[Grant]) -> bool:
    return policies.same_meaning(document, _document(turn, grants))


def _set(turn: RepositoryTurn, grants: list[Grant]) -> None:
    document = _document(turn, grants)
    if document is None:
        turn.gateway.delete_repository_policy(turn.repository.name)
    else:
        turn.gateway.set_repository_policy(turn.repository.name, document)
