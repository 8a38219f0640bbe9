"""Each kind of drift: what someone did in AWS, that the portal notices, and who repairs it."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.utils import timezone
from pytest_django.fixtures import Settings

from provisioning.demo.seed import Cast
from provisioning.documents import grammar, names, policies
from provisioning.documents.policies import UserPolicy
from provisioning.embedded_aws.faults import Fault, Kind
from provisioning.flows import Actor
from provisioning.flows.credentials import deactivate, rotate
from provisioning.flows.drift import resolve_drift
from provisioning.models import AccessKey, Drift, Grant, PullUser, Repository
from provisioning.models.access_key import TESTED_FOR
from provisioning.models.drift import DriftKind, Repair
from tests.agreement import disagreements
from tests.aws import LOGIN_POLICY, Aws
from tests.entitlements import approved
from tests.repository_policies import FOREIGN, document
from tests.worker import long_ago, run_until_settled

USER = "birch-bank"
Scene = Callable[[Aws, Cast], None]


def delete_user(aws: Aws, cast: Cast) -> None:
    aws.delete_user(USER)


def replace_user(aws: Aws, cast: Cast) -> None:
    aws.delete_user(USER)
    tags = [{"Key": key, "Value": value} for key, value in _tags().items()]
    aws.iam.create_user(UserName=USER, Path="/ecr-portal/", Tags=tags)
    aws.iam.attach_user_policy(UserName=USER, PolicyArn=LOGIN_POLICY)


def _tags() -> dict[str, str]:
    return names.user_tags(USER, "default")


def detach_login_policy(aws: Aws, cast: Cast) -> None:
    aws.iam.detach_user_policy(UserName=USER, PolicyArn=LOGIN_POLICY)


def edit_login_policy(aws: Aws, cast: Cast) -> None:
    wider = grammar.to_json(policies.user_policy(UserPolicy(frozenset({"*"}))) or {})
    aws.iam.create_policy_version(PolicyArn=LOGIN_POLICY, PolicyDocument=wider, SetAsDefault=True)


def delete_key(aws: Aws, cast: Cast) -> None:
    aws.iam.delete_access_key(UserName=USER, AccessKeyId=_key())


def deactivate_key(aws: Aws, cast: Cast) -> None:
    aws.iam.update_access_key(UserName=USER, AccessKeyId=_key(), Status="Inactive")


def _key() -> str:
    return AccessKey.objects.current().get().access_key_id


def create_key(aws: Aws, cast: Cast) -> None:
    aws.iam.create_access_key(UserName=USER)


def refuse_new_key(aws: Aws, cast: Cast) -> None:
    refused = Fault(
        "GetAuthorizationToken", Kind.REFUSED, times=1_000, status=400, code="AccessDeniedException"
    )
    aws.embedded.faults.lay(refused)
    rotate(PullUser.objects.get(), by=Actor(cast.alice))
    run_until_settled()
    long_since = timezone.now() - TESTED_FOR - timedelta(minutes=1)
    AccessKey.objects.current().update(refused_since=long_since)


def edit_user_policy(aws: Aws, cast: Cast) -> None:
    wider = UserPolicy(frozenset({"arn:aws:ecr:*:*:repository/*"}))
    everything = grammar.to_json(policies.user_policy(wider) or {})
    aws.iam.put_user_policy(
        UserName=USER, PolicyName=policies.USER_POLICY_NAME, PolicyDocument=everything
    )


def attach_another_policy(aws: Aws, cast: Cast) -> None:
    wide = grammar.to_json(policies.login_policy())
    aws.iam.put_user_policy(UserName=USER, PolicyName="debugging", PolicyDocument=wide)


def edit_statement(aws: Aws, cast: Cast) -> None:
    aws.set_repository_policy("acme/server", document(FOREIGN))


def delete_principal_of_another_statement(aws: Aws, cast: Cast) -> None:
    arn = aws.iam.create_user(UserName="former", Path="/")["User"]["Arn"]
    shown = grammar.statements(aws.repository_policy("acme/server"))
    root = f"{FOREIGN['Principal']['AWS']}"
    mixed = FOREIGN | {"Principal": {"AWS": [arn, root]}}
    aws.set_repository_policy("acme/server", document(mixed, *shown))
    aws.iam.delete_user(UserName="former")


def create_user_with_tags_of_the_portal(aws: Aws, cast: Cast) -> None:
    tags = [{"Key": k, "Value": v} for k, v in names.user_tags("gone", "default").items()]
    aws.iam.create_user(UserName="gone", Path="/ecr-portal/", Tags=tags)


def move_user(aws: Aws, cast: Cast) -> None:
    aws.iam.update_user(UserName=USER, NewPath="/people/")


def activate_key_that_was_deactivated(aws: Aws, cast: Cast) -> None:
    deactivate(AccessKey.objects.current().get(), by=Actor(cast.alice))
    run_until_settled()
    aws.iam.update_access_key(UserName=USER, AccessKeyId=_key(), Status="Active")


def write_the_former_statement(aws: Aws, cast: Cast) -> None:
    arn = "arn:aws:iam::123456789012:role/staging-portal"
    former = policies.pull_statement([arn], policies.Owner(policies.OUR_SID))
    shown = grammar.statements(aws.repository_policy("acme/server"))
    aws.set_repository_policy("acme/server", document(former, *shown))


SCENES: dict[DriftKind, Scene] = {
    DriftKind.USER_MISSING: delete_user,
    DriftKind.USER_REPLACED: replace_user,
    DriftKind.USER_CHANGED: detach_login_policy,
    DriftKind.USER_MOVED: move_user,
    DriftKind.KEY_ACTIVATED: activate_key_that_was_deactivated,
    DriftKind.OTHER_STATEMENT: write_the_former_statement,
    DriftKind.LOGIN_POLICY_CHANGED: edit_login_policy,
    DriftKind.KEY_MISSING: delete_key,
    DriftKind.KEY_STATUS: deactivate_key,
    DriftKind.KEY_UNKNOWN: create_key,
    DriftKind.KEY_UNUSABLE: refuse_new_key,
    DriftKind.USER_POLICY_CHANGED: edit_user_policy,
    DriftKind.FOREIGN_POLICY: attach_another_policy,
    DriftKind.STATEMENT_CHANGED: edit_statement,
    DriftKind.DEAD_PRINCIPAL: delete_principal_of_another_statement,
    DriftKind.UNKNOWN_USER: create_user_with_tags_of_the_portal,
}


# Seen only while the portal is held (test_hold.py).
WHILE_HELD = {DriftKind.GRANT_UNKNOWN, DriftKind.GRANT_MISSING}


def test_every_kind_of_drift_has_a_scene() -> None:
    assert SCENES.keys() | WHILE_HELD == set(DriftKind)


@pytest.mark.parametrize("kind", SCENES)
def test_drift_is_recorded_and_repaired_by_whom_its_policy_names(
    aws: Aws, cast: Cast, settings: Settings, kind: DriftKind
) -> None:
    settings.DRIFT_CONFIRM = timedelta(0)
    # Agent is opened by the pull user's own policy, which can then drift as well.
    Repository.objects.filter(name="acme/agent").update(placement="user_policy")
    approved(cast)
    run_until_settled()
    assert Grant.objects.get(repository__name="acme/agent").in_user_policy
    long_ago()

    SCENES[kind](aws, cast)
    run_until_settled()

    drift = Drift.objects.get(kind=kind)
    if kind.policy.repair is Repair.PORTAL:
        assert drift.ending == "repaired"
    else:
        assert drift.ended_at is None
    if kind.policy.repair is Repair.OPS:
        resolve_drift(drift, "repair", by=Actor(cast.otto), reason="A mistake")
        run_until_settled()
        drift.refresh_from_db()
        assert drift.ending == "repaired"
    if kind.policy.repair is not Repair.NOBODY:
        assert disagreements(aws) == []
        assert not Drift.objects.open().exists()
