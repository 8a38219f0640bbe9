"""The step that sets a repository's policy."""

from dataclasses import dataclass

from django.utils import timezone

from provisioning import placement, policies
from provisioning.aws import errors
from provisioning.aws.gateway import Gateway
from provisioning.lease import Lease
from provisioning.models import Grant, Repository
from provisioning.policies import Document
from provisioning.steps.attempt import attempt


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
    newcomers = that_fit(turn)
    if policies.same_statement(turn.observed, _arns(turn.confirmed + newcomers)):
        return turn.confirmed + newcomers
    with attempt("ensure_repository_statement", turn.lease, repository=turn.repository) as row:
        granted = _set_largest(turn, newcomers)
        with turn.lease.writing():
            Repository.objects.filter(pk=turn.repository.pk).update(policy_set_at=timezone.now())
        shown = turn.gateway.repository_policy(turn.repository.name)
        if not policies.same_meaning(shown, _document(turn, granted)):
            raise errors.TemporaryError(
                "ECR has taken the policy, but does not show it yet: it is read again."
            )
        record_seen(turn.lease, shown)
        left_out = len(turn.confirmed) + len(newcomers) - len(granted)
        if left_out:
            row.error = f"ECR does not know {left_out} of the users yet; they are tried again."
    return granted


def record_seen(lease: Lease, document: Document | None) -> None:
    """Write down what the leased repository's policy was seen to be."""
    with lease.writing():
        Repository.objects.filter(pk=lease.pk).update(
            policy_length=placement.policy_length(document),
            pullers=policies.pullers(document),
            observed_at=timezone.now(),
        )


def that_fit(turn: RepositoryTurn) -> list[Grant]:
    """The newcomers, first come first served, for whom the policy has room."""
    room = placement.REPOSITORY_POLICY_LIMIT
    room -= placement.policy_length(_document(turn, turn.confirmed))
    if not turn.confirmed:
        room -= placement.STATEMENT_LENGTH
    fitting = []
    for grant in turn.newcomers:
        length = placement.principal_length(grant.pull_user.arn)
        if length <= room:
            fitting.append(grant)
            room -= length
    return fitting


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
    if not is_set and not policies.same_statement(turn.observed, _arns(granted)):
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


def _document(turn: RepositoryTurn, grants: list[Grant]) -> Document | None:
    return policies.repository_policy(turn.observed, _arns(grants))


def _arns(grants: list[Grant]) -> list[str]:
    return [grant.pull_user.arn for grant in grants]


def _set(turn: RepositoryTurn, grants: list[Grant]) -> None:
    # Halving may take many calls: a lost lease must stop them.
    turn.lease.renew()
    document = _document(turn, grants)
    if document is None:
        turn.gateway.delete_repository_policy(turn.repository.name)
    else:
        turn.gateway.set_repository_policy(turn.repository.name, document)
