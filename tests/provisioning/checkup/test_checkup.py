"""``manage.py check_aws`` against the embedded AWS: each thing that can be wrong is found, and
the remedy names who can fix it."""

import json
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone
from pytest_django.fixtures import Settings

from provisioning import tasks
from provisioning.aws import boto
from provisioning.aws.probe import Answer
from provisioning.demo.seed import Cast
from provisioning.documents import policies, role
from provisioning.embedded_aws import EXTERNAL_ID, boundary_arn, identities, role_arn
from provisioning.embedded_aws.faults import Fault, Kind
from provisioning.flows import Actor
from provisioning.flows.credentials import deactivate, reissue, reveal
from provisioning.flows.entitlements import withdraw
from provisioning.models import AccessKey, PullUser, Registry, Repository
from tests.aws import ACCOUNT_ID, REGION, Aws
from tests.entitlements import approved
from tests.worker import run_until_settled, take_turns

POLICY = role.portal_role_policy(ACCOUNT_ID, "/ecr-portal/", "Login", boundary_arn(ACCOUNT_ID))
LOGIN = f"arn:aws:iam::{ACCOUNT_ID}:policy/ecr-portal/AmazonEC2ContainerRegistryLogin"

# "No permissions are required to perform this operation": STS API reference.
FREE = {"sts:GetCallerIdentity"}
CHECK_USER = "ecr-portal-check"
PULL_USER = f"arn:aws:iam::{ACCOUNT_ID}:user/ecr-portal/birch"


@pytest.fixture(autouse=True)
def _without_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """The pauses between two tries are not what is tested."""
    monkeypatch.setattr("botocore.retries.standard.ExponentialBackoff.delay_amount", lambda *_: 0)
    monkeypatch.setattr("provisioning.checkup.polling.PAUSE", 0.05)


def check_aws(*arguments: str) -> tuple[dict[str, dict[str, str]], bool]:
    """The results by their check, and whether the command succeeds."""
    output = StringIO()
    is_well = True
    if "--write" in arguments and "--wait" not in arguments:
        arguments += ("--wait", "3")
    try:
        call_command("check_aws", "--json", *arguments, stdout=output)
    except CommandError:
        is_well = False
    found = json.loads(output.getvalue())
    assert len({(item["registry"], item["check"]) for item in found}) == len(found)
    return {item["check"]: item for item in found}, is_well


def with_status(results: dict[str, dict[str, str]], status: str) -> set[str]:
    return {name for name, item in results.items() if item["status"] == status}


def restrict(*actions: str, effect: str = "Deny", resource: str = "*") -> None:
    """Deny something to the portal's role."""
    statement = {"Effect": effect, "Action": list(actions), "Resource": resource}
    role = next(r for r in identities.iam(ACCOUNT_ID).get_roles() if r.name == "ecr-portal")
    role.put_policy("restriction", json.dumps({"Version": "2012-10-17", "Statement": [statement]}))


def assert_nothing_is_left(aws: Aws) -> None:
    assert aws.users() == []
    keys = identities.iam(ACCOUNT_ID).access_keys.values()
    assert [key for key in keys if key.user_name] == []
    for repository in ("acme/server", "acme/agent", "acme/reports"):
        assert aws.repository_policy(repository) is None


# --- All is well -------------------------------------------------------------------


@pytest.mark.parametrize("arguments", [(), ("--write",)])
def test_registry_that_is_ready_passes_every_check(
    aws: Aws, cast: Cast, arguments: tuple[str, ...]
) -> None:
    results, is_well = check_aws(*arguments)
    assert [item for item in results.values() if item["status"] != "ok"] == []
    assert is_well
    role = f"arn:aws:sts::{ACCOUNT_ID}:assumed-role/ecr-portal/"
    assert role in results["identity"]["words"]
    assert_nothing_is_left(aws)


def test_every_permission_of_the_role_is_checked(aws: Aws, cast: Cast) -> None:
    needed = {f"permission {permission.action}" for permission in role.permissions(POLICY)}
    for arguments in ((), ("--write",)):
        results, _ = check_aws(*arguments)
        assert {name for name in results if name.startswith("permission")} == needed


def test_without_write_nothing_is_changed(aws: Aws, cast: Cast) -> None:
    with aws.no_changes():
        check_aws()


