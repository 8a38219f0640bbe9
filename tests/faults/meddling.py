"""What others do in AWS in a scenario."""

from typing import Any

from provisioning.documents import grammar
from tests.faults.actions import Act
from tests.faults.world import World
from tests.repository_policies import FOREIGN, document

REPOSITORIES = ["acme/server", "acme/reports"]


def delete_user(s: World) -> None:
    if name := s.user():
        s.aws.delete_user(name)


def delete_key(s: World) -> None:
    for name in s.aws.users()[:1]:
        for key in list(s.aws.keys(name))[:1]:
            s.aws.iam.delete_access_key(UserName=name, AccessKeyId=key)


def switch_key(s: World) -> None:
    for name in s.aws.users()[:1]:
        for key in s.aws.keys(name):
            status = s.random.choice(["Active", "Inactive"])
            s.aws.iam.update_access_key(UserName=name, AccessKeyId=key, Status=status)


def add_key(s: World) -> None:
    name = s.user()
    if name and len(s.aws.keys(name)) < 2:
        s.aws.iam.create_access_key(UserName=name)


def overwrite_policy(s: World) -> None:
    _write_policy(s, s.random.choice(REPOSITORIES), [])


def add_statement(s: World) -> None:
    name = s.random.choice(REPOSITORIES)
    _write_policy(s, name, grammar.statements(s.aws.repository_policy(name)))


def _write_policy(s: World, name: str, others: list[dict[str, Any]]) -> None:
    s.aws.set_repository_policy(
        name, document(*[each for each in others if each != FOREIGN], FOREIGN)
    )
    if not s.expects_stale_read():
        s.has_foreign.add(name)


def detach_policy(s: World) -> None:
    if name := s.user():
        for each in s.aws.iam.list_attached_user_policies(UserName=name)["AttachedPolicies"]:
            s.aws.iam.detach_user_policy(UserName=name, PolicyArn=each["PolicyArn"])


def remove_tag(s: World) -> None:
    if name := s.user():
        s.aws.iam.untag_user(UserName=name, TagKeys=["managed-by"])


def move_user(s: World) -> None:
    if name := s.user():
        s.aws.iam.update_user(UserName=name, NewPath="/people/")


def slow_ecr(s: World) -> None:
    s.aws.embedded.config.propagation_seconds = s.random.choice([0, 3600])


MEDDLING: list[Act] = [
    delete_user,
    delete_key,
    switch_key,
    add_key,
    overwrite_policy,
    add_statement,
    detach_policy,
    remove_tag,
    move_user,
    slow_ecr,
]
