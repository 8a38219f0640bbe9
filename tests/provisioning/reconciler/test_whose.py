"""Whose is it: users by their id, statements by the installation's Sid, and what others wrote is
kept and named."""

import json
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from pytest_django.fixtures import Settings

from provisioning import queries
from provisioning.demo.seed import ACCOUNT_ID, Cast
from provisioning.diagnosis.checks import diagnose
from provisioning.documents import policies
from provisioning.embedded_aws.faults import Fault, Kind
from provisioning.flows import Actor
from provisioning.flows.credentials import reveal
from provisioning.flows.drift import resolve_drift
from provisioning.flows.entitlements import withdraw
from provisioning.models import (
    Drift,
    Entitlement,
    Grant,
    Installation,
    PullUser,
    Registry,
    Repository,
)
from tests.aws import Aws
from tests.entitlements import approved
from tests.repository_policies import admitted, document
from tests.worker import long_ago, run_until_settled, take_turns

PULL = list(policies.PULL_ACTIONS)
OTHER = f"arn:aws:iam::{ACCOUNT_ID}:role/staging"


@pytest.fixture(autouse=True)
def _drift_is_confirmed_at_once(settings: Settings) -> None:
    settings.DRIFT_CONFIRM = timedelta(0)


def words_about(entitlement: Entitlement, about: str) -> str:
    loaded = queries.entitlements(Entitlement.objects.filter(pk=entitlement.pk)).get()
    return next(
        f"{found.state}: {found.words}" for found in diagnose(loaded) if about in found.about
    )


# --- Users -------------------------------------------------------------------------


def test_user_moved_to_another_path_keeps_nobody_out_and_is_named(aws: Aws, cast: Cast) -> None:
    entitlement = approved(cast)
    run_until_settled()
    credentials = reveal(PullUser.objects.get(), by=Actor(cast.alice))
    aws.iam.update_user(UserName="birch-bank", NewPath="/people/")
    approved(cast, customer=cast.cedar)
    run_until_settled()
    moved = f"arn:aws:iam::{ACCOUNT_ID}:user/people/birch-bank"
    assert Drift.objects.open().get(kind="user_moved").subject == moved
    cedar = PullUser.objects.get(name="cedar-clinic")
    assert admitted(aws.repository_policy("acme/server")) == {moved, cedar.arn}
    aws.machine(credentials.access_key_id, credentials.secret_access_key).pull("acme/server", "1.1")
    # The role may not touch users under other paths: that is this user's trouble alone.
    withdraw(entitlement, by=Actor(cast.sandra), reason="Over")
    run_until_settled()
    assert admitted(aws.repository_policy("acme/server")) == {cedar.arn}
    assert PullUser.objects.get(name="birch-bank").attention
    assert Registry.objects.get().paused_at is None
    aws.iam.update_user(UserName="birch-bank", NewPath="/ecr-portal/")
    run_until_settled()
    assert aws.users() == ["cedar-clinic"]


def test_user_whose_tag_was_removed_is_known_by_its_id_and_tagged_again(
    aws: Aws, cast: Cast
) -> None:
    Repository.objects.update(placement="user_policy")
    approved(cast)
    run_until_settled()
    aws.iam.untag_user(UserName="birch-bank", TagKeys=["ecr-portal:customer"])
    run_until_settled()
    tags = aws.iam.list_user_tags(UserName="birch-bank")["Tags"]
    assert {"Key": "ecr-portal:customer", "Value": "birch-bank"} in tags
    assert Drift.objects.get().ending == "repaired"


def test_withdrawn_user_whose_tag_was_removed_is_removed(aws: Aws, cast: Cast) -> None:
    Repository.objects.update(placement="user_policy")
    entitlement = approved(cast)
    run_until_settled()
    aws.iam.untag_user(UserName="birch-bank", TagKeys=["managed-by"])
    withdraw(entitlement, by=Actor(cast.sandra), reason="Over")
    run_until_settled()
    assert aws.users() == []


def test_user_whose_creation_was_interrupted_is_the_portals_without_its_tag(
    aws: Aws, cast: Cast
) -> None:
    aws.embedded.faults.lay(Fault("AttachUserPolicy", Kind.REFUSED, times=99))
    entitlement = approved(cast)
    take_turns()
    aws.embedded.faults.clear()
    aws.iam.untag_user(UserName="birch-bank", TagKeys=["managed-by"])
    withdraw(entitlement, by=Actor(cast.sandra), reason="Over")
    long_ago()
    run_until_settled()
    assert aws.users() == []


# --- Statements --------------------------------------------------------------------


