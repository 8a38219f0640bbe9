"""The faults F1 to F34 of AWS, one row each. The faults lie beneath botocore's retries; the
portal's promises are checked in AWS and in the database."""

import json
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.utils import timezone
from pytest_django.fixtures import Settings

from provisioning.demo.seed import ACCOUNT_ID, Cast
from provisioning.desired import capacity
from provisioning.documents import grammar, limits, names, policies
from provisioning.documents.pulling import NEEDED
from provisioning.embedded_aws.faults import Fault, Kind
from provisioning.flows import Actor
from provisioning.flows.credentials import reveal
from provisioning.flows.entitlements import suspend, withdraw
from provisioning.models import (
    AccessKey,
    Drift,
    Grant,
    Installation,
    PullUser,
    Registry,
    Repository,
    StepAttempt,
)
from tests.agreement import assert_provisioned
from tests.aws import LOGIN_POLICY, Aws
from tests.entitlements import approved
from tests.repository_policies import FOREIGN, admitted, document, fill_policy, look_at_repositories
from tests.worker import long_ago, run_until_settled, take_turns

Scenario = Callable[[Aws, Cast], None]
ROWS: dict[int, Scenario] = {}
# More often than botocore itself retries.
OFTEN = 4
ALWAYS = 10_000


def row(number: int) -> Callable[[Scenario], Scenario]:
    def add(scenario: Scenario) -> Scenario:
        ROWS[number] = scenario
        return scenario

    return add


@pytest.fixture(autouse=True)
def _retry_and_confirm_at_once(monkeypatch: pytest.MonkeyPatch, settings: Settings) -> None:
    monkeypatch.setattr("botocore.retries.standard.ExponentialBackoff.delay_amount", lambda *_: 0)
    settings.DRIFT_CONFIRM = timedelta(0)


def refuse(
    operation: str, code: str, message: str = "", status: int = 400, times: int = 1
) -> Fault:
    return Fault(operation, Kind.REFUSED, times, status, code, message)


def provisioned(cast: Cast) -> PullUser:
    approved(cast)
    take_turns()
    run_until_settled()
    return PullUser.objects.get()


def mutating_calls(aws: Aws) -> list[str]:
    return [call.operation for call in aws.embedded.calls if call.is_mutating]


@row(1)
def user_that_ecr_does_not_know_yet_delays_nobody_else(aws: Aws, cast: Cast) -> None:
    approved(cast, customer=cast.cedar)
    take_turns()
    aws.embedded.config.propagation_seconds = 3600
    approved(cast)
    run_until_settled()
    assert [g.pull_user.name for g in Grant.objects.filter(status="ready").distinct()] == [
        "cedar-clinic"
    ] * 2
    aws.embedded.config.propagation_seconds = 0
    run_until_settled()
    assert set(Grant.objects.values_list("status", flat=True)) == {"ready"}


@row(2)
def older_text_for_an_unknown_user_is_recognised(aws: Aws, cast: Cast) -> None:
    text = "Invalid repository policy provided"
    code = "InvalidParameterException"
    aws.embedded.faults.lay(refuse("SetRepositoryPolicy", code, text, times=2))
    approved(cast)
    take_turns()
    assert Repository.objects.exclude(attention="").count() == 0
    run_until_settled()
    assert_provisioned(aws, cast)


@row(3)
def id_of_a_deleted_user_is_never_sent_back(aws: Aws, cast: Cast) -> None:
    arn = aws.iam.create_user(UserName="former", Path="/")["User"]["Arn"]
    mixed = FOREIGN | {"Principal": {"AWS": [arn, f"arn:aws:iam::{ACCOUNT_ID}:root"]}}
    aws.set_repository_policy("acme/server", document(mixed))
    aws.iam.delete_user(UserName="former")
    Repository.objects.update(due_at=timezone.now())
    take_turns()
    assert Drift.objects.open().get().kind == "dead_principal"
    approved(cast)
    run_until_settled()
    assert_provisioned(aws, cast)
    kept = grammar.statements(aws.repository_policy("acme/server"))[0]
    assert kept["Principal"]["AWS"] == f"arn:aws:iam::{ACCOUNT_ID}:root"
    assert not Drift.objects.open().exists()


