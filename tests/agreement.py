"""Whether AWS has exactly what the database desires."""

from typing import Any

from django.conf import settings

from provisioning.demo.seed import Cast
from provisioning.documents import grammar, names, policies
from provisioning.documents.policies import UserPolicy
from provisioning.embedded_aws import identities
from provisioning.flows import Actor
from provisioning.flows.credentials import reveal
from provisioning.models import AccessKey, Grant, PullUser, Registry, Repository
from provisioning.states import Desired, KeyStatus, Status
from tests.aws import ACCOUNT_ID, LOGIN_POLICY, Aws
from tests.repository_policies import admitted


def assert_provisioned(aws: Aws, cast: Cast) -> None:
    """Birch Bank alone is provisioned with Acme Server: one user, the grants, and one key, which
    the database knows, and whose secret can be revealed and pulls."""
    pull_user = PullUser.objects.get()
    assert (pull_user.status, pull_user.attention, pull_user.failures) == ("ready", "", 0)
    assert aws.users() == ["birch-bank"]
    for repository in ("acme/server", "acme/agent"):
        assert admitted(aws.repository_policy(repository)) == {pull_user.arn}
    credentials = reveal(pull_user, by=Actor(cast.alice))
    assert aws.keys("birch-bank") == {credentials.access_key_id: "Active"}
    machine = aws.machine(credentials.access_key_id, credentials.secret_access_key)
    machine.pull("acme/server", "1.1")


def disagreements(aws: Aws) -> list[str]:
    """Where AWS and the database differ, in words; empty when they agree."""
    return [*_of_users(aws), *_of_repositories(aws), *_of_rows()]


def _of_users(aws: Aws) -> list[str]:
    in_aws = identities.iam(ACCOUNT_ID).users
    desired = PullUser.objects.exclude(desired=Desired.ABSENT).exclude(status=Status.GONE)
    # One that was suspended before it was created is created when it is resumed.
    desired = desired.exclude(desired=Desired.SUSPENDED, user_id="")
    found = []
    if set(in_aws) != {row.name for row in desired}:
        found.append(f"AWS has the users {sorted(in_aws)}, not {[row.name for row in desired]}")
    for row in desired:
        if row.name in in_aws:
            found += _of_user(aws, row, in_aws[row.name])
    return found


def _of_user(aws: Aws, row: PullUser, user: Any) -> list[str]:
    """``user`` as moto has it."""
    found = []
    shown, expected_user = _shown(aws, row), _expected(row)
    if shown != expected_user:
        found.append(f"{row} is {shown} in AWS, not {expected_user}")
    if LOGIN_POLICY not in user.managed_policies:
        found.append(f"{row} may not sign in")
    in_aws = {key.access_key_id: key.status for key in user.access_keys}
    living = row.access_keys.exclude(desired=KeyStatus.DELETED)
    expected = {
        key.access_key_id: key.desired if row.desired == Desired.PRESENT else "Inactive"
        for key in living
    }
    if in_aws != expected:
        found.append(f"{row} has the keys {in_aws} in AWS, not {expected}")
    if row.desired == Desired.PRESENT and len(living.filter(retires_at__isnull=True)) != 1:
        found.append(f"{row} does not have exactly one current key")
    own = user.policies.get(policies.USER_POLICY_NAME)
    says = policies.content_of(grammar.from_found(own) if own else None)
    placed = row.grants.filter(desired=Desired.PRESENT, placement=Grant.Placement.USER_POLICY)
    arns = frozenset(grant.repository.arn for grant in placed)
    if row.desired == Desired.PRESENT and says != UserPolicy(arns, row.customer.sources):
        found.append(f"{row}'s own policy says {says}")
    return found


def _shown(aws: Aws, row: PullUser) -> dict[str, Any]:
    """Everything that GetUser shows, except the time of its creation."""
    user: dict[str, Any] = aws.iam.get_user(UserName=row.name)["User"]
    del user["CreateDate"]
    return user | {"Tags": {tag["Key"]: tag["Value"] for tag in user["Tags"]}}


def _expected(row: PullUser) -> dict[str, Any]:
    registry = Registry.objects.filter(account_id=row.account_id).first()
    assert registry is not None
    boundary = {
        "PermissionsBoundaryType": "Policy",
        "PermissionsBoundaryArn": registry.boundary_arn,
    }
    return {
        "Path": settings.AWS_PATH,
        "UserName": row.name,
        "UserId": row.user_id,
        "Arn": row.arn,
        "Tags": names.user_tags(row.customer.slug, row.label),
    } | ({"PermissionsBoundary": boundary} if registry.boundary_arn else {})


def _of_repositories(aws: Aws) -> list[str]:
    found = []
    for row in Repository.objects.all():
        grants = row.grants.filter(
            desired=Desired.PRESENT, placement=Grant.Placement.REPOSITORY_POLICY
        )
        expected = {grant.pull_user.arn for grant in grants.select_related("pull_user")}
        shown = aws.repository_policy(row.name)
        if admitted(shown) != expected:
            found.append(f"{row} admits {admitted(shown)}, not {expected}")
    return found


def _of_rows() -> list[str]:
    found = [f"{row} is not settled" for row in PullUser.objects.unsettled()]
    found += [f"{row} is not settled" for row in Grant.objects.unsettled()]
    for model in (PullUser, Repository):
        for row in model.objects.exclude(failures=0, attention=""):
            found.append(f"{row} has failed: {row.last_error or row.attention}")
    destroyed = AccessKey.objects.current().filter(
        secret__destroyed_at__isnull=False, adopted_at__isnull=True
    )
    found += [f"The secret of {key} was destroyed, but the key lives on" for key in destroyed]
    return found
