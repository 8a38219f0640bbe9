"""The state of a key in words, and whether an old one is still needed."""

from datetime import timedelta

import pytest
from django.utils import timezone

from provisioning import queries, vault
from provisioning.demo.seed import Cast
from provisioning.models import AccessKey, Entitlement, PullUser
from provisioning.queries import KeyState
from tests.entitlements import approved
from tests.portal.pages.pages import as_user
from tests.portal.pages.pages import words as page_words
from tests.provisioned import add_key, change, collect, days, provision


@pytest.fixture
def key(cast: Cast) -> AccessKey:
    approved(cast)
    key = provision(cast.birch).access_keys.get()
    collect(cast, key, days(-7))
    change(key, created_at=days(-7))
    return key


def shown(cast: Cast) -> list[KeyState]:
    entitlement = queries.entitlements(Entitlement.objects.filter(customer=cast.birch)).get()
    (pull_user,) = queries.pull_users(entitlement)
    return queries.key_states(pull_user)


@pytest.mark.parametrize(
    ("changes", "label"),
    [
        ({}, "Active"),
        ({"expires_at": 20.1}, "Expires in 20 days"),
        ({"expires_at": 40}, "Active"),
        ({"desired": "Inactive"}, "Being deactivated"),
        ({"desired": "Inactive", "status": "Inactive"}, "Deactivated"),
        ({"status": "Inactive", "written": "Inactive"}, "Being activated"),
        ({"status": "Inactive", "written": ""}, "Being activated"),
        ({"status": "Inactive"}, "Deactivated in AWS"),
        ({"retires_at": 5.1}, "Retires in 5 days"),
        ({"retires_at": 1.1}, "Retires in 1\N{NO-BREAK SPACE}day"),
        ({"retires_at": -0.1}, "Being deleted"),
        ({"retires_at": -0.1, "desired": "Deleted"}, "Being deleted"),
        ({"retires_at": 5, "desired": "Inactive", "status": "Inactive"}, "Deactivated"),
    ],
)
def test_state_of_a_key_has_a_label(
    cast: Cast, key: AccessKey, changes: dict[str, float | str], label: str
) -> None:
    moments = {name: days(at) for name, at in changes.items() if not isinstance(at, str)}
    change(key, **changes | moments)
    assert [row.state.label for row in shown(cast) if row.key] == [label]


def test_new_key_is_tested_and_then_waits_to_be_revealed(cast: Cast) -> None:
    approved(cast)
    provision(cast.birch)
    assert [row.state.label for row in shown(cast)] == ["Waiting to be revealed"]
    AccessKey.objects.update(tested_at=None)
    assert [row.state.label for row in shown(cast)] == ["Being tested"]


@pytest.mark.parametrize(
    ("is_open", "age", "words"),
    [
        (False, 10, "It is tested as soon as a repository is open to you."),
        (True, 10, "AWS may take a minute to accept a new key."),
        (
            True,
            90,
            "AWS has not accepted it yet. It is tested again, and your vendor can see this.",
        ),
    ],
)
def test_new_key_says_what_its_test_waits_for(
    cast: Cast, age: int, words: str, *, is_open: bool
) -> None:
    approved(cast)
    pull_user = provision(cast.birch)
    AccessKey.objects.update(tested_at=None, created_at=days(-age / 86_400))
    pull_user.grants.update(in_repository_policy=is_open)
    assert [row.state.remedy for row in shown(cast)] == [words]
    entitlement = queries.entitlements().get()
    notes = {step.name: step.note for step in queries.progress(entitlement).steps}
    assert notes["Access key tested"] == words
    page = as_user(cast.alice).get(f"/access/{entitlement.pk}/credentials/")
    assert words in page_words(page)


def test_key_that_was_taken_over_works_and_nobody_knows_its_secret(cast: Cast) -> None:
    approved(cast)
    key = provision(cast.birch).access_keys.get()
    vault.destroy(key)
    change(key, adopted_at=days(0))
    entitlement = queries.entitlements().get()
    page = page_words(as_user(cast.alice).get(f"/access/{entitlement.pk}/credentials/"))
    assert "Revealed before the portal was restored from a backup" in page
    assert "before anyone revealed it" not in page
    assert "Create a new key" in page


def test_keys_that_aws_no_longer_has_are_not_listed(cast: Cast, key: AccessKey) -> None:
    change(key, retires_at=days(-1), desired="Deleted", status="Deleted")
    new = add_key(PullUser.objects.get())
    assert [row.key for row in shown(cast)] == [new]


def test_newest_key_comes_first(cast: Cast, key: AccessKey) -> None:
    change(key, retires_at=days(5))
    new = add_key(PullUser.objects.get())
    assert [row.key for row in shown(cast)] == [new, key]


def proof(cast: Cast) -> str:
    return shown(cast)[-1].proof


def test_old_key_is_needed_until_the_new_one_is_revealed(cast: Cast, key: AccessKey) -> None:
    change(key, retires_at=days(5))
    assert "need it until the new key is revealed" in proof(cast)
    add_key(PullUser.objects.get())
    assert "need it until the new key is revealed" in proof(cast)


@pytest.mark.parametrize(
    ("used", "observed", "words"),
    [
        (-0.5, 0, "Find that machine"),
        (-0.5, -0.9, "Find that machine"),
        (-3, 0, "you can end it now"),
        (None, 0, "you can end it now"),
        (-3, -0.9, "Look again tomorrow"),
        (-3, None, "Look again tomorrow"),
    ],
)
def test_old_key_counts_as_unused_only_if_aws_reported_late_enough(
    cast: Cast, key: AccessKey, used: float | None, observed: float | None, words: str
) -> None:
    change(key, retires_at=days(5), last_used_at=None if used is None else days(used))
    collect(cast, add_key(PullUser.objects.get()), timezone.now() - timedelta(days=1))
    PullUser.objects.update(uses_read_at=None if observed is None else days(observed))
    assert words in proof(cast)
