"""People can neither see nor change anything that belongs to another customer."""

import re

import pytest

from accounts.actor import Actor
from accounts.flows.invitations import invite
from accounts.flows.members import Role
from accounts.models import Membership
from provisioning.demo.seed import Cast
from provisioning.models import Entitlement, PullUser
from tests.entitlements import approved
from tests.portal.pages.captured_state import database
from tests.portal.pages.pages import as_user, confirm, words
from tests.provisioned import provision


@pytest.fixture
def addresses(cast: Cast) -> list[str]:
    """The pages of Birch Bank whose addresses contain an id."""
    entitlement = approved(cast)
    pull_user = provision(cast.birch)
    return [
        f"/access/{entitlement.pk}/",
        f"/access/{entitlement.pk}/images/",
        f"/access/{entitlement.pk}/credentials/",
        f"/access/{entitlement.pk}/activity/",
        f"/access/{entitlement.pk}/files/pull.sh",
        f"/access/{entitlement.pk}/diagnosis/",
        f"/credentials/{pull_user.pk}/reveal/",
        f"/customers/{cast.birch.pk}/request/{cast.reports.pk}/",
        f"/customers/{cast.birch.pk}/",
        f"/customers/{cast.birch.pk}/invite/",
        f"/access/{entitlement.pk}/repositories/{cast.server.repositories.all()[0].pk}/",
        f"/customers/{cast.birch.pk}/leave/",
        f"/members/{Membership.objects.get(user=cast.bob).pk}/",
        f"/invitations/{invite(cast.birch, 'd@x.example', Role.VIEWER, by=Actor(cast.alice)).pk}/",
    ]


@pytest.mark.parametrize("who", ["charlie", "sandra", "otto"])
def test_other_customers_pages_are_not_found_and_nothing_changes(
    cast: Cast, addresses: list[str], who: str
) -> None:
    client = as_user(getattr(cast, who))
    # A recent sign-in makes no difference.
    asks = next(each for each in addresses if "reveal" in each)
    assert confirm(client, asks).status_code == 404
    before = database()
    for address in addresses:
        assert client.get(address).status_code == 404
        assert client.get(address, headers={"HX-Request": "true"}).status_code == 404
        refused = client.post(address, {"note": "mine"})
        # These pages accept no POST from anyone.
        is_read_only = re.fullmatch(
            rf"/access/\d+/(?!diagnosis).*|/customers/{cast.birch.pk}/", address
        )
        assert refused.status_code == (405 if is_read_only else 404)
    assert database() == before


def test_another_customers_id_is_answered_like_one_that_does_not_exist(
    cast: Cast, addresses: list[str]
) -> None:
    client = as_user(cast.charlie)
    confirm(client, next(each for each in addresses if "reveal" in each))
    for address in addresses[:-3]:
        number = next(part for part in address.split("/") if part.isdecimal())
        missing = address.replace(number, "999999")
        theirs, nothing = client.get(address), client.get(missing)
        assert theirs.status_code == nothing.status_code == 404
        assert words(theirs) == words(nothing)


def test_members_get_the_rows_of_their_customer_and_staff_get_none(
    cast: Cast, addresses: list[str]
) -> None:
    for user, count in ((cast.alice, 1), (cast.bob, 1), (cast.charlie, 0), (cast.otto, 0)):
        assert Entitlement.objects.for_user(user).count() == count
        assert PullUser.objects.for_user(user).count() == count
