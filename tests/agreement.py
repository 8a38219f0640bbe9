"""Whether AWS has exactly what the database wants."""

from provisioning import policies
from provisioning.embedded_aws import directory
from provisioning.models import AccessKey, Grant, PullUser, Repository
from provisioning.states import KeyStatus, Status, Wanted
from tests.aws import ACCOUNT_ID, Aws


def disagreements(aws: Aws) -> list[str]:
    """In words; none when all is as it should be."""
    return [*_of_users(), *_of_repositories(aws), *_of_rows()]


def _of_users() -> list[str]:
    there = directory.iam(ACCOUNT_ID).users
    wanted = PullUser.objects.exclude(wanted=Wanted.ABSENT).exclude(status=Status.GONE)
    found = []
    if set(there) != {user.name for user in wanted}:
        found.append(f"AWS has the users {sorted(there)}, not {[u.name for u in wanted]}")
    for user in wanted:
        if user.name in there:
            found += _of_user(user, there[user.name])
    return found


def _of_user(row: PullUser, user: object) -> list[str]:
    found = []
    if directory.unique_id(user)[4:] not in row.user_id.upper() and row.arn != user.arn:  # type: ignore[attr-defined]
        found.append(f"{row} is another user in AWS")
    in_aws = {key.access_key_id: key.status for key in user.access_keys}  # type: ignore[attr-defined]
    living = row.access_keys.exclude(wanted=KeyStatus.DELETED)
    expected = {
        key.access_key_id: key.wanted if row.wanted == Wanted.PRESENT else "Inactive"
        for key in living
    }
    if in_aws != expected:
        found.append(f"{row} has the keys {in_aws} in AWS, not {expected}")
    if row.wanted == Wanted.PRESENT and len(living.filter(retires_at__isnull=True)) != 1:
        found.append(f"{row} has no one current key")
    own = policies.opened_by(
        directory._loaded(user.policies[policies.USER_POLICY_NAME])  # type: ignore[attr-defined]
        if policies.USER_POLICY_NAME in user.policies  # type: ignore[attr-defined]
        else None
    )
    placed = row.grants.filter(wanted=Wanted.PRESENT, placement=Grant.Placement.USER_POLICY)
    if row.wanted == Wanted.PRESENT and own != {g.repository.arn for g in placed}:
        found.append(f"{row}'s own policy opens {own}")
    return found


def _of_repositories(aws: Aws) -> list[str]:
    found = []
    for row in Repository.objects.all():
        grants = row.grants.filter(
            wanted=Wanted.PRESENT, placement=Grant.Placement.REPOSITORY_POLICY
        )
        expected = {grant.pull_user.arn for grant in grants.select_related("pull_user")}
        shown = aws.repository_policy(row.name)
        if policies.principals(shown) != expected:
            found.append(f"{row} lets in {policies.principals(shown)}, not {expected}")
    return found


def _of_rows() -> list[str]:
    found = [f"{row} is not settled" for row in PullUser.objects.unsettled()]
    found += [f"{row} is not settled" for row in Grant.objects.unsettled()]
    for model in (PullUser, Repository):
        for row in model.objects.exclude(failures=0, attention=""):
            found.append(f"{row} has failed: {row.last_error or row.attention}")
    lost = AccessKey.objects.current().filter(secret__burned_at__isnull=False)
    found += [f"The secret of {key} is burned, and the key lives" for key in lost]
    return found