def test_one_line_is_printed_for_each_check(
    aws: Aws, cast: Cast, capsys: pytest.CaptureFixture[str]
) -> None:
    results, _ = check_aws()
    call_command("check_aws")
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == len(results)
    assert all(line.startswith("ok    Frankfurt  ") for line in lines)


def test_only_the_registry_that_is_named_is_checked(aws: Aws, cast: Cast) -> None:
    Registry.objects.create(name="Broken", account_id="999999999999", region=REGION)
    _, is_well = check_aws("--registry", "Frankfurt")
    assert is_well
    with pytest.raises(CommandError, match=r"no registry Paris\. There are: Broken, Frankfurt"):
        call_command("check_aws", "--registry", "Paris")


def test_portal_without_a_registry_asks_for_one(db: None) -> None:
    with pytest.raises(CommandError, match="no registry yet"):
        call_command("check_aws")


# --- The least privilege -----------------------------------------------------------


# Needed only for users that someone gave more than the portal does, or for old accounts.
RARE = {
    "iam:DeactivateMFADevice",
    "iam:DeleteSSHPublicKey",
    "iam:DeleteServiceSpecificCredential",
    "iam:DeleteSigningCertificate",
    "iam:PutUserPermissionsBoundary",
}


FOR_CHECK_AWS = {"iam:SimulatePrincipalPolicy"}
# Changes that a round trip does not make; check_aws asks IAM whether they are allowed.
ONLY_SIMULATED = RARE | {
    "iam:CreatePolicy",
    "iam:CreatePolicyVersion",
    "iam:DeleteLoginProfile",
    "iam:DeletePolicyVersion",
    "iam:DeleteUserPolicy",
    "iam:PutUserPolicy",
    "iam:TagPolicy",
}


def test_role_allows_exactly_the_calls_that_are_made(
    aws: Aws, cast: Cast, settings: Settings
) -> None:
    settings.DRIFT_CONFIRM = timedelta(0)
    Repository.objects.filter(name="acme/agent").update(placement="user_policy")
    approved(cast)
    take_turns()
    pull_user = PullUser.objects.get()
    reveal(pull_user, by=Actor(cast.alice))
    tasks.read_uses(pull_user.pk)
    deactivate(AccessKey.objects.get(), by=Actor(cast.otto))
    take_turns()
    reissue(pull_user, by=Actor(cast.otto), reason="Leaked", overlap=timedelta(0))
    wide = json.dumps(policies.login_policy() | {"Id": "edited"})
    for _ in range(4):
        aws.iam.create_policy_version(PolicyArn=LOGIN, PolicyDocument=wide, SetAsDefault=True)
    PullUser.objects.update(observed_at=timezone.now() - timedelta(days=1))
    run_until_settled()
    aws.iam.create_login_profile(UserName="birch-bank", Password="A-password-1")
    entitlement = cast.birch.entitlements.get()
    withdraw(entitlement, by=Actor(cast.sandra), reason="Contract ended")
    run_until_settled()
    assert aws.users() == []
    used = calls_of_the_role(aws)
    results, is_well = check_aws("--write")
    assert is_well, results
    checked = calls_of_the_role(aws) - FREE
    allowed = {permission.action for permission in role.permissions(POLICY)}
    assert used | checked <= allowed | FREE
    # What check_aws calls is no reason to allow it, except where only it needs the permission.
    assert allowed - used == RARE | FOR_CHECK_AWS


def test_round_trip_tries_every_change_that_it_can(aws: Aws, cast: Cast) -> None:
    _, is_well = check_aws("--write")
    assert is_well
    reads = ("Get", "List", "Describe", "BatchGet", "Simulate")
    changes = {
        permission.action
        for permission in role.permissions(POLICY)
        if not permission.action.partition(":")[2].startswith(reads)
    }
    assert changes - calls_of_the_role(aws) == ONLY_SIMULATED


def calls_of_the_role(aws: Aws) -> set[str]:
    portal = role_arn(ACCOUNT_ID)
    calls = [call for call in aws.embedded.calls if call.caller.principal_arn == portal]
    return {action for call in calls for action in call.actions}


# --- Who the portal is -------------------------------------------------------------


def only_fails(check: str, words: str, remedy: str, *arguments: str) -> dict[str, dict[str, str]]:
    results, is_well = check_aws(*arguments)
    assert not is_well
    assert with_status(results, "fail") == {check}
    assert words in results[check]["words"]
    assert remedy in results[check]["remedy"]
    return results


