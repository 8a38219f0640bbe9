"""A member reveals the credentials, once; everybody else gets an explanation."""

import pytest
from django.utils import timezone

from accounts.models import AuditEvent, Membership
from provisioning import vault
from provisioning.demo.seed import Cast
from provisioning.flows import Actor, NotAllowed, Refused
from provisioning.flows.credentials import reveal
from provisioning.models import AccessKey, OneTimeSecret, PullUser
from tests.entitlements import approved
from tests.provisioned import SECRET, provision


@pytest.fixture
def pull_user(cast: Cast) -> PullUser:
    approved(cast)
    return provision(cast.birch)


def test_owner_gets_the_credentials_and_the_reveal_is_audited(
    cast: Cast, pull_user: PullUser
) -> None:
    key = AccessKey.objects.get()
    credentials = reveal(pull_user, by=Actor(cast.alice, "192.0.2.1"))
    assert (credentials.access_key_id, credentials.secret_access_key) == (key.access_key_id, SECRET)
    assert SECRET not in repr(credentials)
    event = AuditEvent.objects.get(action="revealed")
    assert (event.actor, event.customer, event.address) == (cast.alice, cast.birch, "192.0.2.1")
    assert event.subject == f"access key {key.access_key_id}"


def test_engineer_gets_the_credentials(cast: Cast, pull_user: PullUser) -> None:
    Membership.objects.filter(user=cast.bob).update(role="engineer")
    assert reveal(pull_user, by=Actor(cast.bob)).secret_access_key == SECRET


def test_second_reveal_is_refused_with_a_remedy(cast: Cast, pull_user: PullUser) -> None:
    reveal(pull_user, by=Actor(cast.alice))
    with pytest.raises(Refused, match=r"no longer have the secret.*create a new key"):
        reveal(pull_user, by=Actor(cast.alice))
    assert AuditEvent.objects.filter(action="revealed").count() == 1


@pytest.mark.parametrize(
    ("who", "words"),
    [
        ("bob", "Only an engineer or owner of Birch Bank"),
        ("charlie", "Only an engineer or owner of Birch Bank"),
        ("otto", "vendor's own people cannot reveal"),
        ("sandra", "vendor's own people cannot reveal"),
    ],
)
def test_nobody_else_gets_them(cast: Cast, pull_user: PullUser, who: str, words: str) -> None:
    with pytest.raises(NotAllowed, match=words):
        reveal(pull_user, by=Actor(getattr(cast, who)))
    assert OneTimeSecret.objects.get().is_unrevealed
    assert not AuditEvent.objects.filter(action="revealed").exists()


def test_staff_who_are_members_do_not_get_them_either(cast: Cast, pull_user: PullUser) -> None:
    Membership.objects.create(user=cast.otto, customer=cast.birch, role="owner")
    with pytest.raises(NotAllowed, match="vendor's own people"):
        reveal(pull_user, by=Actor(cast.otto))
    assert OneTimeSecret.objects.get().is_unrevealed


@pytest.mark.parametrize("change", [{"status": "waiting"}, {"desired": "absent"}])
def test_credentials_that_are_not_ready_are_not_revealed(
    cast: Cast, pull_user: PullUser, change: dict[str, str]
) -> None:
    PullUser.objects.update(**change)
    pull_user.refresh_from_db()
    with pytest.raises(Refused, match="not ready yet"):
        reveal(pull_user, by=Actor(cast.alice))
    assert OneTimeSecret.objects.get().is_unrevealed


def test_retiring_key_is_not_revealed(cast: Cast, pull_user: PullUser) -> None:
    AccessKey.objects.update(retires_at=timezone.now())
    with pytest.raises(Refused, match="not ready yet"):
        reveal(pull_user, by=Actor(cast.alice))


def test_destroyed_secret_is_not_revealed(cast: Cast, pull_user: PullUser) -> None:
    vault.destroy(AccessKey.objects.get())
    with pytest.raises(Refused, match="no longer have the secret"):
        reveal(pull_user, by=Actor(cast.alice))
