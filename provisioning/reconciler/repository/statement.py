"""The step that sets a repository's policy."""

from django.utils import timezone

from provisioning.aws import errors
from provisioning.documents import limits, policies
from provisioning.models import Grant, Repository
from provisioning.reconciler.attempt import attempt
from provisioning.reconciler.repository.context import RepositoryContext, arns, record_observed
from provisioning.states import Step


def ensure_repository_statement(context: RepositoryContext) -> list[Grant]:
    """Make our statement name the confirmed grants and as many pending ones as AWS accepts.

    Returns the grants that the policy then holds, as read back. Pending grants whose user ECR
    does not know yet, or for which there is no room, are left out and hold up nobody else.
    """
    pending = that_fit(context)
    if policies.same_statement(context.observed, arns(context.confirmed + pending)):
        return context.confirmed + pending
    with attempt(Step.ENSURE_REPOSITORY_STATEMENT, context.lease) as row:
        granted = _set_largest(context, pending)
        with context.lease.writing():
            Repository.objects.filter(pk=context.repository.pk).update(policy_set_at=timezone.now())
        shown = context.gateway.repository_policy(context.repository.name)
        if not policies.same_meaning(shown, context.document(granted)):
            raise errors.TemporaryError(
                "ECR has accepted the policy, but does not show it yet: it will be read again."
            )
        record_observed(context.lease, shown)
        left_out = len(context.confirmed) + len(pending) - len(granted)
        if left_out:
            row.error = f"ECR does not know {left_out} of the users yet; they will be retried."
    return granted


def that_fit(context: RepositoryContext) -> list[Grant]:
    """The pending grants, first come first served, for which the policy has room."""
    room = limits.REPOSITORY_POLICY_LIMIT
    room -= limits.policy_length(context.document(context.confirmed))
    if not context.confirmed:
        room -= limits.STATEMENT_LENGTH
    fitting = []
    for grant in context.pending:
        length = limits.principal_length(grant.pull_user.arn)
        if length <= room:
            fitting.append(grant)
            room -= length
    return fitting


def _set_largest(context: RepositoryContext, pending: list[Grant]) -> list[Grant]:
    """Set the policy with all pending grants; if ECR does not know a user, halve them until
    those it knows are in. One call if it knows all of them, about twice log2(n) otherwise."""
    granted = context.confirmed
    is_set = False

    def add(some: list[Grant]) -> None:
        nonlocal granted, is_set
        try:
            _set(context, granted + some)
        except errors.PrincipalNotFound:
            if len(some) > 1:
                half = len(some) // 2
                add(some[:half])
                add(some[half:])
            return
        granted, is_set = granted + some, True

    if pending:
        add(pending)
    if not is_set and not policies.same_statement(context.observed, arns(granted)):
        granted = _set_confirmed(context)
    return granted


def _set_confirmed(context: RepositoryContext) -> list[Grant]:
    """Set the policy without pending grants. If ECR does not know one of the confirmed users,
    leave out those who were deleted behind the portal's back."""
    try:
        _set(context, context.confirmed)
    except errors.PrincipalNotFound:
        alive = [g for g in context.confirmed if context.gateway.user(g.pull_user.name)]
        _set(context, alive)
        return alive
    return context.confirmed


def _set(context: RepositoryContext, grants: list[Grant]) -> None:
    # Halving may take many calls: a lost lease must stop them.
    context.lease.renew()
    document = context.document(grants)
    if document is None:
        context.gateway.delete_repository_policy(context.repository.name)
    else:
        context.gateway.set_repository_policy(context.repository.name, document)
