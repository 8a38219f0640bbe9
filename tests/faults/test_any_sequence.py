"""Any sequence of deeds, faults and meddling, and then quiet: AWS and the database agree."""

import os
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.db import transaction
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from pytest_django.fixtures import Settings

from accounts.models import Customer
from provisioning import policies
from provisioning.aws import boto
from provisioning.demo.cast import Cast
from provisioning.embedded_aws.faults import Fault, Kind
from provisioning.flows import By, Refused
from provisioning.flows.deactivate import activate, deactivate
from provisioning.flows.decide import approve, resume, suspend, withdraw
from provisioning.flows.label import add_label, remove_label
from provisioning.flows.reissue import reissue
from provisioning.flows.request import request
from provisioning.flows.suspend import resume_customer, suspend_customer
from provisioning.models import Entitlement, Product, PullUser
from tests.agreement import disagreements
from tests.aws import Aws
from tests.faults.test_every_call import PROVISIONING, REMOVAL
from tests.faults.test_table import FOREIGN, document
from tests.turns import long_ago, settle_down, take_turns

DEEP = os.environ.get("DEEP") == "1"
EXAMPLES = 400 if DEEP else 20
Deed = Callable[[Aws, Cast, Customer, Product], object]


def entitlement_of(customer: Customer, product: Product) -> Entitlement | None:
    return Entitlement.objects.open().filter(customer=customer, product=product).first()


def grant(aws: Aws, cast: Cast, customer: Customer, product: Product) -> None:
    member = cast.alice if customer == cast.birch else cast.charlie
    entitlement = entitlement_of(customer, product)
    entitlement = entitlement or request(customer, product, by=By(member))
    approve(entitlement, by=By(cast.sandra))


def on_entitlement(flow: Callable[..., None]) -> Deed:
    def deed(aws: Aws, cast: Cast, customer: Customer, product: Product) -> None:
        entitlement = entitlement_of(customer, product)
        if entitlement:
            flow(entitlement, by=By(cast.sandra), reason="Any")

    return deed


def on_customer(flow: Callable[..., None]) -> Deed:
    return lambda aws, cast, customer, product: flow(customer, by=By(cast.sandra), reason="Any")


def on_keys(flow: Callable[..., None]) -> Deed:
    def deed(aws: Aws, cast: Cast, customer: Customer, product: Product) -> None:
        for pull_user in customer.pull_users.all():
            for key in pull_user.access_keys.current():
                flow(key, by=By(cast.otto))

    return deed


def new_key(aws: Aws, cast: Cast, customer: Customer, product: Product) -> None:
    for pull_user in customer.pull_users.all():
        reissue(pull_user, by=By(cast.otto), reason="Any", overlap=timedelta(0))


def label(aws: Aws, cast: Cast, customer: Customer, product: Product) -> None:
    member = cast.alice if customer == cast.birch else cast.charlie
    found = customer.labels.first()
    if found:
        remove_label(found, by=By(member))
    else:
        add_label(customer, "ci", by=By(member))


def meddle_with_user(aws: Aws, cast: Cast, customer: Customer, product: Product) -> None:
    if customer.slug in aws.users():
        aws.delete_user(customer.slug)


def meddle_with_keys(aws: Aws, cast: Cast, customer: Customer, product: Product) -> None:
    for name in aws.users():
        for key in list(aws.keys(name))[:1]:
            aws.iam.delete_access_key(UserName=name, AccessKeyId=key)


def meddle_with_policy(aws: Aws, cast: Cast, customer: Customer, product: Product) -> None:
    for repository in product.repositories.all():
        aws.set_repository_policy(repository.name, document(FOREIGN))


DEEDS: dict[str, Deed] = {
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
    "delete user": meddle_with_user,
    "delete keys": meddle_with_keys,
    "edit policy": meddle_with_policy,
    "turns": lambda *_: take_turns(),
}
FAULTS = st.builds(
    Fault,
    st.sampled_from(PROVISIONING + REMOVAL + ["UpdateAccessKey", "ListUserPolicies"]),
    st.sampled_from([Kind.REFUSED, Kind.FAILED, Kind.LOST]),
    st.integers(1, 4),
)
ACTIONS = st.tuples(
    st.sampled_from(sorted(DEEDS)), st.booleans(), st.booleans(), st.none() | st.none() | FAULTS
)


@settings(
    max_examples=EXAMPLES,
    deadline=None,
    # Shrinking takes the examples' time again many times over.
    phases=[Phase.explicit, Phase.reuse, Phase.generate, *([Phase.shrink] if DEEP else [])],
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(st.lists(ACTIONS, min_size=3, max_size=10))
def _sequence_ends_in_agreement(
    aws: Aws, cast: Cast, actions: list[tuple[str, bool, bool, Fault | None]]
) -> None:
    aws.begin()
    boto.renew_sessions()
    with transaction.atomic():
        for name, is_birch, is_server, fault in actions:
            if fault:
                aws.embedded.faults.lay(fault)
            customer = Customer.objects.get(pk=(cast.birch if is_birch else cast.cedar).pk)
            try:
                with transaction.atomic():
                    DEEDS[name](aws, cast, customer, cast.server if is_server else cast.reports)
            except Refused:
                pass
        aws.embedded.faults.clear()
        for _ in range(2):
            long_ago()
            settle_down()
        assert disagreements(aws) == []
        for repository in ("acme/server", "acme/agent", "acme/reports"):
            shown = policies.statements(aws.repository_policy(repository))
            assert [s for s in shown if s.get("Sid") != policies.OUR_SID] in ([], [FOREIGN])
        transaction.set_rollback(True)


@pytest.mark.timeout(7200 if DEEP else 175)
def test_any_sequence_converges(
    aws: Aws, cast: Cast, monkeypatch: pytest.MonkeyPatch, settings: Settings
) -> None:
    monkeypatch.setattr("botocore.retries.standard.ExponentialBackoff.delay_amount", lambda *_: 0)
    settings.DRIFT_CONFIRM = timedelta(0)
    _sequence_ends_in_agreement(aws, cast)
    assert not PullUser.objects.exists()
