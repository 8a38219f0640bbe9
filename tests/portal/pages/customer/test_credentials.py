"""The credentials on the product's page: every living key, and what can be done with it."""

from typing import Any

import pytest
from bs4 import BeautifulSoup

from accounts.models import AuditEvent, Membership
from provisioning.demo.seed import Cast
from provisioning.flows import Actor, Refused
from provisioning.flows import credentials as flows
from provisioning.flows.credentials import reveal
from provisioning.flows.labels import add_label
from provisioning.models import AccessKey, Entitlement, PullUser
from tests.aws import Aws
from tests.entitlements import approved
from tests.portal.pages.pages import as_user, just_signed_in, words
from tests.provisioned import add_key, change, collect, days, provision
from tests.worker import run_until_settled


@pytest.fixture
def key(cast: Cast) -> AccessKey:
    approved(cast)
    key = provision(cast.birch).access_keys.get()
    collect(cast, key, days(-7))
    change(key, created_at=days(-7))
    return key


@pytest.fixture
def address(key: AccessKey) -> str:
    return f"/access/{Entitlement.objects.get().pk}/credentials/"


def rotate(cast: Cast, key: AccessKey) -> AccessKey:
    change(key, retires_at=days(5.1))
    return add_key(PullUser.objects.get())


def row(response: Any, key: AccessKey) -> str:
    """What the table says of a key."""
    soup = BeautifulSoup(response.content, "html.parser")
    (found,) = [
        each for each in soup.select("#credentials tbody tr") if str(key) in each.get_text()
    ]
    return " ".join(found.get_text(" ").split())


def links(response: Any) -> str:
    return " ".join(
        str(link["href"]) for link in BeautifulSoup(response.content, "html.parser").select("a")
    )


def test_both_keys_show_while_they_overlap(cast: Cast, key: AccessKey, address: str) -> None:
    new = rotate(cast, key)
    shown = as_user(cast.alice).get(address)
    assert "default" in row(shown, new)
    assert "Waiting to be revealed" in row(shown, new)
    assert "Retires in 5 days" in row(shown, key)
    assert "Your machines need it until the new key is revealed" in row(shown, key)
    assert f"/keys/{key.pk}/switch/?from=" in links(shown)
    assert f"/keys/{key.pk}/end/?from=" in links(shown)
    assert f"/keys/{new.pk}/" not in links(shown)


@pytest.mark.parametrize(
    ("used", "observed", "words_of_use"),
    [
        (-3, -1, "3 days ago : still in use"),
        (-20, -1, "silent since 2 weeks, 6 days ago"),
        (None, -1, "silent since it was created"),
        (-20, -6.9, "No use is known since the new key was revealed"),
    ],
)
def test_retiring_key_says_whether_it_is_still_in_use(
    cast: Cast,
    key: AccessKey,
    address: str,
    used: float | None,
    observed: float,
    words_of_use: str,
) -> None:
    new = rotate(cast, key)
    collect(cast, new, days(-7))
    change(key, last_used_at=None if used is None else days(used), last_used_for="ecr")
    PullUser.objects.update(uses_read_at=days(observed))
    assert words_of_use in row(as_user(cast.alice).get(address), key)


def test_last_use_is_shown_with_service_and_region(
    cast: Cast, key: AccessKey, address: str
) -> None:
    assert "not yet" in row(as_user(cast.alice).get(address), key)
    change(key, last_used_at=days(-3), last_used_for="ecr in eu-central-1")
    assert "3 days ago ecr in eu-central-1" in row(as_user(cast.alice).get(address), key)


def test_key_that_is_being_created_is_shown_beside_the_old_one(
    cast: Cast, key: AccessKey, address: str
) -> None:
    change(key, retires_at=days(5))
    text = words(as_user(cast.alice).get(address))
    assert "Being created A new access key is created and tested" in text
    assert str(key) in text


def test_deactivated_key_can_be_activated_from_the_page(
    cast: Cast, key: AccessKey, address: str
) -> None:
    change(key, desired="Inactive", status="Inactive")
    shown = row(as_user(cast.alice).get(address), key)
    assert "Deactivated" in shown
    assert f"Activate {key}" in shown


