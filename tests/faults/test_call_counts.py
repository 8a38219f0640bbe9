"""How many calls of AWS provisioning costs."""

from collections import Counter

import pytest
from django.utils import timezone

from accounts.models import Customer
from provisioning import reconciler
from provisioning.demo.seed import ACCOUNT_ID, Cast
from provisioning.documents import limits, names
from provisioning.embedded_aws import identities
from provisioning.flows import Actor
from provisioning.flows.entitlements import approve, prepare
from provisioning.models import Entitlement, Grant, PullUser, Repository
from provisioning.reconciler import entitlement as entitlement_dates
from provisioning.tasks import registry_turn
from tests.aws import Aws
from tests.entitlements import approved
from tests.worker import due, run_until_settled, take_turns

MANY = 1_000


def mutating(aws: Aws, since: int) -> Counter[str]:
    """How often the portal made each call that changes AWS."""
    calls = aws.embedded.calls[since:]
    return Counter(c.action for c in calls if c.is_mutating and not c.caller.is_root)


def test_customer_in_a_known_account_costs_three_changes_in_iam(aws: Aws, cast: Cast) -> None:
    approved(cast, customer=cast.cedar)
    take_turns()
    before = len(aws.embedded.calls)
    approved(cast)
    take_turns()
    changes = mutating(aws, before)
    print(f"provisioning one customer: {dict(changes)}")  # noqa: T201 - the figures are worth reading
    assert {action: n for action, n in changes.items() if action.startswith("iam:")} == {
        "iam:CreateUser": 1,
        "iam:AttachUserPolicy": 1,
        "iam:CreateAccessKey": 1,
    }
    # One for each repository of the product.
    assert changes["ecr:SetRepositoryPolicy"] == 2


def test_approval_costs_three_calls_of_iam_and_its_share_of_the_repositories(
    aws: Aws, cast: Cast
) -> None:
    """The account and the repositories are known, and several approvals share a write."""
    approved(cast, customer=cast.cedar)
    take_turns()
    before, many = len(aws.embedded.calls), 10
    for number in range(many):
        customer = Customer.objects.create(name=f"Customer {number}", slug=f"customer-{number}")
        entitlement = Entitlement(customer=customer, product=cast.server)
        prepare(entitlement, by=Actor(cast.sandra))
        approve(entitlement, by=Actor(cast.sandra))
    take_turns()
    assert Entitlement.objects.filter(ready_at__isnull=False).count() == many + 1
    calls = [call for call in aws.embedded.calls[before:] if not call.caller.is_root]
    of_iam = [call for call in calls if call.service == "iam"]
    print(dict(Counter(call.operation for call in calls)))  # noqa: T201 - as above
    assert len(of_iam) / many <= 5
    assert len(calls) / many <= 7


def test_turns_with_nothing_to_do_change_nothing(aws: Aws, cast: Cast) -> None:
    approved(cast)
    take_turns()
    before = len(aws.embedded.calls)
    run_until_settled()
    # The epoch counts on, however little there is to do.
    assert mutating(aws, before).keys() <= {"iam:TagPolicy"}


@pytest.mark.timeout(170)
def test_thousand_approvals_at_once_cost_few_policy_writes(aws: Aws, cast: Cast) -> None:
    registry_turn(cast.registry.pk)
    approve_thousand(cast)
    while Entitlement.objects.filter(due_at__lte=timezone.now()).exists():
        entitlement_dates.apply_due()
    create_users()
    before = len(aws.embedded.calls)
    repository = Repository.objects.get(name="acme/reports")
    for _ in range(30):
        if repository.pk not in due(Repository):
            break
        reconciler.repository_turn(repository.pk)
    changes = mutating(aws, before)
    print(f"{MANY} approvals of one product: {dict(changes)}")  # noqa: T201 - as above
    assert 0 < changes["ecr:SetRepositoryPolicy"] <= 20
    repository.refresh_from_db()
    policy = aws.ecr.get_repository_policy(repositoryName="acme/reports")["policyText"]
    assert len(policy) <= limits.REPOSITORY_POLICY_LIMIT
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


def create_users() -> None:
    """What a thousand turns of the pull users would do."""
    backend = identities.iam(ACCOUNT_ID)
    users = list(PullUser.objects.all())
    for row in users:
        backend.create_user("us-east-1", row.name, "/ecr-portal/", None)
        row.arn = names.user_arn(ACCOUNT_ID, "/ecr-portal/", row.name)
        row.user_id, row.status = f"AIDA{row.pk:017d}", "ready"
    PullUser.objects.bulk_update(users, ["arn", "user_id", "status"])