@pytest.mark.parametrize(
    "change", [{"external_id": "guess"}, {"role_arn": role_arn(ACCOUNT_ID) + "-2"}]
)
def test_role_that_cannot_be_assumed_is_reported(
    aws: Aws, cast: Cast, change: dict[str, str]
) -> None:
    Registry.objects.update(**change)
    results = only_fails(
        "identity", "may not assume", f"administrator of AWS account {ACCOUNT_ID}", "--write"
    )
    assert results.keys() == {"region", "boundary", "clock", "identity"}


def test_wrong_account_ends_the_check_before_anything_is_created_there(
    aws: Aws, cast: Cast
) -> None:
    Registry.objects.update(account_id="222222222222")
    with aws.no_changes():
        results = only_fails("identity", f"of account {ACCOUNT_ID}", "correct", "--write")
    assert results.keys() == {"region", "boundary", "clock", "identity"}


def test_portal_without_credentials_is_told_who_provides_them(
    aws: Aws, cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nowhere")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nowhere")
    only_fails("identity", "no AWS credentials of its own", "portal's operator")
    Registry.objects.update(role_arn="", external_id="")
    only_fails("identity", "no AWS credentials of its own", "portal's operator")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("AWS_ACCESS_KEY_ID", "does not know the portal's own access key"),
        ("AWS_SECRET_ACCESS_KEY", "secret access key is wrong"),
    ],
)
def test_unknown_key_and_wrong_secret_are_told_apart(
    aws: Aws, cast: Cast, monkeypatch: pytest.MonkeyPatch, name: str, words: str
) -> None:
    monkeypatch.setenv(name, "AKIANOBODYNOBODY0000")
    only_fails("identity", words, "portal's operator")


def test_unreachable_endpoint_is_reported(cast: Cast, monkeypatch: Any) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIANOBODYNOBODY0000")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    only_fails("reach", "could not be reached", "The operator of this machine")


# --- Clock and region --------------------------------------------------------------


@pytest.mark.parametrize(
    ("seconds", "status", "words"),
    [
        (0, "ok", "agrees"),
        (-30, "ok", "30 s ahead of AWS's"),
        (130, "warn", "2 min 10 s behind AWS's"),
        (-270, "fail", "4 min 30 s ahead of AWS's"),
    ],
)
def test_clock_is_compared_with_aws(
    aws: Aws, cast: Cast, seconds: float, status: str, words: str
) -> None:
    aws.embedded.config.seconds_ahead = seconds
    results, is_well = check_aws()
    clock = results["clock"]
    # A second may pass during the call.
    close = {words, words.replace("30 s", "31 s"), words.replace("30 s", "29 s")}
    close |= {words.replace("10 s", "11 s"), words.replace("10 s", "9 s")}
    close |= {"1 s b"} if words == "agrees" else set()
    assert any(one in clock["words"] for one in close)
    assert clock["status"] == status
    assert is_well == (status != "fail")


def test_signature_refused_because_of_the_clock_is_not_blamed_on_the_secret(
    aws: Aws, cast: Cast
) -> None:
    aws.embedded.config.seconds_ahead = 600
    results, is_well = check_aws()
    assert not is_well
    assert with_status(results, "fail") == {"clock", "identity"}
    assert "refuses the signature for its time" in results["identity"]["words"]
    assert results["identity"]["remedy"] == results["clock"]["remedy"]
    assert "clock" in results["clock"]["remedy"]


def test_region_without_ecr_fails_even_if_something_answers_there(aws: Aws, cast: Cast) -> None:
    Registry.objects.update(region="eu-centrall-1")
    cast.registry.repositories.all().delete()
    only_fails("region", "eu-centrall-1", "correct it")


def test_regions_are_those_of_the_aws_partition(aws: Aws, cast: Cast) -> None:
    regions = boto.probe(cast.registry).regions
    assert REGION in regions
    assert not {"cn-north-1", "us-gov-west-1"} & regions


# --- Permissions -------------------------------------------------------------------