@row(4)
def overfull_policy_is_never_sent_and_the_grant_moves_to_the_user_policy(
    aws: Aws, cast: Cast
) -> None:
    fill_policy(aws, "acme/server", leaving=100)
    look_at_repositories()
    approved(cast)
    run_until_settled()
    grant = Grant.objects.get(repository__name="acme/server")
    assert (grant.placement, grant.status) == ("user_policy", "ready")
    credentials = reveal(PullUser.objects.get(), by=Actor(cast.alice))
    aws.machine(credentials.access_key_id, credentials.secret_access_key).pull("acme/server", "1.1")
    sent = [call for call in aws.embedded.calls if call.operation == "SetRepositoryPolicy"]
    ours = [call for call in sent if not call.caller.is_root]
    assert all(
        len(call.parameters["policyText"]) <= limits.REPOSITORY_POLICY_LIMIT for call in ours
    )


@row(5)
def entry_overwritten_by_another_writer_is_restored(aws: Aws, cast: Cast) -> None:
    pull_user = provisioned(cast)
    aws.set_repository_policy("acme/server", document(FOREIGN))
    run_until_settled()
    shown = aws.repository_policy("acme/server")
    assert admitted(shown) == {pull_user.arn}
    assert grammar.statements(shown)[0] == FOREIGN
    assert Drift.objects.get().ending == "repaired"


@row(6)
def single_stale_read_repairs_nothing(aws: Aws, cast: Cast) -> None:
    provisioned(cast)
    aws.embedded.faults.lay(Fault("GetRepositoryPolicy", Kind.STALE, subject="acme/server"))
    with aws.no_changes():
        run_until_settled()
    assert aws.embedded.faults.are_used_up
    assert Drift.objects.get().ending == "vanished"


@row(7)
def policy_returned_in_another_order_is_not_drift(aws: Aws, cast: Cast) -> None:
    approved(cast, customer=cast.cedar)
    approved(cast)
    run_until_settled()
    aws.embedded.faults.lay(Fault("GetRepositoryPolicy", Kind.REORDERED, times=50))
    with aws.no_changes():
        run_until_settled()
    assert not Drift.objects.exists()


@row(8)
def foreign_statements_are_kept_and_shown(aws: Aws, cast: Cast) -> None:
    pulling = FOREIGN | {"Sid": "Partner", "Action": list(NEEDED)}
    aws.set_repository_policy("acme/server", document(FOREIGN, pulling))
    pull_user = provisioned(cast)
    assert grammar.statements(aws.repository_policy("acme/server"))[:2] == [FOREIGN, pulling]
    found = Repository.objects.get(name="acme/server").pullers
    assert [(each["principal"], each["sids"]) for each in found] == [
        (f"arn:aws:iam::{ACCOUNT_ID}:root", ["Partner"]),
        (pull_user.arn, [Installation.get().sid]),
    ]


@row(9)
def repository_without_a_policy_is_not_an_error(aws: Aws, cast: Cast) -> None:
    assert aws.repository_policy("acme/server") is None
    provisioned(cast)
    assert not StepAttempt.objects.exclude(outcome="done").exists()


@row(10)
def missing_repository_is_reported_to_ops(aws: Aws, cast: Cast) -> None:
    aws.ecr.delete_repository(repositoryName="acme/agent", force=True)
    provisioned(cast)
    assert "Create it in ECR" in Repository.objects.get(name="acme/agent").attention
    assert Grant.objects.get(repository__name="acme/server").status == "ready"


@row(11)
def policy_that_would_lock_its_author_out_is_never_forced(aws: Aws, cast: Cast) -> None:
    text = "The policy would prevent the current user from setting a policy in the future."
    fault = refuse("SetRepositoryPolicy", "InvalidParameterException", text, times=ALWAYS)
    fault.subject = "acme/server"
    aws.embedded.faults.lay(fault)
    approved(cast)
    take_turns()
    assert "prevent the current user" in Repository.objects.get(name="acme/server").attention
    assert not any(call.parameters.get("force") for call in aws.embedded.calls)
    fault.times = 0
    run_until_settled()
    assert_provisioned(aws, cast)


@row(12)
def user_with_the_portals_tags_is_adopted(aws: Aws, cast: Cast) -> None:
    tags = [{"Key": k, "Value": v} for k, v in names.user_tags("birch-bank", "default").items()]
    aws.iam.create_user(UserName="birch-bank", Path="/ecr-portal/", Tags=tags)
    provisioned(cast)
    assert_provisioned(aws, cast)