def test_statement_of_another_installation_is_kept_and_named_before_the_first_write(
    aws: Aws, cast: Cast
) -> None:
    theirs = policies.pull_statement([OTHER], policies.Owner(policies.OUR_SID))
    aws.set_repository_policy("acme/server", document(theirs))
    Repository.objects.update(due_at=timezone.now())
    take_turns()
    drift = Drift.objects.open().get()
    assert (drift.kind, drift.detail) == ("other_statement", OTHER)
    approved(cast)
    run_until_settled()
    kept = aws.repository_policy("acme/server")
    assert kept is not None
    assert kept["Statement"][0]["Principal"]["AWS"] == OTHER
    assert kept["Statement"][1]["Sid"] == Installation.get().sid
    resolve_drift(drift, "repair", by=Actor(cast.otto), reason="Staging is gone")
    run_until_settled()
    assert admitted(aws.repository_policy("acme/server")) == {PullUser.objects.get().arn}
    drift.refresh_from_db()
    assert drift.ending == "repaired"


def test_statement_that_an_earlier_version_wrote_goes_on_and_is_replaced_with_the_next_change(
    aws: Aws, cast: Cast
) -> None:
    approved(cast)
    run_until_settled()
    ours = policies.pull_statement([PullUser.objects.get().arn], policies.Owner(policies.OUR_SID))
    aws.set_repository_policy("acme/server", document(ours))
    with aws.no_changes():
        run_until_settled()
    assert not Drift.objects.exists()
    approved(cast, customer=cast.cedar)
    run_until_settled()
    shown = aws.repository_policy("acme/server")
    assert shown is not None
    assert [each["Sid"] for each in shown["Statement"]] == [Installation.get().sid]


def test_dead_that_the_portal_drops_are_told_with_their_statement(aws: Aws, cast: Cast) -> None:
    arn = aws.iam.create_user(UserName="ci", Path="/")["User"]["Arn"]
    old = {"Sid": "OldCi", "Effect": "Allow", "Principal": {"AWS": arn}, "Action": PULL}
    aws.set_repository_policy("acme/server", document(old))
    aws.iam.delete_user(UserName="ci")
    approved(cast)
    run_until_settled()
    drift = Drift.objects.get(kind="dead_principal")
    assert (drift.ending, drift.detail) == ("repaired", "Sid OldCi")


# --- A write that ECR refuses --------------------------------------------------------


def test_foreign_principal_that_is_gone_is_named_to_ops(aws: Aws, cast: Cast) -> None:
    closed = "arn:aws:iam::210987654321:root"
    theirs = {"Sid": "Partner", "Effect": "Allow", "Principal": {"AWS": closed}, "Action": PULL}
    aws.set_repository_policy("acme/server", document(theirs))
    aws.embedded.config.closed_accounts = frozenset({"210987654321"})
    approved(cast)
    before = len(aws.embedded.calls)
    take_turns()
    attention = Repository.objects.get(name="acme/server").attention
    assert f"{closed} (Sid Partner)" in attention
    assert "reissue" not in attention
    writes = [c for c in aws.embedded.calls[before:] if c.operation == "SetRepositoryPolicy"]
    assert len([call for call in writes if call.repository == "acme/server"]) <= 3
    assert Grant.objects.get(repository__name="acme/agent").status == "ready"
    aws.embedded.config.closed_accounts = frozenset()
    run_until_settled()
    assert Grant.objects.get(repository__name="acme/server").status == "ready"


def test_many_that_ecr_does_not_know_cost_few_writes_and_hold_up_nobody(
    aws: Aws, cast: Cast
) -> None:
    aws.embedded.config.propagation_seconds = 3600
    approved(cast)
    for name in ("a", "b", "c", "d", "e", "f"):
        arn = f"arn:aws:iam::{ACCOUNT_ID}:user/ecr-portal/{name}"
        customer = type(cast.birch).objects.create(name=name, slug=name)
        row = PullUser.objects.create(
            customer=customer, account_id=ACCOUNT_ID, name=name, arn=arn, status="ready"
        )
        Grant.objects.create(pull_user=row, repository=Repository.objects.get(name="acme/server"))
    take_turns()
    aws.age_users()
    Repository.objects.update(due_at=timezone.now())
    before = len(aws.embedded.calls)
    take_turns()
    writes = [c for c in aws.embedded.calls[before:] if c.operation == "SetRepositoryPolicy"]
    assert len([call for call in writes if call.repository == "acme/server"]) <= 9
    take_turns(even_if_not_due=True)
    assert admitted(aws.repository_policy("acme/server")) == {
        PullUser.objects.get(name="birch-bank").arn
    }
    # After a while they are tried only now and then.
    Grant.objects.filter(status="waiting").update(changed_at=timezone.now() - timedelta(hours=2))
    take_turns(even_if_not_due=True)
    before = len(aws.embedded.calls)
    for _ in range(3):
        Repository.objects.update(due_at=timezone.now())
        take_turns()
    writes = [c for c in aws.embedded.calls[before:] if c.operation == "SetRepositoryPolicy"]
    assert len(writes) <= 3


