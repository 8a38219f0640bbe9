"""The step that sets a repository's policy."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from accounts import clock
from provisioning.aws import errors
from provisioning.documents import grammar, limits, policies
from provisioning.documents.grammar import Document
from provisioning.models import Grant, PullUser, Repository
from provisioning.reconciler import in_doubt
from provisioning.reconciler.attempt import attempt
from provisioning.reconciler.pull_user.context import mark, require_elsewhere
from provisioning.reconciler.repository.context import RepositoryContext, record_observed
from provisioning.states import Step

# How often one turn sets the policy at most, while it looks for users that ECR refuses.
MOST_WRITES = 8


def ensure_repository_statement(context: RepositoryContext, pending: list[Grant]) -> list[Grant]:
    """Make our statement name the confirmed grants and as many of ``pending`` as AWS accepts.

    Returns the grants that the policy then holds, by ECR's own answer. Those whose user ECR does
    not know yet are left out, and hold up nobody else. Raises PermanentError where ECR refuses the
    policy for what others wrote there.
    """
    with attempt(Step.ENSURE_REPOSITORY_STATEMENT, context.lease) as row:
        writer = _Writer(context)
        granted = writer.set_with(pending)
        shown = writer.shown
        if grammar.meaning(shown) != grammar.meaning(context.document(granted)):
            raise errors.TemporaryError(
                "ECR has accepted the policy, but answers with another: it will be read again."
            )
        record_observed(
            context.lease,
            shown,
            statement_written=policies.fingerprint(shown, context.owner),
            statement_attempted="",
        )
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


@dataclass
class _Writer:
    """Sets the policy, and looks for whom ECR refuses, within MOST_WRITES calls."""

    context: RepositoryContext
    writes: int = field(default=0)
    # As ECR answered the last write that it accepted.
    shown: Document | None = None

    def set_with(self, pending: list[Grant]) -> list[Grant]:
        """Set the policy with ``pending``; if ECR does not know a principal, once without them;
        then, by halves, with those that it knows. Returns the grants that are in."""
        confirmed = self.context.confirmed
        if self._is_accepted(confirmed + pending):
            return confirmed + pending
        granted = self._without_newcomers()
        parts = _halves(pending)
        while parts and self.writes < MOST_WRITES:
            part = parts.pop(0)
            if self._is_accepted(granted + part):
                granted = granted + part
            else:
                parts = _halves(part) + parts
        return granted

    def _without_newcomers(self) -> list[Grant]:
        """Set the policy with the confirmed users alone, by the ARNs that they have now and without
        those that are gone. Raises PermanentError where that is refused, too."""
        confirmed = self.context.confirmed
        if self._is_accepted(confirmed):
            return confirmed
        alive = self._as_they_are(confirmed)
        if alive is not None and self._is_accepted(alive):
            return alive
        foreign = policies.foreign_principals(self.context.observed, self.context.owner)
        named = "; ".join(
            f"{principal} (Sid {', '.join(sids)})" for principal, sids in sorted(foreign.items())
        )
        raise errors.PermanentError(
            "ECR refuses this repository's policy, because someone whom it names no longer exists: "
            "perhaps a closed account, or a deleted role. It is none of the portal's users. The "
            "AWS account's administrator can remove from the policy whichever is gone of: "
            f"{named or 'nobody that the portal recognises'}."
        )

    def _as_they_are(self, confirmed: list[Grant]) -> list[Grant] | None:
        """The confirmed grants of users that IAM has, with their ARNs of now; None where that
        changes nothing."""
        now = {user.user_id: user.arn for user in self.context.gateway.users("/")}
        alive, is_other = [], False
        for grant in confirmed:
            arn = now.get(grant.pull_user.user_id)
            if arn != grant.pull_user.arn:
                is_other = True
            if arn and arn != grant.pull_user.arn:
                PullUser.objects.filter(pk=grant.pull_user_id).update(arn=arn)
                grant.pull_user.arn = arn
            if arn:
                alive.append(grant)
        return alive if is_other else None

    def _is_accepted(self, grants: list[Grant]) -> bool:
        self.writes += 1
        gateway, name = self.context.gateway, self.context.repository.name
        document = self.context.document(grants)
        try:
            with _in_doubt(self.context, grants):
                if document is None:
                    gateway.delete_repository_policy(name)
                    self.shown = None
                else:
                    self.shown = gateway.set_repository_policy(name, document)
        except errors.PrincipalNotFound:
            return False
        return True


@contextmanager
def _in_doubt(context: RepositoryContext, grants: list[Grant]) -> Iterator[None]:
    """While the call is made, and for as long as its outcome is not known, nothing is known of the
    grants that it adds or removes. The lease is renewed: many calls may follow one another."""
    staying = {grant.pk for grant in grants}
    at_issue = [*context.confirmed, *context.pending, *context.leaving]
    coming = [g.pk for g in at_issue if g.pk in staying and not g.in_repository_policy]
    going = [g.pk for g in at_issue if g.pk not in staying and g.in_repository_policy]
    repository = Repository.objects.filter(pk=context.repository.pk)
    changing = Grant.objects.filter(pk__in=coming + going)
    row, attempted = context.repository, context.fingerprint(grants)
    with context.lease.writing():
        repository.update(
            # What the write before this one has written, of the same turn.
            statement_written=row.statement_written,
            statement_attempted=in_doubt.and_sent(row.statement_attempted, attempted),
            policy_set_at=clock.now(),
        )
        leaving = Grant.objects.filter(pk__in=[grant.pk for grant in context.leaving])
        require_elsewhere(leaving, "in_repository_policy")
        mark(changing, "in_repository_policy", is_there=None)
    try:
        yield
    except errors.AwsError as error:
        if not errors.may_have_happened(error):
            before = row.statement_attempted
            with context.lease.writing():
                repository.update(statement_attempted=before)
                changing.filter(pk__in=going).update(in_repository_policy=True)
                if not before:
                    changing.filter(pk__in=coming).update(in_repository_policy=False)
        raise
    row.statement_written, row.statement_attempted = attempted, ""


def _halves(grants: list[Grant]) -> list[list[Grant]]:
    half = len(grants) // 2
    return [part for part in (grants[:half], grants[half:]) if part] if len(grants) > 1 else []
