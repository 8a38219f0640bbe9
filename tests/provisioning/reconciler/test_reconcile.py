"""The reconciler against the embedded AWS: from an approval to a pull, and back."""

from datetime import timedelta

import pytest
from django.utils import timezone
from pytest_django.fixtures import Settings

from provisioning.demo.seed import Cast
from provisioning.documents import grammar, names
from provisioning.flows import Actor, Refused
from provisioning.flows.credentials import reissue, reveal
from provisioning.flows.entitlements import withdraw
from provisioning.models import (
    AccessKey,
    Grant,
    OneTimeSecret,
    PullUser,
    Registry,
    Repository,
    StepAttempt,
)
from tests.aws import LOGIN_POLICY, Aws
from tests.entitlements import approved
from tests.repository_policies import admitted
from tests.worker import take_turns


def test_approval_creates_a_user_a_key_and_a_statement(aws: Aws, cast: Cast) -> None:
    approved(cast)
    take_turns()
    user = aws.iam.get_user(UserName="birch-bank")["User"]
    assert user["Path"] == "/ecr-portal/"
    assert {"Key": "managed-by", "Value": "ecr-portal"} in user["Tags"]
    attached = aws.iam.list_attached_user_policies(UserName="birch-bank")["AttachedPolicies"]
    assert [policy["PolicyArn"] for policy in attached] == [LOGIN_POLICY]
    assert aws.keys("birch-bank") == {AccessKey.objects.get().access_key_id: "Active"}
    for repository in ("acme/server", "acme/agent"):
        assert admitted(aws.repository_policy(repository)) == {user["Arn"]}
    assert aws.repository_policy("acme/reports") is None
    assert set(Grant.objects.values_list("status", flat=True)) == {"ready"}
    assert PullUser.objects.get().status == "ready"


def test_revealed_key_pulls_what_was_approved_and_nothing_else(aws: Aws, cast: Cast) -> None:
    approved(cast)
    take_turns()
    credentials = reveal(PullUser.objects.get(), by=Actor(cast.alice))
    machine = aws.machine(credentials.access_key_id, credentials.secret_access_key)
    assert machine.pull("acme/server", "1.1").digest == aws.digest("acme/server", "1.1")
    aws.assert_refused(machine, "acme/reports", "0.9", "ecr:BatchGetImage")


def test_repeated_turns_change_nothing(aws: Aws, cast: Cast) -> None:
    approved(cast)
    take_turns()
    PullUser.objects.update(due_at=timezone.now())
    Repository.objects.update(due_at=timezone.now())
    before = StepAttempt.objects.count()
    with aws.no_changes():
        take_turns()
    assert StepAttempt.objects.count() == before


def test_second_product_needs_no_second_user_and_no_second_key(aws: Aws, cast: Cast) -> None:
    approved(cast)
    take_turns()
    approved(cast, cast.reports)
    take_turns()
    assert len(aws.keys("birch-bank")) == 1
    arn = PullUser.objects.get().arn
    assert admitted(aws.repository_policy("acme/reports")) == {arn}


def test_two_customers_share_one_statement(aws: Aws, cast: Cast) -> None:
    approved(cast)
    approved(cast, customer=cast.cedar)
    take_turns()
    document = aws.repository_policy("acme/server")
    assert len(grammar.statements(document)) == 1
    assert {arn.rpartition("/")[2] for arn in admitted(document)} == {
        "birch-bank",
        "cedar-clinic",
    }


def test_withdrawal_removes_the_grant_the_key_and_the_user(aws: Aws, cast: Cast) -> None:
    entitlement = approved(cast)
    take_turns()
    withdraw(entitlement, by=Actor(cast.sandra), reason="Contract ended")
    take_turns()
    assert aws.repository_policy("acme/server") is None
    assert aws.users() == []
    assert set(AccessKey.objects.values_list("status", flat=True)) == {"Deleted"}
    assert PullUser.objects.get().status == "gone"
    assert set(Grant.objects.values_list("status", flat=True)) == {"gone"}
    steps = list(StepAttempt.objects.order_by("pk").values_list("step", flat=True))
    # First the grants, then the key, then the user.
    assert steps[-4:] == [
        "ensure_repository_statement",
        "ensure_repository_statement",
        "remove_access_key",
        "remove_pull_user",
    ]


