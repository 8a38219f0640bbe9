"""Addresses that can be taken for others are not invited."""

import pytest
from allauth.account.models import EmailAddress
from django.test import Client
from pytest_django import Settings

from accounts.actor import Actor, Refused
from accounts.addresses import is_deceptive
from accounts.flows import invitations
from accounts.flows.members import Role
from accounts.models import Email, User
from provisioning.demo.seed import Cast
from tests.portal.pages.pages import just_signed_in

APPLE_IN_CYRILLIC = "\u0430\u0440\u0440\u04cf\u0435"


@pytest.mark.parametrize(
    ("email", "deceives"),
    [
        ("dana@birch.example", False),
        ("dana@m\u00fcller.example", False),
        ("dana@xn--mller-kva.example", False),
        ("dana@\u043f\u043e\u0447\u0442\u0430.\u0440\u0444", False),
        (f"dana@{APPLE_IN_CYRILLIC}.example", True),
        (f"dana@{APPLE_IN_CYRILLIC.encode('idna').decode()}.example", True),
        ("dana@b\u0456rch.example", True),
        ("dana@b\u0131rch.example", True),
        ("dana@birch.example\u200b", True),
        ("dana@xn--birch-pt3b.example", True),
        ("dana@xn--birch-1ha.example", True),
        ("d\u0131na@birch.example", True),
        ("dana@birch.\u0441om", True),
        ("dana\u202e@birch.example", True),
    ],
)
def test_domain_that_looks_like_another_is_deceptive(email: str, *, deceives: bool) -> None:
    assert is_deceptive(email) is deceives


@pytest.mark.parametrize("address", ["alice@b\u0456rch.example", "alice@birch.example\u200b"])
def test_deceptive_address_neither_signs_up_nor_is_added(
    cast: Cast, settings: Settings, address: str
) -> None:
    settings.SIGNUP = "open"
    fields = {
        "email": address,
        "name": "New",
        "password1": "a-Long-one-7",
        "password2": "a-Long-one-7",
    }
    assert Client().post("/account/signup/", fields).status_code == 200
    just_signed_in(cast.alice).post("/account/email/", {"email": address, "action_add": ""})
    assert not User.objects.filter(name="New").exists()
    assert (
        not EmailAddress.objects.filter(email__startswith="alice@b")
        .exclude(user=cast.alice, email=cast.alice.email)
        .exists()
    )


def test_deceptive_address_is_not_invited(cast: Cast) -> None:
    with pytest.raises(Refused, match="mixes alphabets"):
        invitations.invite(
            cast.birch, f"d@{APPLE_IN_CYRILLIC}.example", Role.VIEWER, by=Actor(cast.alice)
        )
    assert not Email.objects.exists()


def test_address_gets_five_invitations_a_day(cast: Cast) -> None:
    invitation = invitations.invite(cast.birch, "d@x.example", Role.VIEWER, by=Actor(cast.alice))
    for _ in range(4):
        invitations.send_again(invitation, by=Actor(cast.alice))
    with pytest.raises(Refused, match="has had 5 invitations from Birch Bank today"):
        invitations.send_again(invitation, by=Actor(cast.alice))
    assert Email.objects.count() == 5


def test_organisation_sends_fifty_invitations_an_hour(cast: Cast) -> None:
    for number in range(50):
        email = f"d{number}@x.example"
        invitations.invite(cast.birch, email, Role.VIEWER, by=Actor(cast.alice))
    with pytest.raises(Refused, match="50 invitations were sent in the last hour"):
        invitations.invite(cast.birch, "one@x.example", Role.VIEWER, by=Actor(cast.alice))


def test_one_organisations_invitations_to_an_address_count_for_no_other(cast: Cast) -> None:
    invitation = invitations.invite(
        cast.cedar, "new@x.example", Role.VIEWER, by=Actor(cast.charlie)
    )
    for _ in range(4):
        invitations.send_again(invitation, by=Actor(cast.charlie))
    with pytest.raises(Refused, match="has had 5 invitations from Cedar Clinic today"):
        invitations.send_again(invitation, by=Actor(cast.charlie))
    assert invitations.invite(cast.birch, "new@x.example", Role.VIEWER, by=Actor(cast.alice))