@row(13)
def name_that_differs_in_case_is_a_conflict_for_ops(aws: Aws, cast: Cast) -> None:
    aws.iam.create_user(UserName="Birch-Bank", Path="/")
    approved(cast)
    take_turns()
    run_until_settled()
    run_until_settled()
    assert "differs in case" in PullUser.objects.get().attention
    assert aws.users() == ["Birch-Bank"]


@row(14)
def user_whose_creation_was_not_answered_is_adopted(aws: Aws, cast: Cast) -> None:
    aws.embedded.faults.lay(Fault("CreateUser", Kind.LOST))
    provisioned(cast)
    assert_provisioned(aws, cast)


@row(15)
def full_account_is_reported_to_ops_with_a_warning_before(aws: Aws, cast: Cast) -> None:
    aws.embedded.config.users_per_account = 0
    approved(cast)
    take_turns()
    attention = PullUser.objects.get().attention
    assert "UsersPerAccount" in attention
    assert "account's owner can free capacity" in attention
    Registry.objects.update(iam_users=limits.USERS_PER_ACCOUNT * 8 // 10)
    assert capacity.meters()[0].is_nearly_full


@row(16)
def user_that_iam_does_not_show_yet_is_not_created_twice(aws: Aws, cast: Cast) -> None:
    tags = [{"Key": k, "Value": v} for k, v in names.user_tags("birch-bank", "default").items()]
    aws.iam.create_user(UserName="birch-bank", Path="/ecr-portal/", Tags=tags)
    aws.embedded.faults.lay(refuse("GetUser", "NoSuchEntity", "Not yet.", 404, times=3))
    approved(cast)
    take_turns()
    run_until_settled()
    assert_provisioned(aws, cast)


@row(17)
def key_whose_secret_was_not_answered_is_deleted(aws: Aws, cast: Cast) -> None:
    aws.embedded.faults.lay(Fault("CreateAccessKey", Kind.LOST))
    provisioned(cast)
    assert mutating_calls(aws).count("CreateAccessKey") == 2
    assert_provisioned(aws, cast)


@row(18)
def unknown_keys_are_deleted_to_make_room(aws: Aws, cast: Cast) -> None:
    provisioned(cast)
    AccessKey.objects.all().delete()
    aws.iam.create_access_key(UserName="birch-bank")
    assert len(aws.keys("birch-bank")) == 2
    run_until_settled()
    assert_provisioned(aws, cast)


@row(19)
def orphaned_key_of_a_dead_worker_is_deleted_by_the_next_turn(aws: Aws, cast: Cast) -> None:
    pull_user = provisioned(cast)
    AccessKey.objects.all().delete()
    StepAttempt.objects.create(pull_user=pull_user, step="ensure_access_key")
    run_until_settled()
    assert_provisioned(aws, cast)
    assert not Drift.objects.exists()  # It was the portal's own.


@row(20)
def key_that_is_refused_at_first_is_not_a_failure(aws: Aws, cast: Cast) -> None:
    aws.embedded.config.key_propagation_seconds = 3600
    approved(cast)
    take_turns()
    pull_user = PullUser.objects.get()
    assert (pull_user.status, pull_user.failures, pull_user.attention) == ("ready", 0, "")
    aws.embedded.config.key_propagation_seconds = 0
    run_until_settled()
    assert AccessKey.objects.get().tested_at is not None


@row(21)
def suspension_is_recorded_only_when_aws_has_it(aws: Aws, cast: Cast) -> None:
    provisioned(cast)
    fault = refuse("UpdateAccessKey", "ServiceFailure", "No.", 500, times=ALWAYS)
    aws.embedded.faults.lay(fault)
    suspend(cast.birch.entitlements.get(), by=Actor(cast.sandra), reason="Unpaid")
    take_turns()
    assert PullUser.objects.get().status == "ready"
    fault.times = 0
    run_until_settled()
    assert PullUser.objects.get().status == "suspended"
    assert set(aws.keys("birch-bank").values()) == {"Inactive"}


@row(22)
def too_many_policies_of_a_user_are_reported_to_ops(aws: Aws, cast: Cast) -> None:
    aws.embedded.config.policies_per_user = 0
    approved(cast)
    take_turns()
    assert "PoliciesPerUser" in PullUser.objects.get().attention
    aws.embedded.config.policies_per_user = 10
    run_until_settled()
    assert_provisioned(aws, cast)


@row(23)
def policy_that_cannot_be_attached_yet_is_attached_later(aws: Aws, cast: Cast) -> None:
    aws.embedded.faults.lay(refuse("AttachUserPolicy", "NoSuchEntity", "Not yet.", 404))
    approved(cast)
    take_turns()
    assert PullUser.objects.get().attention == ""
    run_until_settled()
    assert_provisioned(aws, cast)


@row(24)
def edited_sign_in_policy_is_restored_within_its_five_versions(aws: Aws, cast: Cast) -> None:
    provisioned(cast)
    wide = json.dumps(document({"Effect": "Allow", "Action": "*", "Resource": "*"}))
    for _ in range(4):
        aws.iam.create_policy_version(
            PolicyArn=LOGIN_POLICY, PolicyDocument=wide, SetAsDefault=True
        )
    run_until_settled()
    version = aws.iam.get_policy(PolicyArn=LOGIN_POLICY)["Policy"]["DefaultVersionId"]
    found = aws.iam.get_policy_version(PolicyArn=LOGIN_POLICY, VersionId=version)
    assert found["PolicyVersion"]["Document"] == policies.login_policy()
    assert Drift.objects.get().ending == "repaired"
    attempt = cast.registry.attempts.get()
    assert (attempt.step, attempt.outcome) == ("replace_login_policy", "done")


@row(25)
def user_is_deleted_with_everything_that_depends_on_it(aws: Aws, cast: Cast) -> None:
    provisioned(cast)
    aws.iam.create_login_profile(UserName="birch-bank", Password="A-password-1")
    aws.iam.create_group(GroupName="people")
    aws.iam.add_user_to_group(GroupName="people", UserName="birch-bank")
    aws.iam.put_user_policy(
        UserName="birch-bank",
        PolicyName="extra",
        PolicyDocument=json.dumps(document({"Effect": "Allow", "Action": "s3:*", "Resource": "*"})),
    )
    withdraw(cast.birch.entitlements.get(), by=Actor(cast.sandra), reason="Contract ended")
    take_turns()
    # The portal should not have the power to remove users from groups.
    assert "in the IAM groups people" in PullUser.objects.get().attention
    aws.iam.remove_user_from_group(GroupName="people", UserName="birch-bank")
    run_until_settled()
    assert aws.users() == []
    assert PullUser.objects.get().status == "gone"


@row(26)
def user_deleted_before_counts_as_deleted(aws: Aws, cast: Cast) -> None:
    provisioned(cast)
    aws.delete_user("birch-bank")
    long_ago()
    withdraw(cast.birch.entitlements.get(), by=Actor(cast.sandra), reason="Contract ended")
    run_until_settled()
    assert PullUser.objects.get().status == "gone"


@row(27)
def entity_that_is_still_changing_is_retried(aws: Aws, cast: Cast) -> None:
    for code in ("ConcurrentModification", "EntityTemporarilyUnmodifiable"):
        aws.embedded.faults.lay(refuse("AttachUserPolicy", code, "Busy.", 409))
    approved(cast)
    take_turns()
    assert PullUser.objects.get().attention == ""
    run_until_settled()
    assert_provisioned(aws, cast)


@row(28)
def throttled_turn_is_retried(aws: Aws, cast: Cast) -> None:
    aws.embedded.faults.lay(refuse("CreateUser", "Throttling", "Rate exceeded", times=OFTEN))
    approved(cast)
    take_turns()
    assert PullUser.objects.get().attention == ""
    run_until_settled()
    assert_provisioned(aws, cast)


@row(29)
def server_error_after_the_effect_does_not_repeat_it(aws: Aws, cast: Cast) -> None:
    for operation in ("CreateUser", "CreateAccessKey", "SetRepositoryPolicy"):
        aws.embedded.faults.lay(Fault(operation, Kind.FAILED))
    approved(cast)
    take_turns()
    run_until_settled()
    assert_provisioned(aws, cast)


DENIAL = document({"Effect": "Deny", "Action": "ecr:SetRepositoryPolicy", "Resource": "*"})


@row(30)
def lost_permission_pauses_the_registry_with_one_alarm(aws: Aws, cast: Cast) -> None:
    deny = {"RoleName": "ecr-portal", "PolicyName": "deny"}
    aws.iam.put_role_policy(PolicyDocument=json.dumps(DENIAL), **deny)
    approved(cast)
    take_turns()
    registry = Registry.objects.get()
    assert registry.paused_for == "repository"
    assert "ecr:SetRepositoryPolicy" in registry.paused_because
    before = len(aws.embedded.calls)
    approved(cast, customer=cast.cedar)
    run_until_settled()
    calls = aws.embedded.calls[before:]
    # Users go on; of repositories, only those that were refused call AWS again.
    assert {call.repository for call in calls if call.repository} == {"acme/server", "acme/agent"}
    aws.iam.delete_role_policy(**deny)
    run_until_settled()
    registry.refresh_from_db()
    assert (registry.paused_at, registry.paused_because) == (None, "")
    assert set(Grant.objects.values_list("status", flat=True)) == {"ready"}


NOBODY_TRUSTED = {
    "Effect": "Allow",
    "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT_ID}:root"},
    "Action": "sts:AssumeRole",
}