def test_withdrawal_leaves_the_other_customer_alone(aws: Aws, cast: Cast) -> None:
    entitlement = approved(cast)
    approved(cast, customer=cast.cedar)
    take_turns()
    withdraw(entitlement, by=Actor(cast.sandra), reason="Contract ended")
    take_turns()
    assert aws.users() == ["cedar-clinic"]
    (principal,) = admitted(aws.repository_policy("acme/server"))
    assert principal.endswith("/cedar-clinic")


def test_withdrawal_destroys_an_unrevealed_secret(aws: Aws, cast: Cast) -> None:
    entitlement = approved(cast)
    take_turns()
    withdraw(entitlement, by=Actor(cast.sandra), reason="Contract ended")
    secret = OneTimeSecret.objects.get()
    assert (secret.ciphertext, secret.revealed_at) == (None, None)
    assert secret.destroyed_at is not None


def test_approval_after_a_withdrawal_creates_everything_again(aws: Aws, cast: Cast) -> None:
    entitlement = approved(cast)
    take_turns()
    first = AccessKey.objects.get()
    withdraw(entitlement, by=Actor(cast.sandra), reason="By mistake")
    take_turns()
    approved(cast)
    take_turns()
    current = AccessKey.objects.current().get()
    assert current != first
    assert list(aws.keys("birch-bank")) == [current.access_key_id]
    credentials = reveal(PullUser.objects.get(), by=Actor(cast.alice))
    machine = aws.machine(credentials.access_key_id, credentials.secret_access_key)
    machine.pull("acme/server", "1.1")


def test_withdrawal_before_any_turn_leaves_nothing_in_aws(aws: Aws, cast: Cast) -> None:
    withdraw(approved(cast), by=Actor(cast.sandra), reason="By mistake")
    take_turns()
    assert aws.users() == []
    assert PullUser.objects.get().status == "gone"


def test_foreign_statement_is_kept_and_survives_the_last_customer(aws: Aws, cast: Cast) -> None:
    foreign = {
        "Sid": "BuildServer",
        "Effect": "Allow",
        "Principal": {"AWS": "arn:aws:iam::123456789012:root"},
        "Action": ["ecr:PutImage"],
    }
    aws.set_repository_policy("acme/server", {"Version": "2012-10-17", "Statement": [foreign]})
    entitlement = approved(cast)
    take_turns()
    assert grammar.statements(aws.repository_policy("acme/server"))[0] == foreign
    withdraw(entitlement, by=Actor(cast.sandra), reason="Contract ended")
    take_turns()
    assert grammar.statements(aws.repository_policy("acme/server")) == [foreign]


def test_key_that_the_database_does_not_know_is_deleted(aws: Aws, cast: Cast) -> None:
    approved(cast)
    take_turns()
    orphan = aws.iam.create_access_key(UserName="birch-bank")["AccessKey"]["AccessKeyId"]
    PullUser.objects.update(due_at=timezone.now())
    take_turns()
    assert orphan not in aws.keys("birch-bank")
    assert len(aws.keys("birch-bank")) == 1


def test_user_that_the_portal_did_not_create_is_left_alone(aws: Aws, cast: Cast) -> None:
    aws.iam.create_user(UserName="birch-bank", Path="/ecr-portal/")
    approved(cast)
    take_turns()
    assert "did not create" in PullUser.objects.get().attention
    assert aws.keys("birch-bank") == {}


def test_user_created_by_an_interrupted_turn_is_adopted(aws: Aws, cast: Cast) -> None:
    tags = [{"Key": k, "Value": v} for k, v in names.user_tags("birch-bank", "default").items()]
    aws.iam.create_user(UserName="birch-bank", Path="/ecr-portal/", Tags=tags)
    approved(cast)
    take_turns()
    assert PullUser.objects.get().status == "ready"
    assert len(aws.keys("birch-bank")) == 1


