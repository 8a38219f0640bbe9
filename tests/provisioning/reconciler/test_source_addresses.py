"""A customer's keys work from its own networks only, if it wants."""

from datetime import timedelta
from ipaddress import ip_network

import pytest
import requests
from pytest_django import Settings

from accounts.permissions import NotAllowed
from provisioning.demo.seed import Cast
from provisioning.embedded_aws.customer_machine import Machine, PullRefused
from provisioning.flows import Actor, Refused
from provisioning.flows.credentials import reveal
from provisioning.flows.entitlements import withdraw
from provisioning.flows.source_addresses import limit_sources
from provisioning.models import Drift, Entitlement, PullUser
from tests.agreement import disagreements
from tests.aws import Aws
from tests.entitlements import approved
from tests.portal.pages.pages import just_signed_in, words
from tests.worker import run_until_settled, take_turns

HERE, ELSEWHERE = ip_network("127.0.0.0/8"), ip_network("203.0.113.0/24")


def machine(aws: Aws, cast: Cast) -> Machine:
    key = reveal(PullUser.objects.get(), by=Actor(cast.alice))
    return Machine(aws.url, "eu-central-1", key.access_key_id, key.secret_access_key)


def test_key_is_refused_from_elsewhere_at_the_sign_in_and_at_the_registry(
    aws: Aws, cast: Cast
) -> None:
    approved(cast)
    take_turns()
    hers = machine(aws, cast)
    headers = {"Authorization": f"Basic {hers.login_token()}"}
    manifest = f"{aws.url}/v2/acme/server/manifests/1.1"
    assert requests.get(manifest, headers=headers, timeout=10).status_code == 200
    assert hers.pull("acme/server", "1.1").digest
    limit_sources(cast.birch, [ELSEWHERE], by=Actor(cast.alice))
    take_turns()
    with pytest.raises(
        PullRefused, match="is not authorized to perform: ecr:GetAuthorizationToken"
    ):
        hers.pull("acme/server", "1.1")
    # A session from before is refused as well.
    assert requests.get(manifest, headers=headers, timeout=10).status_code == 403
    shown = words(
        just_signed_in(cast.alice).get(f"/access/{Entitlement.objects.get().pk}/diagnosis/")
    )
    assert "limited to 203.0.113.0/24" in shown
    limit_sources(cast.birch, [HERE, ELSEWHERE], by=Actor(cast.alice))
    take_turns()
    assert hers.pull("acme/server", "1.1").digest
    assert disagreements(aws) == []


def test_new_customer_with_a_limit_gets_a_key_that_the_portal_cannot_try(
    aws: Aws, cast: Cast
) -> None:
    limit_sources(cast.birch, [ELSEWHERE], by=Actor(cast.alice))
    approved(cast)
    take_turns()
    assert reveal(PullUser.objects.get(), by=Actor(cast.alice)).secret_access_key
    assert Entitlement.objects.get().ready_at is not None
    assert disagreements(aws) == []


def test_limit_stays_until_the_user_is_gone(aws: Aws, cast: Cast) -> None:
    limit_sources(cast.birch, [ELSEWHERE], by=Actor(cast.alice))
    entitlement = approved(cast)
    take_turns()
    before = len(aws.embedded.calls)
    withdraw(entitlement, by=Actor(cast.sandra), reason="End")
    run_until_settled()
    removal = [call.operation for call in aws.embedded.calls[before:]]
    assert aws.users() == []
    assert removal.index("DeleteAccessKey") < removal.index("DeleteUserPolicy")


def test_limit_that_others_removed_is_put_back(aws: Aws, cast: Cast, settings: Settings) -> None:
    settings.DRIFT_CONFIRM = timedelta(0)
    limit_sources(cast.birch, [ELSEWHERE], by=Actor(cast.alice))
    approved(cast)
    take_turns()
    aws.iam.delete_user_policy(UserName="birch-bank", PolicyName="EcrPortalPull")
    run_until_settled()
    assert Drift.objects.filter(kind="user_policy_changed").exists()
    assert disagreements(aws) == []


def test_only_owners_limit_the_sources_and_to_no_more_than_fit(cast: Cast) -> None:
    with pytest.raises(NotAllowed):
        limit_sources(cast.birch, [ELSEWHERE], by=Actor(cast.bob))
    many = [ip_network(f"203.0.{number}.0/24") for number in range(21)]
    with pytest.raises(Refused, match="Use 20 networks at most"):
        limit_sources(cast.birch, many, by=Actor(cast.alice))


@pytest.mark.parametrize(
    ("typed", "says"),
    [
        ("203.0.113.7\n198.51.100.0/24", None),
        ("", None),
        ("office", "office is no address and no network"),
        ("203.0.113.7/24", "A network starts at its first address"),
        ("10.0.0.0/8", "10.0.0.0/8 is private"),
    ],
)
def test_page_explains_what_cannot_be_a_source(cast: Cast, typed: str, says: str | None) -> None:
    page = f"/customers/{cast.birch.pk}/source-addresses/"
    alice = just_signed_in(cast.alice)
    assert "machines in AWS that reach ECR through a VPC endpoint" in words(alice.get(page))
    answer = alice.post(page, {"networks": typed})
    assert answer.status_code == (302 if says is None else 200)
    if says:
        assert says in words(answer)
        assert typed in answer.content.decode()