@pytest.mark.parametrize(
    "action", ["iam:CreateUser", "iam:AttachUserPolicy", "ecr:SetRepositoryPolicy", "iam:TagUser"]
)
@pytest.mark.parametrize("arguments", [(), ("--write",)])
def test_write_that_is_denied_is_named(
    aws: Aws, cast: Cast, action: str, arguments: tuple[str, ...]
) -> None:
    restrict(action)
    results, is_well = check_aws(*arguments)
    assert not is_well
    denied = with_status(results, "fail")
    assert f"permission {action}" in denied
    # Without permission to tag, a user with tags cannot be created.
    assert denied <= {f"permission {action}", "permission iam:CreateUser"}
    remedy = results[f"permission {action}"]["remedy"]
    assert remedy.startswith(f"The administrator of AWS account {ACCOUNT_ID} can add {action}")
    assert_nothing_is_left(aws)


def test_read_that_is_denied_is_named(aws: Aws, cast: Cast) -> None:
    restrict("iam:ListAccessKeys", "ecr:DescribeImages")
    results, _ = check_aws()
    assert with_status(results, "fail") == {
        "permission iam:ListAccessKeys",
        "permission ecr:DescribeImages",
    }


def test_role_limited_to_some_repositories_fails_for_the_one_outside(aws: Aws, cast: Cast) -> None:
    outside = f"arn:aws:ecr:{REGION}:{ACCOUNT_ID}:repository/acme/reports"
    restrict("ecr:SetRepositoryPolicy", resource=outside)
    results = only_fails("permission ecr:SetRepositoryPolicy", outside, "can add")
    assert results["permission ecr:DeleteRepositoryPolicy"]["status"] == "ok"


def test_without_simulation_write_permissions_are_unknown_until_they_are_tried(
    aws: Aws, cast: Cast
) -> None:
    restrict("iam:SimulatePrincipalPolicy")
    results, is_well = check_aws()
    assert is_well
    assert "permission iam:CreateUser" in with_status(results, "warn")
    assert "--write" in results["permission iam:CreateUser"]["remedy"]
    results, is_well = check_aws("--write")
    assert is_well
    unknown = with_status(results, "warn")
    assert "permission iam:CreateUser" not in unknown
    # The portal cannot delete the policy it would create, so this is not tried.
    assert {"permission iam:SimulatePrincipalPolicy", "permission iam:CreatePolicy"} <= unknown


# --- Quotas and repositories -------------------------------------------------------


@pytest.mark.parametrize(("quota", "status"), [(6, "ok"), (5, "warn"), (4, "fail")])
def test_quota_of_users_is_warned_about_before_it_is_used_up(
    aws: Aws, cast: Cast, quota: int, status: str
) -> None:
    for name in ("one", "two", "three", "four"):
        aws.iam.create_user(UserName=name)
    aws.embedded.config.users_per_account = quota
    results, is_well = check_aws()
    assert results["quota"]["status"] == status
    assert f"4 of {quota}" in results["quota"]["words"]
    assert is_well == (status != "fail")


def test_repository_that_is_missing_is_named(aws: Aws, cast: Cast) -> None:
    cast.registry.repositories.create(name="acme/typo")
    only_fails("repository acme/typo", "does not exist in eu-central-1", "correct its name")


def test_policy_that_cannot_be_read_is_named(aws: Aws, cast: Cast) -> None:
    # The portal reads it once for the permission, and once for its content.
    garbled = Fault("GetRepositoryPolicy", Kind.GARBLED, times=2, subject="acme/server")
    statement = {"Effect": "Allow", "Principal": "*", "Action": "ecr:BatchGetImage"}
    aws.set_repository_policy("acme/server", {"Version": "2012-10-17", "Statement": [statement]})
    aws.embedded.faults.lay(garbled)
    only_fails("repository acme/server", "not JSON", "can repair or delete its policy")