# --- Policies from the field -------------------------------------------------------

FIELD: dict[str, dict[str, Any]] = {
    "lambda": {
        "Sid": "LambdaECRImageRetrievalPolicy",
        "Effect": "Allow",
        "Principal": {"Service": "lambda.amazonaws.com"},
        "Action": ["ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"],
        "Condition": {"StringLike": {"aws:sourceArn": "arn:aws:lambda:eu-central-1:*:function:*"}},
    },
    "read only": {
        "Sid": "ReadOnly",
        "Effect": "Allow",
        "Principal": {"AWS": "arn:aws:iam::210987654321:root"},
        "Action": ["ecr:BatchCheck*", "ecr:BatchGet*", "ecr:Describe*", "ecr:Get*", "ecr:List*"],
    },
}


@pytest.mark.parametrize("name", FIELD)
def test_policy_from_the_field_is_kept_as_it_is(aws: Aws, cast: Cast, name: str) -> None:
    aws.set_repository_policy("acme/server", document(FIELD[name]))
    approved(cast)
    run_until_settled()
    credentials = reveal(PullUser.objects.get(), by=Actor(cast.alice))
    aws.machine(credentials.access_key_id, credentials.secret_access_key).pull("acme/server", "1.1")
    shown = aws.repository_policy("acme/server")
    assert shown is not None
    assert shown["Statement"][0] == FIELD[name]


def test_lone_statement_is_kept(aws: Aws, cast: Cast) -> None:
    lone = FIELD["read only"]
    text = json.dumps({"Version": "2012-10-17", "Statement": lone})
    aws.ecr.set_repository_policy(repositoryName="acme/server", policyText=text)
    approved(cast)
    run_until_settled()
    shown = aws.repository_policy("acme/server")
    assert shown is not None
    assert shown["Statement"][0] == lone


@pytest.mark.parametrize(
    ("denial", "words"),
    [
        (
            {
                "Sid": "Vpce",
                "Principal": "*",
                "Condition": {"StringNotEquals": {"aws:SourceVpce": "vpce-0123"}},
            },
            (
                "attention: the repository's policy denies it (statement Vpce, depending on "
                "aws:SourceVpce)"
            ),
        ),
        (
            {"Sid": "Only", "NotPrincipal": {"AWS": [f"arn:aws:iam::{ACCOUNT_ID}:root"]}},
            "attention: the repository's policy denies it (statement Only)",
        ),
    ],
)
def test_denial_in_the_repositorys_policy_is_named_and_the_key_is_not_blamed(
    aws: Aws, cast: Cast, denial: dict[str, Any], words: str
) -> None:
    aws.set_repository_policy("acme/server", document({"Effect": "Deny", "Action": PULL} | denial))
    entitlement = approved(cast)
    run_until_settled()
    long_ago()
    run_until_settled()
    assert not Drift.objects.filter(kind="key_unusable").exists()
    assert words_about(entitlement, "acme/server") == words
    credentials = reveal(PullUser.objects.get(), by=Actor(cast.alice))
    machine = aws.machine(credentials.access_key_id, credentials.secret_access_key)
    aws.assert_refused(machine, "acme/server", "1.1", "explicit deny in a resource-based policy")


def test_registrys_own_policy_is_read_and_counts_for_each_repository(aws: Aws, cast: Cast) -> None:
    entitlement = approved(cast)
    run_until_settled()
    assert words_about(entitlement, "acme/server") == "done: open to you"
    denial = {"Sid": "Closed", "Effect": "Deny", "Principal": "*", "Action": PULL}
    text = json.dumps(document(denial | {"Resource": "*"}))
    aws.ecr.put_registry_policy(policyText=text)
    run_until_settled()
    words = "the repository's policy denies it (statement Closed of the registry's policy)"
    assert words_about(entitlement, "acme/server") == f"attention: {words}"
    aws.ecr.delete_registry_policy()
    run_until_settled()
    assert words_about(entitlement, "acme/server") == "done: open to you"
    assert Registry.objects.get().policy == {}


def test_role_that_may_not_read_the_registrys_policy_stops_nothing(aws: Aws, cast: Cast) -> None:
    refused = Fault("GetRegistryPolicy", Kind.REFUSED, 1_000, 400, "AccessDeniedException", "No.")
    aws.embedded.faults.lay(refused)
    approved(cast)
    run_until_settled()
    registry = Registry.objects.get()
    assert (registry.policy, registry.attention) == (None, "")
