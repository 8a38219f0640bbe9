"""Where grants are written: the repository's policy while it has room, then the user's own."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pytest_django.fixtures import Settings

from provisioning import capacity, placement, policies, reconcile, wanted
from provisioning.demo.cast import Cast
from provisioning.flows import By, Refused
from provisioning.flows.decide import approve, withdraw
from provisioning.flows.request import request
from provisioning.flows.reveal import Credentials, reveal
from provisioning.models import Entitlement, Grant, PullUser, Registry, Repository
from tests.aws import Aws
from tests.faults.test_table import fill_policy, look_at_repositories
from tests.provisioning.test_reconcile import approved
from tests.turns import settle_down, take_turns

SERVER = "acme/server"


@pytest.fixture
def server(cast: Cast) -> Repository:
    return Repository.objects.get(name=SERVER)


def revealed(cast: Cast) -> Credentials:
    return reveal(PullUser.objects.get(name="birch-bank"), by=By(cast.alice))


def pulls(aws: Aws, credentials: Credentials) -> None:
    machine = aws.machine(credentials.access_key_id, credentials.secret_access_key)
    machine.pull(SERVER, "1.1")


def place(repository: Repository, placed: str) -> None:
    repository.placement = placed
    repository.save(update_fields=["placement"])


def test_grant_goes_to_the_user_past_nine_tenths_and_pulls(aws: Aws, cast: Cast) -> None:
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
    pulls(aws, revealed(cast))
    other = Grant.objects.get(repository__name="acme/agent")
    assert other.placement == "repository_policy"


def test_withdrawal_takes_the_users_own_policy_before_its_keys(aws: Aws, cast: Cast) -> None:
    place(Repository.objects.get(name=SERVER), "user_policy")
    entitlement = approved(cast)
    take_turns()
    before = len(aws.embedded.calls)
    withdraw(entitlement, by=By(cast.sandra), reason="Contract ended")
    take_turns()
    made = [c.operation for c in aws.embedded.calls[before:] if c.is_mutating]
    assert made.index("DeleteUserPolicy") < made.index("DeleteAccessKey") < made.index("DeleteUser")
    assert aws.users() == []
    assert set(Grant.objects.values_list("status", flat=True)) == {"gone"}


@pytest.mark.parametrize(
    ("here", "there"), [("repository_policy", "user_policy"), ("user_policy", "repository_policy")]
)
def test_grant_moves_without_a_moment_in_which_it_is_nowhere(
    aws: Aws, cast: Cast, server: Repository, here: str, there: str
) -> None:
    place(server, here)
    approved(cast)
    take_turns()
    credentials = revealed(cast)
    seen: list[bool] = []

    def look(moment: str, call: object) -> None:
        if moment == "after" and getattr(call, "is_mutating", False):
            seen.append(is_open(aws))

    aws.embedded.watch = look
    place(server, there)
    wanted.placement_changed(server)
    take_turns()
    aws.embedded.watch = lambda moment, call: None
    grant = Grant.objects.get(repository=server)
    assert (grant.placement, grant.status) == (there, "ready")
    assert grant.in_user_policy == (there == "user_policy")
    assert grant.in_repository_policy == (there == "repository_policy")
    assert len(seen) >= 2
    assert all(seen)
    pulls(aws, credentials)


def is_open(aws: Aws) -> bool:
    """Whether either policy lets birch-bank in, read from the backend: no call is made."""
    from provisioning.demo.cast import ACCOUNT_ID, REGION
    from provisioning.embedded_aws import directory

    stored = directory.ecr(ACCOUNT_ID, REGION).repositories[SERVER].policy
    user = directory.iam(ACCOUNT_ID).users["birch-bank"]
    return "birch-bank" in (stored or "") or SERVER in "".join(map(str, user.policies.values()))


def test_open_grant_is_shown_open_while_it_moves(aws: Aws, cast: Cast, server: Repository) -> None:
    approved(cast)
    take_turns()
    place(server, "user_policy")
    wanted.placement_changed(server)
    assert Grant.objects.get(repository=server).status == "ready"


def test_approval_that_fits_nowhere_is_refused_and_writes_nothing(
    aws: Aws, cast: Cast, server: Repository
) -> None:
    fill_policy(aws, SERVER, leaving=10)
    look_at_repositories()
    place(Repository.objects.get(name=SERVER), "repository_policy")
    entitlement = request(cast.birch, cast.server, by=By(cast.alice))
    with pytest.raises(Refused, match="no room to open acme/server"):
        approve(entitlement, by=By(cast.sandra))
    entitlement.refresh_from_db()
    assert entitlement.state == "requested"
    assert not PullUser.objects.exists()


def test_without_a_boundary_users_own_policies_are_never_written(aws: Aws, cast: Cast) -> None:
    Registry.objects.update(boundary_arn="")
    fill_policy(aws, SERVER, leaving=10)
    look_at_repositories()
    with pytest.raises(Refused, match="no room"):
        approved(cast)


def test_user_made_before_there_was_a_boundary_gets_it(
    aws: Aws, cast: Cast, settings: Settings
) -> None:
    settings.DRIFT_CONFIRM = timedelta(0)
    boundary = Registry.objects.get().boundary_arn
    aws.iam.put_role_policy(
        RoleName="ecr-portal",
        PolicyName="without",
        PolicyDocument='{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Resource":"*",'
        '"Action":"iam:CreateUser"}]}',
    )
    Registry.objects.update(boundary_arn="")
    approved(cast)
    take_turns()
    Registry.objects.update(boundary_arn=boundary)
    settle_down()
    found = aws.iam.get_user(UserName="birch-bank")["User"]["PermissionsBoundary"]
    assert found["PermissionsBoundaryArn"] == boundary


def test_user_cannot_exceed_its_boundary_whatever_it_is_given(aws: Aws, cast: Cast) -> None:
    approved(cast)
    take_turns()
    credentials = revealed(cast)
    aws.iam.put_user_policy(
        UserName="birch-bank",
        PolicyName="all",
        PolicyDocument='{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Resource":"*",'
        '"Action":"*"}]}',
    )
    iam = aws.client("iam", credentials.access_key_id, credentials.secret_access_key)
    with pytest.raises(iam.exceptions.ClientError, match="AccessDenied"):
        iam.list_users()


def test_meters_are_those_of_aws(aws: Aws, cast: Cast) -> None:
    fill_policy(aws, SERVER, leaving=1_000)
    look_at_repositories()
    meters = {meter.name: meter for meter in capacity.meters()}
    meter = meters["Policy of acme/server"]
    assert (meter.used, meter.limit) == (9_240, 10_240)
    assert meter.is_nearly_full
    assert meters["IAM users of account 123456789012"].used == 0


def test_a_full_account_is_refused_before_aws_refuses(aws: Aws, cast: Cast) -> None:
    Registry.objects.update(iam_users=placement.USERS_PER_ACCOUNT)
    with pytest.raises(Refused, match="no room for one more IAM user"):
        approved(cast)
    assert Entitlement.objects.get().state == "requested"


@given(st.sets(st.from_regex(r"[a-z]{1,60}", fullmatch=True), max_size=40))
def test_own_policy_that_is_said_to_fit_does(repositories: set[str]) -> None:
    arns = {f"arn:aws:ecr:eu-central-1:123456789012:repository/{name}" for name in repositories}
    document = policies.user_policy(arns)
    length = len(policies.to_json(document)) if document else 0
    assert placement.fits_user_policy(arns) == (length <= placement.USER_POLICY_LIMIT)


def test_repositorys_turn_that_comes_first_leaves_a_moving_grant_in_place(
    aws: Aws, cast: Cast, server: Repository
) -> None:
    approved(cast)
    take_turns()
    place(server, "user_policy")
    wanted.placement_changed(server)
    reconcile.repository_turn(server.pk)
    assert is_open(aws)
    take_turns()
    assert is_open(aws)
    assert not Grant.objects.get(repository=server).in_repository_policy


def test_meters_and_pullers_are_those_after_the_portals_own_change(
    aws: Aws, cast: Cast, server: Repository
) -> None:
    entitlement = approved(cast)
    take_turns()
    server.refresh_from_db()
    text = aws.ecr.get_repository_policy(repositoryName=SERVER)["policyText"]
    assert server.policy_length == len(policies.to_json(policies.from_json(text)))
    assert server.pullers == [[PullUser.objects.get().arn, "EcrPortal"]]
    meters = {meter.name: meter.used for meter in capacity.meters()}
    assert meters["IAM users of account 123456789012"] == 1
    withdraw(entitlement, by=By(cast.sandra), reason="Contract ended")
    take_turns()
    server.refresh_from_db()
    assert (server.policy_length, server.pullers) == (0, [])
    assert capacity.meters()[0].used == 0
