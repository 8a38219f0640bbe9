"""After any sequence of actions, faults and changes made in AWS, AWS and the database agree."""

import os
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.db import transaction
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from pytest_django.fixtures import Settings

from accounts.models import Customer
from provisioning.aws import boto
from provisioning.demo.seed import Cast
from provisioning.documents import grammar
from provisioning.embedded_aws.faults import Fault, Kind
from provisioning.flows import Actor, Refused
from provisioning.flows.credentials import activate, deactivate, reissue
from provisioning.flows.customers import resume_customer, suspend_customer
from provisioning.flows.entitlements import approve, request, resume, suspend, withdraw
from provisioning.flows.labels import add_label, remove_label
from provisioning.models import Entitlement, Product, PullUser
from tests.agreement import disagreements
from tests.aws import Aws
from tests.faults.operations import PROVISIONING, REMOVAL
from tests.repository_policies import FOREIGN, document, is_ours
from tests.worker import long_ago, run_until_settled, take_turns

DEEP = os.environ.get("DEEP") == "1"
EXAMPLES = 400 if DEEP else 20
Action = Callable[[Aws, Cast, Customer, Product], object]


def entitlement_of(customer: Customer, product: Product) -> Entitlement | None:
    return Entitlement.objects.open().filter(customer=customer, product=product).first()


def grant(aws: Aws, cast: Cast, customer: Customer, product: Product) -> None:
    member = cast.alice if customer == cast.birch else cast.charlie
    entitlement = entitlement_of(customer, product)
    entitlement = entitlement or request(customer, product, by=Actor(member))
    approve(entitlement, by=Actor(cast.sandra))


def on_entitlement(flow: Callable[..., None]) -> Action:
    def action(aws: Aws, cast: Cast, customer: Customer, product: Product) -> None:
        entitlement = entitlement_of(customer, product)
        if entitlement:
            flow(entitlement, by=Actor(cast.sandra), reason="Any")

    return action


def on_customer(flow: Callable[..., None]) -> Action:
    return lambda aws, cast, customer, product: flow(customer, by=Actor(cast.sandra), reason="Any")


def on_keys(flow: Callable[..., None]) -> Action:
    def action(aws: Aws, cast: Cast, customer: Customer, product: Product) -> None:
        for pull_user in customer.pull_users.all():
            for key in pull_user.access_keys.current():
                flow(key, by=Actor(cast.otto))

    return action


def new_key(aws: Aws, cast: Cast, customer: Customer, product: Product) -> None:
    for pull_user in customer.pull_users.all():
        reissue(pull_user, by=Actor(cast.otto), reason="Any", overlap=timedelta(0))


def label(aws: Aws, cast: Cast, customer: Customer, product: Product) -> None:
    member = cast.alice if customer == cast.birch else cast.charlie
    found = customer.labels.first()
    if found:
        remove_label(found, by=Actor(member))
    else:
        add_label(customer, "ci", by=Actor(member))


def delete_user_in_aws(aws: Aws, cast: Cast, customer: Customer, product: Product) -> None:
    if customer.slug in aws.users():
        aws.delete_user(customer.slug)


def delete_keys_in_aws(aws: Aws, cast: Cast, customer: Customer, product: Product) -> None:
    for name in aws.users():
        for key in list(aws.keys(name))[:1]:
            aws.iam.delete_access_key(UserName=name, AccessKeyId=key)


def overwrite_policy_in_aws(aws: Aws, cast: Cast, customer: Customer, product: Product) -> None:
    for repository in product.repositories.all():
        aws.set_repository_policy(repository.name, document(FOREIGN))


ACTIONS: dict[str, Action] = {
    "grant": grant,
    "withdraw": on_entitlement(withdraw),
    "suspend": on_entitlement(suspend),
    "resume": on_entitlement(resume),
    "suspend customer": on_customer(suspend_customer),
    "resume customer": on_customer(resume_customer),
    "deactivate": on_keys(deactivate),
    "activate": on_keys(activate),
    "reissue": new_key,
    "label": label,
    "delete user": delete_user_in_aws,
    "delete keys": delete_keys_in_aws,
    "overwrite policy": overwrite_policy_in_aws,
    "turns": lambda *_: take_turns(),
}
FAULTS = st.builds(
    Fault,
    st.sampled_from(PROVISIONING + REMOVAL + ["UpdateAccessKey", "ListUserPolicies"]),
    st.sampled_from([Kind.REFUSED, Kind.FAILED, Kind.LOST]),
    st.integers(1, 4),
)
# An action, whether for Birch Bank, whether on Acme Server, and a fault that it meets.
STEPS = st.tuples(
    st.sampled_from(sorted(ACTIONS)), st.booleans(), st.booleans(), st.none() | st.none() | FAULTS
)


@settings(
    max_examples=EXAMPLES,
    deadline=None,
    # Shrinking takes many times as long as the examples.
    phases=[Phase.explicit, Phase.reuse, Phase.generate, *([Phase.shrink] if DEEP else [])],
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(st.lists(STEPS, min_size=3, max_size=10))
def _run_and_compare(
    aws: Aws, cast: Cast, steps: list[tuple[str, bool, bool, Fault | None]]
) -> None:
    aws.begin()
    boto.renew_sessions()
    with transaction.atomic():
        for name, is_birch, is_server, fault in steps:
            if fault:
                aws.embedded.faults.lay(fault)
            customer = Customer.objects.get(pk=(cast.birch if is_birch else cast.cedar).pk)
            try:
                with transaction.atomic():
                    ACTIONS[name](aws, cast, customer, cast.server if is_server else cast.reports)
            except Refused:
                pass
        aws.embedded.faults.clear()
        for _ in range(2):
            long_ago()
            run_until_settled()
        assert disagreements(aws) == []
        for repository in ("acme/server", "acme/agent", "acme/reports"):
            shown = grammar.statements(aws.repository_policy(repository))
            assert [s for s in shown if not is_ours(s)] in ([], [FOREIGN])
        transaction.set_rollback(True)


@pytest.mark.timeout(7200 if DEEP else 175)
def test_any_sequence_ends_in_agreement(
    aws: Aws, cast: Cast, monkeypatch: pytest.MonkeyPatch, settings: Settings
) -> None:
    monkeypatch.setattr("botocore.retries.standard.ExponentialBackoff.delay_amount", lambda *_: 0)
    settings.DRIFT_CONFIRM = timedelta(0)
    _run_and_compare(aws, cast)
    assert not PullUser.objects.exists()
