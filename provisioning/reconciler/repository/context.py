"""What a turn at a repository's policy works with."""

from collections.abc import Collection
from dataclasses import dataclass

from django.utils import timezone

from provisioning.aws.gateway import Gateway
from provisioning.documents import limits, policies
from provisioning.documents.policies import Document
from provisioning.models import Grant, Repository
from provisioning.reconciler.lease import Lease


@dataclass(frozen=True)
class RepositoryContext:
    """One turn.

    ``confirmed`` are the grants that AWS accepted before, ``pending`` those it has yet to
    accept; a user in neither is removed.
    """

    lease: Lease
    repository: Repository
    gateway: Gateway
    observed: Document | None
    confirmed: list[Grant]
    pending: list[Grant]

    def document(self, grants: Collection[Grant]) -> Document | None:
        """The policy that admits exactly these grants, with everything foreign kept."""
        return policies.repository_policy(self.observed, arns(grants))


def arns(grants: Collection[Grant]) -> list[str]:
    return [grant.pull_user.arn for grant in grants]


def record_observed(lease: Lease, document: Document | None, **changes: str) -> None:
    """Record what the leased repository's policy was seen to be, and ``changes`` of the row."""
    with lease.writing():
        Repository.objects.filter(pk=lease.pk).update(
            **changes,
            policy_length=limits.policy_length(document),
            pullers=policies.pullers(document),
            observed_at=timezone.now(),
        )