def test_page_says_what_to_do_about_a_lost_secret_once_it_was_revealed(
    cast: Cast, key: AccessKey, address: str
) -> None:
    assert "Lost: nobody can show it again." in words(as_user(cast.alice).get(address))
    bob = words(as_user(cast.bob).get(address))
    assert "An owner or an engineer of Birch Bank can do both." in bob
    change(key, retires_at=days(-1), desired="Deleted", status="Deleted")
    add_key(PullUser.objects.get())
    assert "Lost:" not in words(as_user(cast.alice).get(address))


def test_viewer_sees_the_keys_but_no_buttons(cast: Cast, key: AccessKey, address: str) -> None:
    new = rotate(cast, key)
    shown = as_user(cast.bob).get(address)
    assert row(shown, key)
    assert row(shown, new)
    for part in ("/reveal/", "/rotate/", "/switch/", "/end/"):
        assert part not in links(shown)
    Membership.objects.filter(user=cast.bob).update(role="engineer")
    assert "/reveal/" in links(as_user(cast.bob).get(address))


def test_each_label_has_its_keys_under_its_name(cast: Cast, key: AccessKey, address: str) -> None:
    add_label(cast.birch, "ci", by=Actor(cast.alice))
    PullUser.objects.filter(label="ci").update(status="ready", arn="arn:aws:iam::1:user/ci")
    new = add_key(PullUser.objects.get(label="ci"))
    shown = as_user(cast.alice).get(address)
    assert row(shown, new).startswith("ci ")
    assert row(shown, key).startswith("default ")


def test_secret_that_nobody_revealed_in_time_leaves_a_row_and_the_way_on(
    cast: Cast, key: AccessKey, address: str
) -> None:
    change(key, retires_at=days(-1), desired="Deleted", status="Deleted")
    PullUser.objects.update(unclaimed_at=days(-1))
    shown = as_user(cast.alice).get(address)
    assert "Nobody revealed the secret in time" in words(shown)
    assert "Create a new key" in words(shown)
    assert "/rotate/" in links(shown)


# --- End now -----------------------------------------------------------------------


def test_retiring_key_can_be_ended_at_once_and_aws_has_it_no_more(aws: Aws, cast: Cast) -> None:
    approved(cast)
    run_until_settled()
    pull_user = PullUser.objects.get()
    old = reveal(pull_user, by=Actor(cast.alice))
    flows.rotate(pull_user, by=Actor(cast.alice))
    run_until_settled()
    new = reveal(pull_user, by=Actor(cast.alice))
    assert set(aws.keys("birch-bank")) == {old.access_key_id, new.access_key_id}
    key = AccessKey.objects.get(access_key_id=old.access_key_id)
    alice = just_signed_in(cast.alice)
    place = f"/keys/{key.pk}/end/"
    assert "machines that still use it can no longer sign in" in words(alice.get(place))
    assert "is being deleted" in words(alice.post(place, follow=True))
    run_until_settled()
    assert set(aws.keys("birch-bank")) == {new.access_key_id}
    line = AuditEvent.objects.get(action="ended_key")
    assert (line.actor, line.subject) == (cast.alice, f"access key {old.access_key_id}")


def test_current_key_cannot_be_ended(cast: Cast, key: AccessKey) -> None:
    with pytest.raises(Refused, match="Create a new key first"):
        flows.end(key, by=Actor(cast.alice))
    assert just_signed_in(cast.alice).get(f"/keys/{key.pk}/end/").status_code == 404


@pytest.mark.parametrize("who", ["bob", "charlie", "otto"])
def test_who_may_not_handle_credentials_ends_none(cast: Cast, key: AccessKey, who: str) -> None:
    rotate(cast, key)
    just_signed_in(getattr(cast, who)).post(f"/keys/{key.pk}/end/")
    key.refresh_from_db()
    assert key.retires_at is not None
    assert key.retires_at > days(4)


def test_who_reported_misuse_may_still_end_a_key(cast: Cast, key: AccessKey) -> None:
    rotate(cast, key)
    Membership.objects.filter(user=cast.alice).update(reveals_locked_at=days(-1))
    just_signed_in(cast.alice).post(f"/keys/{key.pk}/end/")
    key.refresh_from_db()
    assert key.retires_at is not None
    assert key.retires_at <= days(0)
