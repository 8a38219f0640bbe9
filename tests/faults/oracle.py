"""What must be true: of AWS and the database after quiet, and of closures at any moment."""

from datetime import timedelta
from typing import Any

from django.db.models import Q
from django.utils import timezone

from accounts.models import Customer
from provisioning import queries
from provisioning.documents import grammar, policies
from provisioning.documents.names import DEFAULT_LABEL
from provisioning.embedded_aws import identities
from provisioning.models import Drift, Entitlement, Grant, PullUser, Registry, Repository
from provisioning.models.drift import DriftKind
from provisioning.states import Desired, EntitlementState, KeyStatus
from tests.agreement import disagreements
from tests.aws import ACCOUNT_ID, Aws
from tests.repository_policies import FOREIGN, admitted

ENDED = [EntitlementState.WITHDRAWN, EntitlementState.EXPIRED]
NEVER_OPEN = [EntitlementState.REQUESTED, EntitlementState.REJECTED]
NOT_OPEN = [*ENDED, *NEVER_OPEN]
# A date that has just passed is noticed by the next sweep.
A_MOMENT = timedelta(minutes=15)
# Observations of each row, and a turn or two to spare.
MOST_IN_A_QUIET_HOUR = 10


class Watcher:
    """Looks after each sweep and each turn, and says what it saw."""

    def __init__(self, aws: Aws) -> None:
        self.aws = aws
        self.turns = 0
        self.in_a_quiet_hour = 0
        self.false_closures: list[str] = []
        self.late: list[str] = []
        self.untrue: list[str] = []
        self._closed: set[int] = set()
        # Of customer and repository.
        self._shut: set[tuple[int, int]] = set()

    def look(self, *, is_honest: bool) -> None:
        """An entitlement that was closed since the last look must be closed in AWS, and stay so
        where nobody else opens it (``is_honest``)."""
        if is_honest:
            self._look_at_what_was_shut()
        closed = Entitlement.objects.filter(closed_at__isnull=False).exclude(pk__in=self._closed)
        for entitlement in closed.select_related("customer", "product"):
            self._closed.add(entitlement.pk)
            left = self._left_by(entitlement)
            self._shut.update((entitlement.customer_id, row.pk) for row in left)
            for row in left:
                if self._can_pull(entitlement.customer, row):
                    self.false_closures.append(f"{entitlement} was closed while {row} was open")

    def _look_at_what_was_shut(self) -> None:
        unclosed = Entitlement.objects.exclude(state__in=NEVER_OPEN).filter(closed_at=None)
        self._shut -= set(unclosed.values_list("customer_id", "product__repositories"))
        for customer, repository in sorted(self._shut):
            found = Customer.objects.get(pk=customer), Repository.objects.get(pk=repository)
            if self._can_pull(*found):
                self.false_closures.append(f"{found[1]} was opened to {found[0]} again")
                self._shut.remove((customer, repository))

    def look_at_pages(self) -> None:
        """Where the page says that a product is ready, its customer can pull all of it."""
        for entitlement in queries.entitlements(Entitlement.objects.live()):
            if not queries.progress(entitlement).state.is_set_up:
                continue
            (user,) = (u for u in queries.pull_users(entitlement) if u.label == DEFAULT_LABEL)
            key = queries.current_key(user)
            if key is None or not key.is_offered or key.desired == KeyStatus.INACTIVE:
                continue  # It is being replaced, or a person has deactivated it: the page says so.
            for row in entitlement.product.repositories.all():
                if not self.pulls(user, row):
                    self.untrue.append(f"{entitlement} was called ready without {row.name}")

    def look_at_dates(self) -> None:
        """In quiet each customer has what was approved for it, since its start and until its end.

        The rows are compared with the dates of the entitlements themselves.
        """
        now = timezone.now()
        for customer in Customer.objects.all():
            approved = Entitlement.objects.filter(
                Q(ends_at=None) | Q(ends_at__gt=now),
                starts_at__lte=now - A_MOMENT,
                state=EntitlementState.APPROVED,
                customer__suspended_at=None,
                customer=customer,
            )
            due = set(Repository.objects.filter(products__entitlements__in=approved))
            present = Grant.objects.filter(
                pull_user__customer=customer, desired=Desired.PRESENT
            ).select_related("repository")
            for repository in due - {grant.repository for grant in present}:
                self.late.append(f"{customer} was approved for {repository}, and has no grant")
            over = Entitlement.objects.filter(customer=customer, ends_at__lte=now - A_MOMENT)
            self.late += [f"{each} is over" for each in over.exclude(state__in=NOT_OPEN)]

    def _left_by(self, entitlement: Entitlement) -> list[Repository]:
        """The product's repositories that no other entitlement of the customer opens."""
        others = Entitlement.objects.live().filter(customer=entitlement.customer)
        opened = Repository.objects.filter(products__entitlements__in=others)
        return list(entitlement.product.repositories.exclude(pk__in=opened))

    def _can_pull(self, customer: Customer, repository: Repository) -> bool:
        users = PullUser.objects.filter(customer=customer)
        return any(self.pulls(user, repository) for user in users)

    def pulls(self, user: PullUser, repository: Repository) -> bool:
        found: Any = identities.iam(ACCOUNT_ID).users.get(user.name)
        if found is None or not any(key.status == "Active" for key in found.access_keys):
            return False
        if found.arn in admitted(self.aws.repository_policy(repository.name)):
            return True
        own = found.policies.get(policies.USER_POLICY_NAME)
        content = policies.content_of(grammar.from_found(own) if own else None)
        return content is not None and repository.arn in content.repositories

    def faults(self, explained: set[DriftKind], kept: set[str]) -> list[str]:
        """What is wrong after quiet, in words. ``kept``: the repositories in whose policy others
        have a statement that must still be there.

        What the portal did itself, whether or not it saw the answer, is no drift: only what others
        did is, or what AWS has shown as it was not.
        """
        open_ = Entitlement.objects.filter(state__in=ENDED, closed_at=None)
        paused = Registry.objects.exclude(paused_at=None)
        wrong = [
            *disagreements(self.aws),
            *self.false_closures,
            *self.late,
            *self.untrue,
            *(f"{each} ended and was never closed" for each in open_),
            *(f"{each} is still paused: {each.paused_because}" for each in paused),
        ]
        wrong += [
            f"The statement of others in {name} is gone"
            for name in sorted(kept)
            if FOREIGN not in grammar.statements(self.aws.repository_policy(name))
        ]
        unexplained = Drift.objects.exclude(kind__in=explained)
        wrong += [f"“{each}” ({each.kind}) although nobody meddled" for each in unexplained]
        if self.in_a_quiet_hour > MOST_IN_A_QUIET_HOUR:
            wrong.append(f"{self.in_a_quiet_hour} turns in a quiet hour")
        return wrong