@pytest.mark.parametrize(
    ("statement", "words"),
    [
        ({"Principal": "*", "Action": "ecr:Batch*"}, "denies pulling to every customer"),
        (
            {
                "Principal": "*",
                "Action": "ecr:BatchGet*",
                "Condition": {"StringNotEquals": {"aws:SourceVpce": "vpce-0123"}},
            },
            "denies pulling to every customer (statement Guard, depending on aws:SourceVpce)",
        ),
        ({"Principal": {"AWS": ACCOUNT_ID}, "Action": "ecr:Batch*"}, "pulling to every customer"),
        (
            {"Principal": {"AWS": PULL_USER}, "Action": "ecr:GetDownloadUrlForLayer"},
            f"denies pulling to {PULL_USER}",
        ),
        (
            {"NotPrincipal": {"AWS": "arn:aws:iam::210987654321:root"}, "Action": "ecr:Set*"},
            "denies the portal what its role allows (statement Guard)",
        ),
    ],
)
def test_each_denial_that_hits_the_portal_or_its_customers_is_warned_about(
    aws: Aws, cast: Cast, statement: dict[str, Any], words: str
) -> None:
    aws.iam.create_user(Path="/ecr-portal/", UserName="birch")
    guard = {"Sid": "Guard", "Effect": "Deny"} | statement
    aws.set_repository_policy("acme/server", {"Version": "2012-10-17", "Statement": [guard]})
    results, _ = check_aws()
    warned = [results[each] for each in with_status(results, "warn")]
    assert any(words in each["words"] and "can remove it" in each["remedy"] for each in warned)


def test_denial_in_the_registrys_policy_is_warned_about(aws: Aws, cast: Cast) -> None:
    guard = {"Sid": "Guard", "Effect": "Deny", "Principal": "*", "Action": "ecr:BatchGetImage"}
    text = json.dumps({"Version": "2012-10-17", "Statement": [guard | {"Resource": "*"}]})
    aws.ecr.put_registry_policy(policyText=text)
    results, _ = check_aws()
    assert "registry policy, denial 1 of pulling" in with_status(results, "warn")


def test_denials_that_are_for_others_are_not_warned_about(aws: Aws, cast: Cast) -> None:
    role = f"arn:aws:iam::{ACCOUNT_ID}:role/ecr-portal"
    denials = [
        {"Effect": "Deny", "Principal": {"AWS": "210987654321"}, "Action": "ecr:*"},
        {
            "Effect": "Deny",
            "NotPrincipal": {"AWS": [ACCOUNT_ID, role]},
            "Action": "ecr:SetRepositoryPolicy",
        },
    ]
    aws.set_repository_policy("acme/server", {"Version": "2012-10-17", "Statement": denials})
    results, is_well = check_aws()
    assert is_well
    assert with_status(results, "warn") == set()


def test_long_policy_is_counted_and_warned_about(aws: Aws, cast: Cast) -> None:
    statement = {"Effect": "Allow", "Principal": "*", "Action": "ecr:BatchGetImage"}
    for repository, times in (("acme/server", 1), ("acme/agent", 130)):
        document = {"Version": "2012-10-17", "Statement": [statement] * times}
        aws.set_repository_policy(repository, document)
    results, is_well = check_aws()
    assert is_well
    small, large = results["repository acme/server"], results["repository acme/agent"]
    assert (small["status"], large["status"]) == ("ok", "warn")
    assert "of 10,240 characters" in small["words"]


def test_registry_without_repositories_is_warned_about(aws: Aws, cast: Cast) -> None:
    Registry.objects.create(
        name="Paris",
        account_id=ACCOUNT_ID,
        region="eu-west-3",
        role_arn=role_arn(ACCOUNT_ID),
        external_id=EXTERNAL_ID,
        boundary_arn=boundary_arn(ACCOUNT_ID),
        endpoint_url=aws.url,
    )
    results, is_well = check_aws("--registry", "Paris", "--write")
    assert is_well
    assert with_status(results, "warn") == {"repository", "round trip"}


# --- The round trip ----------------------------------------------------------------


def test_round_trip_measures_when_ecr_knows_a_new_user(aws: Aws, cast: Cast) -> None:
    aws.embedded.config.propagation_seconds = 1.2
    results, is_well = check_aws("--write")
    assert is_well
    assert "Principal not found" in results["fact 3"]["words"]
    assert "finally: done, after 1 s" in results["fact 4"]["words"]


def test_fact_that_differs_is_a_warning_to_be_documented(aws: Aws, cast: Cast) -> None:
    aws.embedded.config.propagation_seconds = 3600
    results, is_well = check_aws("--write", "--wait", "0")
    assert is_well
    assert results["fact 4"]["status"] == "warn"
    assert "docs/live-checks.md" in results["fact 4"]["remedy"]
    assert_nothing_is_left(aws)


OPERATIONS = [
    "CreateUser",
    "CreateAccessKey",
    "AttachUserPolicy",
    "UpdateAccessKey",
    "SetRepositoryPolicy",
    "DeleteAccessKey",
    "DetachUserPolicy",
    "DeleteUser",
    "DeleteRepositoryPolicy",
]