@row(31)
def expired_session_is_renewed_and_a_refused_role_pauses(aws: Aws, cast: Cast) -> None:
    aws.embedded.faults.lay(refuse("GetUser", "ExpiredToken", "Expired.", 403))
    approved(cast)
    take_turns()
    assert Registry.objects.get().paused_at is None
    run_until_settled()
    assert_provisioned(aws, cast)
    trust = aws.iam.get_role(RoleName="ecr-portal")["Role"]["AssumeRolePolicyDocument"]
    aws.iam.update_assume_role_policy(
        RoleName="ecr-portal", PolicyDocument=json.dumps(document(NOBODY_TRUSTED))
    )
    aws.embedded.faults.lay(refuse("GetUser", "ExpiredToken", "Expired.", 403))
    run_until_settled()
    assert "AssumeRole" in Registry.objects.get().paused_because
    aws.iam.update_assume_role_policy(RoleName="ecr-portal", PolicyDocument=json.dumps(trust))
    run_until_settled()
    assert Registry.objects.get().paused_at is None


@row(32)
def answers_in_several_pages_are_read_to_the_end(aws: Aws, cast: Cast) -> None:
    aws.embedded.config.page_size = 1
    approved(cast)
    approved(cast, customer=cast.cedar)
    take_turns()
    second = aws.iam.create_access_key(UserName="birch-bank")["AccessKey"]["AccessKeyId"]
    tags = names.user_tags("gone", "default")
    aws.iam.create_user(
        UserName="z-unknown",
        Path="/ecr-portal/",
        Tags=[{"Key": key, "Value": value} for key, value in tags.items()],
    )
    run_until_settled()
    aws.embedded.config.page_size = 100
    assert second not in aws.keys("birch-bank")
    assert Drift.objects.open().get().subject == "z-unknown"
    assert Repository.objects.get(name="acme/server").newest_tag == "1.1"


