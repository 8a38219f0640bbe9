"""Where grants are written: into the repository's policy while it has room, then into the
user's own."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pytest_django.fixtures import Settings

from provisioning import reconciler
from provisioning.demo.seed import ACCOUNT_ID, REGION, Cast
from provisioning.desired import capacity, grants
from provisioning.documents import grammar, limits, policies
from provisioning.documents.policies import UserPolicy
from provisioning.embedded_aws import identities
from provisioning.flows import Actor, Refused
from provisioning.flows.credentials import Credentials, reveal
from provisioning.flows.entitlements import approve, request, withdraw
from provisioning.models import Entitlement, Grant, PullUser, Registry, Repository
from tests.aws import Aws
from tests.entitlements import approved
from tests.repository_policies import fill_policy, look_at_repositories
from tests.worker import run_until_settled, take_turns

SERVER = "acme/server"


@pytest.fixture
def server(cast: Cast) -> Repository:
    return Repository.objects.get(name=SERVER)


def reveal_key(cast: Cast) -> Credentials:
    return reveal(PullUser.objects.get(name="birch-bank"), by=Actor(cast.alice))


def assert_pulls(aws: Aws, credentials: Credentials) -> None:
    machine = aws.machine(credentials.access_key_id, credentials.secret_access_key)
    machine.pull(SERVER, "1.1")


def place(repository: Repository, placed: str) -> None:
    repository.placement = placed
    repository.save(update_fields=["placement"])


def test_grant_goes_to_the_users_policy_past_nine_tenths_and_pulls(aws: Aws, cast: Cast) -> None:
    fill_policy(aws, SERVER, leaving=1_000)
    look_at_repositories()
    approved(cast)
    take_turns()
    grant = Grant.objects.get(repository__name=SERVER)
    assert (grant.placement, grant.in_user_policy, grant.in_repository_policy) == (
        "user_policy",
        True,
        False,
    )
    assert_pulls(aws, reveal_key(cast))
    other = Grant.objects.get(repository__name="acme/agent")
    assert other.placement == "repository_policy"


def test_withdrawal_deletes_the_users_own_policy_before_its_keys(aws: Aws, cast: Cast) -> None:
    place(Repository.objects.get(name=SERVER), "user_policy")
    entitlement = approved(cast)
    take_turns()
    before = len(aws.embedded.calls)
    withdraw(entitlement, by=Actor(cast.sandra), reason="Contract ended")
    take_turns()
    operations = [c.operation for c in aws.embedded.calls[before:] if c.is_mutating]
    deletions = ["DeleteUserPolicy", "DeleteAccessKey", "DeleteUser"]
    assert [operation for operation in operations if operation in deletions] == deletions
    assert aws.users() == []
    assert set(Grant.objects.values_list("status", flat=True)) == {"gone"}


@pytest.mark.parametrize(
    ("source", "destination"),
    [("repository_policy", "user_policy"), ("user_policy", "repository_policy")],
)
def test_moving_grant_is_open_at_every_moment(
    aws: Aws, cast: Cast, server: Repository, source: str, destination: str
) -> None:
    place(server, source)
    approved(cast)
    take_turns()
    credentials = reveal_key(cast)
    opened: list[bool] = []

    def look(moment: str, call: object) -> None:
        if moment == "after" and getattr(call, "is_mutating", False):
            opened.append(is_open(aws))

    aws.embedded.watch = look
    place(server, destination)
    grants.placement_changed(server)
    take_turns()
    aws.embedded.watch = lambda moment, call: None
    grant = Grant.objects.get(repository=server)
    assert (grant.placement, grant.status) == (destination, "ready")
    assert grant.in_user_policy == (destination == "user_policy")
    assert grant.in_repository_policy == (destination == "repository_policy")
    assert len(opened) >= 2
    assert all(opened)
    assert_pulls(aws, credentials)


def is_open(aws: Aws) -> bool:
    """Whether either policy lets birch-bank pull, read from the backend without a call."""
    stored = identities.ecr(ACCOUNT_ID, REGION).repositories[SERVER].policy
    user = identities.iam(ACCOUNT_ID).users["birch-bank"]
    return "birch-bank" in (stored or "") or SERVER in "".join(map(str, user.policies.values()))


def test_open_grant_stays_ready_while_it_moves(aws: Aws, cast: Cast, server: Repository) -> None:
    approved(cast)
    take_turns()
    place(server, "user_policy")
    grants.placement_changed(server)
    assert Grant.objects.get(repository=server).status == "ready"


def test_approval_without_room_is_refused_and_writes_nothing(
    aws: Aws, cast: Cast, server: Repository
) -> None:
    fill_policy(aws, SERVER, leaving=10)
    look_at_repositories()
    place(Repository.objects.get(name=SERVER), "repository_policy")
    entitlement = request(cast.birch, cast.server, by=Actor(cast.alice))
    with pytest.raises(Refused, match="no room to open acme/server"):
        approve(entitlement, by=Actor(cast.sandra))
    entitlement.refresh_from_db()
    assert entitlement.state == "requested"
    assert not PullUser.objects.exists()


def test_without_a_boundary_no_user_is_created_and_ops_learn_why(aws: Aws, cast: Cast) -> None:
    Registry.objects.update(boundary_arn="")
    approved(cast)
    take_turns()
    assert aws.users() == []
    assert "has no permissions boundary" in PullUser.objects.get().attention


def test_user_with_another_boundary_gets_its_own_back(
    aws: Aws, cast: Cast, settings: Settings
) -> None:
    settings.DRIFT_CONFIRM = timedelta(0)
    approved(cast)
    take_turns()
    (login,) = aws.iam.list_attached_user_policies(UserName="birch-bank")["AttachedPolicies"]
    aws.iam.put_user_permissions_boundary(
        UserName="birch-bank", PermissionsBoundary=login["PolicyArn"]
    )
    run_until_settled()
    found = aws.iam.get_user(UserName="birch-bank")["User"]["PermissionsBoundary"]
    assert found["PermissionsBoundaryArn"] == Registry.objects.get().boundary_arn


def test_user_cannot_exceed_its_boundary_whatever_policies_it_has(aws: Aws, cast: Cast) -> None:
    approved(cast)
    take_turns()
    credentials = reveal_key(cast)
    aws.iam.put_user_policy(
        UserName="birch-bank",
        PolicyName="all",
        PolicyDocument='{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Resource":"*",'
        '"Action":"*"}]}',
    )
    iam = aws.client("iam", credentials.access_key_id, credentials.secret_access_key)
    with pytest.raises(iam.exceptions.ClientError, match="AccessDenied"):
        iam.list_users()


def test_repository_that_lets_a_pull_user_push_cannot_be_pushed_to(aws: Aws, cast: Cast) -> None:
    """What a boundary does not allow, a repository's policy can; what it denies, nothing can."""
    approved(cast)
    take_turns()
    credentials = reveal_key(cast)
    arn = aws.iam.get_user(UserName="birch-bank")["User"]["Arn"]
    statement = {"Effect": "Allow", "Principal": {"AWS": arn}, "Action": "ecr:*"}
    document = {"Version": "2012-10-17", "Statement": [statement]}
    aws.set_repository_policy("acme/agent", document)
    ecr = aws.client("ecr", credentials.access_key_id, credentials.secret_access_key)
    ecr.batch_get_image(repositoryName="acme/agent", imageIds=[{"imageTag": "1.1"}])
    with pytest.raises(ecr.exceptions.ClientError, match="explicit deny"):
        ecr.put_image(repositoryName="acme/agent", imageManifest="{}", imageTag="2")


