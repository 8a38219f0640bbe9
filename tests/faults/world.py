"""What a scenario happens in: AWS, the cast, chance and the time."""

import random
from datetime import datetime
from typing import Any

from django.db.models import QuerySet
from django.utils import timezone

from accounts.models import Customer
from provisioning.demo.seed import Cast
from provisioning.embedded_aws.faults import Kind
from provisioning.flows import Actor
from provisioning.models import AccessKey, Entitlement, PullUser
from tests.aws import Aws


class World:
    """``random`` decides everything; ``now`` is the virtual time; ``customers`` are those with whom
    something happens."""

    def __init__(self, aws: Aws, cast: Cast, seed: int) -> None:
        self.customers = [cast.birch, cast.cedar]
        self.aws, self.cast, self.random = aws, cast, random.Random(seed)  # noqa: S311 - replayed by its seed
        self.now: datetime = timezone.now()
        # The repositories in whose policy others have written a statement.
        self.has_foreign: set[str] = set()

    def expects_stale_read(self) -> bool:
        """Whether a read that shows what was there before is still to come."""
        return any(
            fault.kind is Kind.STALE and fault.times for fault in self.aws.embedded.faults.laid
        )

    def customer(self) -> Customer:
        pk = self.random.choice(self.customers).pk
        return Customer.objects.get(pk=pk)

    def member(self, customer: Customer) -> Actor:
        return Actor(self.cast.alice if customer == self.cast.birch else self.cast.charlie)

    def entitlement(self) -> Entitlement | None:
        return self.any_of(
            Entitlement.objects.open().filter(customer__in=self.customers).order_by("pk")
        )

    def key(self) -> AccessKey | None:
        return self.any_of(AccessKey.objects.current().filter(pull_user__in=self.pull_users()))

    def pull_users(self) -> QuerySet[PullUser]:
        return PullUser.objects.filter(customer__in=self.customers).order_by("pk")

    def user(self) -> str | None:
        users = self.aws.users()
        return self.random.choice(users) if users else None

    def any_of(self, rows: Any) -> Any:
        found = list(rows)
        return self.random.choice(found) if found else None