@row(33)
def user_replaced_behind_the_portals_back_is_admitted_again(aws: Aws, cast: Cast) -> None:
    old = provisioned(cast).user_id
    aws.delete_user("birch-bank")
    tags = names.user_tags("birch-bank", "default").items()
    aws.iam.create_user(
        UserName="birch-bank",
        Path="/ecr-portal/",
        Tags=[{"Key": key, "Value": value} for key, value in tags],
    )
    run_until_settled()
    assert PullUser.objects.get().user_id != old
    assert_provisioned(aws, cast)


@row(34)
def wrong_clock_is_reported_in_plain_words(aws: Aws, cast: Cast) -> None:
    message = "Request has expired."
    aws.embedded.faults.lay(refuse("CreateUser", "RequestExpired", message, 403, times=1))
    approved(cast)
    take_turns()
    assert "clock" in PullUser.objects.get().attention
    assert "clock" in Registry.objects.get().paused_because
    run_until_settled()
    assert_provisioned(aws, cast)


def test_every_fault_has_its_row() -> None:
    assert sorted(ROWS) == list(range(1, 35))


@pytest.mark.parametrize("number", sorted(ROWS), ids=lambda n: f"F{n}: {ROWS[n].__name__}")
def test_fault_is_survived(aws: Aws, cast: Cast, number: int) -> None:
    ROWS[number](aws, cast)