def test_meters_agree_with_aws(aws: Aws, cast: Cast) -> None:
    fill_policy(aws, SERVER, leaving=1_000)
    look_at_repositories()
    meters = {meter.name: meter for meter in capacity.meters()}
    meter = meters["Policy of acme/server"]
    assert (meter.used, meter.limit) == (9_240, 10_240)
    assert meter.is_nearly_full
    assert meters["IAM users of account 123456789012"].used == 0


def test_approval_is_refused_while_the_account_is_full(aws: Aws, cast: Cast) -> None:
    Registry.objects.update(iam_users=limits.USERS_PER_ACCOUNT)
    with pytest.raises(Refused, match="no room for another IAM user"):
        approved(cast)
    assert Entitlement.objects.get().state == "requested"


@given(st.sets(st.from_regex(r"[a-z]{1,60}", fullmatch=True), max_size=40))
def test_user_policy_fits_exactly_within_the_limit(repositories: set[str]) -> None:
    arns = {f"arn:aws:ecr:eu-central-1:123456789012:repository/{name}" for name in repositories}
    content = UserPolicy(frozenset(arns))
    document = policies.user_policy(content)
    length = len(grammar.to_json(document)) if document else 0
    assert limits.fits_user_policy(content) == (length <= limits.USER_POLICY_LIMIT)


def test_moving_grant_stays_open_if_the_repositorys_turn_comes_first(
    aws: Aws, cast: Cast, server: Repository
) -> None:
    approved(cast)
    take_turns()
    place(server, "user_policy")
    grants.placement_changed(server)
    reconciler.repository_turn(server.pk)
    assert is_open(aws)
    take_turns()
    assert is_open(aws)
    assert not Grant.objects.get(repository=server).in_repository_policy


def test_meters_and_pullers_are_current_after_the_portals_own_change(
    aws: Aws, cast: Cast, server: Repository
) -> None:
    entitlement = approved(cast)
    take_turns()
    server.refresh_from_db()
    text = aws.ecr.get_repository_policy(repositoryName=SERVER)["policyText"]
    assert server.policy_length == len(grammar.to_json(grammar.from_json(text)))
    (puller,) = server.pullers
    assert (puller["principal"], puller["verdict"]) == (PullUser.objects.get().arn, "can pull")
    meters = {meter.name: meter.used for meter in capacity.meters()}
    assert meters["IAM users of account 123456789012"] == 1
    withdraw(entitlement, by=Actor(cast.sandra), reason="Contract ended")
    take_turns()
    server.refresh_from_db()
    assert (server.policy_length, server.pullers) == (0, [])
    assert capacity.meters()[0].used == 0
