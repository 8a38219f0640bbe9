"""What provisioning costs in calls of AWS."""

from collections import Counter

import pytest
from django.utils import timezone

from accounts.models import Customer
from provisioning import names, placement, wanted
from provisioning.demo.cast import ACCOUNT_ID, Cast
from provisioning.embedded_aws import directory
from provisioning.models import Entitlement, Grant, PullUser, Repository
from provisioning.tasks import registry_turn
from tests.aws import Aws
from tests.provisioning.test_reconcile import approved
from tests.turns import due, settle_down, take_turns

MANY = 1_000


def mutating(aws: Aws, since: int) -> Counter[str]:
    """How often each changing call was made, but for those of the root, who looks."""
    calls = aws.embedded.calls[since:]
    return Counter(c.action for c in calls if c.is_mutating and not c.caller.is_root)


def test_customer_in_a_known_account_costs_three_changes_of_iam(aws: Aws, cast: Cast) -> None:
    approved(cast, customer="cedar")
    take_turns()
    before = len(aws.embedded.calls)
    approved(cast)
    take_turns()
    made = mutating(aws, before)
    print(f"provisioning one customer: {dict(made)}")  # noqa: T201 - the figures are the point
    assert {action: n for action, n in made.items() if action.startswith("iam:")} == {
        "iam:CreateUser": 1,
        "iam:AttachUserPolicy": 1,
        "iam:CreateAccessKey": 1,
    }
    # One for each repository of the product.
    assert made["ecr:SetRepositoryPolicy"] == 2


def test_quiet_costs_no_change(aws: Aws, cast: Cast) -> None:
    approved(cast)
    take_turns()
    before = len(aws.embedded.calls)
    settle_down()
    assert mutating(aws, before) == {}


@pytest.mark.timeout(170)
def test_thousand_approvals_at_once_cost_a_handful_of_policies(aws: Aws, cast: Cast) -> None:
    registry_turn(cast.registry.pk)
    approve_thousand(cast)
    while wanted.settle_dates().repositories:
        pass
    made_in_aws()
    before = len(aws.embedded.calls)
    from provisioning import reconcile

    repository = Repository.objects.get(name="acme/reports")
    for _ in range(30):
        if repository.pk not in due(Repository):
            break
        reconcile.repository_turn(repository.pk)
    made = mutating(aws, before)
    print(f"{MANY} approvals of one product: {dict(made)}")  # noqa: T201 - as above
    assert 0 < made["ecr:SetRepositoryPolicy"] <= 20
    repository.refresh_from_db()
    policy = aws.ecr.get_repository_policy(repositoryName="acme/reports")["policyText"]
    assert len(policy) <= placement.REPOSITORY_POLICY_LIMIT
    in_policy = repository.grants.filter(placement=Grant.Placement.REPOSITORY_POLICY)
    assert in_policy.count() > 150
    assert set(in_policy.values_list("status", flat=True)) == {"ready"}
    elsewhere = repository.grants.filter(placement=Grant.Placement.USER_POLICY)
    assert in_policy.count() + elsewhere.count() == MANY


def approve_thousand(cast: Cast) -> None:
    now = timezone.now()
    customers = Customer.objects.bulk_create(
        Customer(name=f"Customer {n}", slug=f"c{n:04d}") for n in range(MANY)
    )
    Entitlement.objects.bulk_create(
        Entitlement(
            customer=customer,
            product=cast.reports,
            state="approved",
            requested_by=cast.sandra,
            decided_by=cast.sandra,
            decided_at=now,
            starts_at=now,
            due_at=now,
        )
        for customer in customers
    )


def made_in_aws() -> None:
    """As the thousand turns of the pull users would leave them."""
    backend = directory.iam(ACCOUNT_ID)
    users = list(PullUser.objects.all())
    for row in users:
        backend.create_user("us-east-1", row.name, "/ecr-portal/", None)
        row.arn = names.user_arn(ACCOUNT_ID, "/ecr-portal/", row.name)
        row.user_id, row.status = f"AIDA{row.pk:017d}", "ready"
    PullUser.objects.bulk_update(users, ["arn", "user_id", "status"])
