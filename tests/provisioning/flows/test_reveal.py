"""A member collects the credentials, once; everybody else gets words."""

import pytest
from django.utils import timezone

from accounts.models import AuditEvent, Membership
from provisioning import vault
from provisioning.demo.cast import Cast
from provisioning.flows import By, NotAllowed, Refused
from provisioning.flows.reveal import reveal
from provisioning.models import AccessKey, OneTimeSecret, PullUser
from tests.provisioned import SECRET, approved, provision


@pytest.fixture
def pull_user(cast: Cast) -> PullUser:
    approved(cast)
    return provision(cast.birch)


def test_owner_gets_the_credentials_and_a_line_is_written(cast: Cast, pull_user: PullUser) -> None:
    key = AccessKey.objects.get()
    credentials = reveal(pull_user, by=By(cast.alice, "192.0.2.1"))
    assert (credentials.access_key_id, credentials.secret_access_key) == (key.access_key_id, SECRET)
    assert SECRET not in repr(credentials)
    line = AuditEvent.objects.get(deed="revealed")
    assert (line.actor, line.customer, line.address) == (cast.alice, cast.birch, "192.0.2.1")
    assert line.subject == f"access key {key.access_key_id}"


def test_engineer_gets_the_credentials(cast: Cast, pull_user: PullUser) -> None:
    Membership.objects.filter(user=cast.bob).update(role="engineer")
    assert reveal(pull_user, by=By(cast.bob)).secret_access_key == SECRET


def test_second_reveal_is_refused_with_the_remedy(cast: Cast, pull_user: PullUser) -> None:
    reveal(pull_user, by=By(cast.alice))
    with pytest.raises(Refused, match=r"exists nowhere any more.*have a new key made"):
        reveal(pull_user, by=By(cast.alice))
    assert AuditEvent.objects.filter(deed="revealed").count() == 1


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
        reveal(pull_user, by=By(getattr(cast, who)))
    assert OneTimeSecret.objects.get().is_sealed
    assert not AuditEvent.objects.filter(deed="revealed").exists()


def test_staff_who_made_themselves_members_do_not_get_them_either(
    cast: Cast, pull_user: PullUser
) -> None:
    Membership.objects.create(user=cast.otto, customer=cast.birch, role="owner")
    with pytest.raises(NotAllowed, match="vendor's own people"):
        reveal(pull_user, by=By(cast.otto))
    assert OneTimeSecret.objects.get().is_sealed


@pytest.mark.parametrize("change", [{"status": "waiting"}, {"wanted": "absent"}])
def test_credentials_that_are_not_ready_are_not_revealed(
    cast: Cast, pull_user: PullUser, change: dict[str, str]
) -> None:
    PullUser.objects.update(**change)
    pull_user.refresh_from_db()
    with pytest.raises(Refused, match="not ready yet"):
        reveal(pull_user, by=By(cast.alice))
    assert OneTimeSecret.objects.get().is_sealed


def test_key_about_to_retire_is_not_revealed(cast: Cast, pull_user: PullUser) -> None:
    AccessKey.objects.update(retires_at=timezone.now())
    with pytest.raises(Refused, match="not ready yet"):
        reveal(pull_user, by=By(cast.alice))


def test_burned_secret_is_refused(cast: Cast, pull_user: PullUser) -> None:
    vault.burn(AccessKey.objects.get())
    with pytest.raises(Refused, match="exists nowhere"):
        reveal(pull_user, by=By(cast.alice))
