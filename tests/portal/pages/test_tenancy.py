"""Nobody sees or moves anything of another customer's."""

import re

import pytest

from accounts.deeds import By
from accounts.models import Membership
from accounts.organisations import Role, invite
from provisioning.demo.cast import Cast
from provisioning.models import Entitlement, PullUser
from tests.portal.pages.everywhere import database
from tests.portal.pages.reading import as_user, confirm, words
from tests.provisioned import approved, provision


@pytest.fixture
def addresses(cast: Cast) -> list[str]:
    """The pages of Birch Bank that carry an id."""
    entitlement = approved(cast)
    pull_user = provision(cast.birch)
    return [
        f"/access/{entitlement.pk}/",
        f"/access/{entitlement.pk}/trouble/",
        f"/credentials/{pull_user.pk}/reveal/",
        f"/customers/{cast.birch.pk}/request/{cast.reports.pk}/",
        f"/customers/{cast.birch.pk}/",
        f"/customers/{cast.birch.pk}/invite/",
        f"/access/{entitlement.pk}/repositories/{cast.server.repositories.all()[0].pk}/",
        f"/customers/{cast.birch.pk}/leave/",
        f"/members/{Membership.objects.get(user=cast.bob).pk}/",
        f"/invitations/{invite(cast.birch, 'd@x.example', Role.VIEWER, by=By(cast.alice)).pk}/",
    ]


@pytest.mark.parametrize("who", ["charlie", "sandra", "otto"])
def test_other_customers_pages_are_not_found_and_nothing_changes(
    cast: Cast, addresses: list[str], who: str
) -> None:
    client = as_user(getattr(cast, who))
    # A fresh proof of who it is opens nothing either.
    assert confirm(client, addresses[2]).status_code == 404
    before = database()
    for address in addresses:
        assert client.get(address).status_code == 404
        assert client.get(address, headers={"HX-Request": "true"}).status_code == 404
        refused = client.post(address, {"note": "mine"})
        # These take no POST from anybody.
        reads = re.fullmatch(
            rf"/access/\d+/(repositories/\d+/)?|/customers/{cast.birch.pk}/", address
        )
        assert refused.status_code == (405 if reads else 404)
    assert database() == before


def test_an_id_of_anothers_is_answered_as_one_that_does_not_exist(
    cast: Cast, addresses: list[str]
) -> None:
    client = as_user(cast.charlie)
    confirm(client, addresses[2])
    for address in addresses[:3]:
        number = next(part for part in address.split("/") if part.isdecimal())
        nowhere = address.replace(number, "999999")
        theirs, nobodys = client.get(address), client.get(nowhere)
        assert theirs.status_code == nobodys.status_code == 404
        assert words(theirs) == words(nobodys)


def test_for_user_gives_a_member_its_own_and_staff_nothing(
    cast: Cast, addresses: list[str]
) -> None:
    for user, count in ((cast.alice, 1), (cast.bob, 1), (cast.charlie, 0), (cast.otto, 0)):
        assert Entitlement.objects.for_user(user).count() == count
        assert PullUser.objects.for_user(user).count() == count