def test_missing_repository_is_reported_to_ops_and_delays_no_other(aws: Aws, cast: Cast) -> None:
    aws.ecr.delete_repository(repositoryName="acme/agent", force=True)
    approved(cast)
    take_turns()
    statuses = dict(Grant.objects.values_list("repository__name", "status"))
    assert statuses == {"acme/server": "ready", "acme/agent": "waiting"}
    attention = Grant.objects.get(repository__name="acme/agent").repository.attention
    assert "does not exist in this registry" in attention
    assert "Create it in ECR" in attention


def test_missing_repository_is_reported_also_where_the_users_own_policy_opens_it(
    aws: Aws, cast: Cast
) -> None:
    Repository.objects.update(placement=Repository.Placement.USER_POLICY)
    aws.ecr.delete_repository(repositoryName="acme/agent", force=True)
    approved(cast)
    take_turns()
    take_turns(even_if_not_due=True)
    assert "does not exist in this registry" in Repository.objects.get(name="acme/agent").attention


def test_unreachable_aws_is_retried_and_nothing_is_lost(aws: Aws, cast: Cast) -> None:
    cast.registry.endpoint_url = "http://127.0.0.1:9"
    cast.registry.save()
    approved(cast)
    take_turns()
    pull_user = PullUser.objects.get()
    assert (pull_user.status, pull_user.failures) == ("waiting", 1)
    assert pull_user.due_at is not None
    assert pull_user.due_at > timezone.now()
    cast.registry.endpoint_url = aws.url
    cast.registry.save()
    PullUser.objects.update(due_at=timezone.now())
    take_turns()
    pull_user.refresh_from_db()
    assert (pull_user.status, pull_user.failures) == ("ready", 0)


def test_reissue_creates_a_new_key_while_the_old_one_still_works(aws: Aws, cast: Cast) -> None:
    approved(cast)
    take_turns()
    pull_user = PullUser.objects.get()
    old = reveal(pull_user, by=Actor(cast.alice))
    reissue(pull_user, by=Actor(cast.otto), reason="Rotation")
    take_turns()
    new = reveal(pull_user, by=Actor(cast.alice))
    assert set(aws.keys("birch-bank")) == {old.access_key_id, new.access_key_id}
    for credentials in (old, new):
        machine = aws.machine(credentials.access_key_id, credentials.secret_access_key)
        machine.pull("acme/server", "1.1")
    retiring = AccessKey.objects.get(access_key_id=old.access_key_id)
    retiring.retires_at = timezone.now() - timedelta(seconds=1)
    retiring.save()
    PullUser.objects.update(due_at=timezone.now())
    take_turns()
    assert set(aws.keys("birch-bank")) == {new.access_key_id}


def test_leaked_key_is_deleted_at_once(aws: Aws, cast: Cast) -> None:
    approved(cast)
    take_turns()
    pull_user = PullUser.objects.get()
    old = reveal(pull_user, by=Actor(cast.alice))
    reissue(pull_user, by=Actor(cast.otto), reason="Leaked", overlap=timedelta(0))
    take_turns()
    assert old.access_key_id not in aws.keys("birch-bank")
    assert len(aws.keys("birch-bank")) == 1


def test_reissue_deletes_a_key_whose_secret_was_not_revealed(aws: Aws, cast: Cast) -> None:
    approved(cast)
    take_turns()
    unseen = AccessKey.objects.get()
    reissue(PullUser.objects.get(), by=Actor(cast.otto), reason="Vault key lost")
    take_turns()
    assert list(aws.keys("birch-bank")) == [AccessKey.objects.current().get().access_key_id]
    assert OneTimeSecret.objects.get(access_key=unseen).destroyed_at is not None