@pytest.mark.parametrize("kind", [Kind.REFUSED, Kind.FAILED, Kind.LOST])
@pytest.mark.parametrize("operation", OPERATIONS)
def test_round_trip_leaves_nothing_behind_whichever_call_fails(
    aws: Aws, cast: Cast, operation: str, kind: Kind
) -> None:
    # As often as botocore retries on its own, so that the call itself is refused.
    times = 3 if kind is Kind.REFUSED else 1
    if operation == "DeleteUser":
        times += 1  # The first is refused because the user still has a key.
    aws.embedded.faults.lay(Fault(operation, kind, times=times))
    results, _ = check_aws("--write")
    assert aws.embedded.faults.are_used_up
    assert results["round trip, left behind"]["status"] == "ok"
    assert_nothing_is_left(aws)


def test_user_that_could_not_be_deleted_is_not_created(aws: Aws, cast: Cast) -> None:
    restrict("iam:DeleteUser")
    with aws.no_changes():
        results, is_well = check_aws("--write")
    assert not is_well
    assert "iam:DeleteUser denied" in results["round trip"]["words"]


def test_leftovers_are_named_and_removed_by_the_next_round_trip(aws: Aws, cast: Cast) -> None:
    # The simulation is denied as well, so the denial cannot be known beforehand.
    restrict("iam:DeleteUser", "iam:SimulatePrincipalPolicy")
    results, is_well = check_aws("--write")
    assert not is_well
    assert f"Left behind: the user {CHECK_USER}" in results["round trip, left behind"]["words"]
    assert "administrator" in results["round trip, left behind"]["remedy"]
    assert aws.keys(CHECK_USER) == {}
    restrict("s3:*")
    _, is_well = check_aws("--write")
    assert is_well
    assert_nothing_is_left(aws)


def test_other_user_with_the_name_of_the_temporary_user_is_left_alone(aws: Aws, cast: Cast) -> None:
    aws.iam.create_user(UserName=CHECK_USER, Path="/ecr-portal/")
    with aws.no_changes():
        only_fails("round trip", "this check did not create", "can delete or rename", "--write")


def test_existing_policies_are_not_touched(aws: Aws, cast: Cast) -> None:
    statement = {"Effect": "Allow", "Principal": "*", "Action": "ecr:BatchGetImage"}
    document = {"Version": "2012-10-17", "Statement": [statement]}
    repositories = ("acme/server", "acme/agent", "acme/reports")
    for name in repositories:
        aws.set_repository_policy(name, document)
    before = len(aws.embedded.calls)
    check_aws("--write")
    written = {call.operation for call in aws.embedded.calls[before:] if call.is_mutating}
    assert not {name for name in written if name.endswith("RepositoryPolicy")}
    assert [aws.repository_policy(name) for name in repositories] == [document] * 3


def test_secret_of_the_temporary_key_is_never_printed_or_logged(
    aws: Aws, cast: Cast, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    secrets: list[str] = []
    backend = identities.iam(ACCOUNT_ID)
    create_access_key = backend.create_access_key

    def intercepted(*args: Any, **kwargs: Any) -> Any:
        key = create_access_key(*args, **kwargs)
        secrets.append(key.secret_access_key)
        return key

    monkeypatch.setattr(backend, "create_access_key", intercepted)
    output = StringIO()
    call_command("check_aws", "--write", stdout=output, stderr=output)
    (secret,) = secrets
    assert secret not in output.getvalue()
    assert secret not in caplog.text


def test_answer_of_aws_keeps_its_content_out_of_its_repr() -> None:
    answer = Answer("CreateAccessKey", content={"SecretAccessKey": "never-shown"})
    assert "never-shown" not in f"{answer!r} {answer}"


# --- The boundary ------------------------------------------------------------------


def test_registry_without_a_boundary_fails_and_says_who_can_add_it(aws: Aws, cast: Cast) -> None:
    Registry.objects.update(boundary_arn="")
    results, is_well = check_aws()
    assert not is_well
    assert results["boundary"]["status"] == "fail"
    assert "no pull user is created" in results["boundary"]["words"]
    assert "can create it (docs/aws-role.md, section 2)" in results["boundary"]["remedy"]
