"""What a turn at a repository's policy works with."""

from collections.abc import Collection
from dataclasses import dataclass

from accounts import clock
from provisioning.aws.gateway import Gateway
from provisioning.documents import limits, policies, pulling
from provisioning.documents.grammar import Document
from provisioning.documents.policies import Owner
from provisioning.models import Drift, Grant, PullUser, Repository
from provisioning.reconciler.lease import Lease


@dataclass(frozen=True)
class RepositoryContext:
    """One turn.

    ``confirmed`` are the grants that AWS shows and that belong here, ``pending`` those that belong
    here and that it does not show, ``leaving`` those that do not belong here and that it has or
    may have. ``others`` are the ARNs of users that stay although the database has no grant for them
    (``held``). A user in none of them is removed.
    """

    lease: Lease
    repository: Repository
    gateway: Gateway
    owner: Owner
    observed: Document | None
    confirmed: list[Grant]
    pending: list[Grant]
    leaving: list[Grant]
    others: frozenset[str] = frozenset()

    def document(self, grants: Collection[Grant]) -> Document | None:
        """The policy that admits exactly these grants, and the others, with everything foreign
        kept."""
        admitted = {*arns(grants), *self.others}
        return policies.repository_policy(self.observed, admitted, self.owner)

    def fingerprint(self, grants: Collection[Grant]) -> str:
        """Of our statement that admits exactly these grants."""
        return policies.fingerprint(self.document(grants), self.owner)


def arns(grants: Collection[Grant]) -> list[str]:
    return [grant.pull_user.arn for grant in grants]


def strangers_in(document: Document | None) -> frozenset[str]:
    """Whom a statement names that has the portal's former Sid, and that this installation cannot
    have written: the database does not know them."""
    named = policies.former_principals(document)
    known = PullUser.objects.filter(arn__in=named).values_list("arn", flat=True) if named else []
    return frozenset(named) - frozenset(known)


def owner_of(repository: Repository, document: Document | None, sid: str) -> Owner:
    """By what to recognise the statements of this installation; ``sid`` is theirs."""
    former = policies.former_principals(document)
    strangers = strangers_in(document)
    if strangers:
        taken_over = Drift.objects.open().filter(
            repository=repository, kind=Drift.Kind.OTHER_STATEMENT, choice="repair"
        )
        strangers = frozenset() if taken_over.exists() else strangers
    return Owner(sid, frozenset(former) - strangers)


def record_observed(lease: Lease, document: Document | None, **changes: str) -> None:
    """Record what the leased repository's policy was seen to be, and ``changes`` of the row."""
    row: Repository = lease.row
    in_effect = pulling.in_effect(document, row.registry.policy, row.arn)
    with lease.writing():
        Repository.objects.filter(pk=lease.pk).update(
            **changes,
            policy_length=limits.policy_length(document),
            pullers=pulling.pullers(in_effect),
            denials=pulling.denials(in_effect),
            observed_at=clock.now(),
        )