def test_third_key_needs_a_choice_of_which_one_to_delete(aws: Aws, cast: Cast) -> None:
    approved(cast)
    take_turns()
    pull_user = PullUser.objects.get()
    first = reveal(pull_user, by=Actor(cast.alice))
    reissue(pull_user, by=Actor(cast.otto), reason="Rotation")
    take_turns()
    second = reveal(pull_user, by=Actor(cast.alice))
    with pytest.raises(Refused, match=r"there are two.*Choose"):
        reissue(pull_user, by=Actor(cast.otto), reason="Again")
    reissue(pull_user, by=Actor(cast.otto), reason="Again", key_to_delete=first.access_key_id)
    take_turns()
    third = AccessKey.objects.current().get().access_key_id
    assert set(aws.keys("birch-bank")) == {second.access_key_id, third}


def test_user_that_ecr_does_not_know_yet_delays_nobody_else(aws: Aws, cast: Cast) -> None:
    approved(cast, customer=cast.cedar)
    take_turns()
    aws.embedded.config.propagation_seconds = 3600
    approved(cast)
    take_turns()
    statuses = dict(Grant.objects.values_list("pull_user__name", "status"))
    assert statuses == {"cedar-clinic": "ready", "birch-bank": "waiting"}
    (principal,) = admitted(aws.repository_policy("acme/server"))
    assert principal.endswith("/cedar-clinic")
    aws.embedded.config.propagation_seconds = 0
    take_turns(even_if_not_due=True)
    assert set(Grant.objects.values_list("status", flat=True)) == {"ready"}


def test_pull_user_is_due_when_its_old_key_retires(
    aws: Aws, cast: Cast, settings: Settings
) -> None:
    settings.OBSERVE_EVERY = timedelta(days=30)
    approved(cast)
    take_turns()
    pull_user = PullUser.objects.get()
    old = reveal(pull_user, by=Actor(cast.alice))
    reissue(pull_user, by=Actor(cast.otto), reason="Rotation", overlap=timedelta(days=2))
    take_turns()
    pull_user.refresh_from_db()
    retiring = AccessKey.objects.get(access_key_id=old.access_key_id)
    assert pull_user.due_at == retiring.retires_at


def test_access_withdrawn_and_approved_again_before_any_turn_gets_a_new_key(
    aws: Aws, cast: Cast
) -> None:
    entitlement = approved(cast)
    take_turns()
    old = AccessKey.objects.get().access_key_id
    withdraw(entitlement, by=Actor(cast.sandra), reason="By mistake")
    approved(cast)
    take_turns()
    # The withdrawal destroyed the secret of the old one.
    assert old not in aws.keys("birch-bank")
    reveal(PullUser.objects.get(), by=Actor(cast.alice))


def test_user_that_ecr_knows_is_admitted_beside_one_that_it_does_not_know(
    aws: Aws, cast: Cast
) -> None:
    approved(cast, cast.reports, customer=cast.cedar)
    take_turns()
    aws.age_users()
    aws.embedded.config.propagation_seconds = 3600
    approved(cast, customer=cast.cedar)
    approved(cast)
    take_turns()
    statuses = Grant.objects.filter(repository__name="acme/server")
    assert dict(statuses.values_list("pull_user__name", "status")) == {
        "cedar-clinic": "ready",
        "birch-bank": "waiting",
    }


def test_unexpected_error_is_reported_without_its_own_text(
    aws: Aws, cast: Cast, settings: Settings
) -> None:
    # A vault key that cannot be read breaks the encryption, as a bug would.
    settings.VAULT_KEYS = ["a:not-base64-not-a-key"]
    approved(cast)
    take_turns()
    pull_user = PullUser.objects.get()
    assert "The portal itself failed (ImproperlyConfigured)" in pull_user.attention
    assert pull_user.last_error == pull_user.attention
    assert pull_user.due_at is not None


def test_pause_ends_when_the_row_that_caused_it_was_deleted(aws: Aws, cast: Cast) -> None:
    approved(cast)
    Registry.objects.update(paused_at=timezone.now(), paused_because="Denied.")
    take_turns()
    registry = Registry.objects.get()
    assert (registry.paused_at, registry.paused_because) == (None, "")
    assert PullUser.objects.get().status == "ready"
