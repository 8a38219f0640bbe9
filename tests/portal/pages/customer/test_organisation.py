"""The pages of an organisation's members and invitations."""

import pytest
from django.test import Client

from accounts.actor import Actor
from accounts.emails import delivery
from accounts.flows import invitations
from accounts.flows.members import Role
from accounts.models import Invitation, Membership
from provisioning.demo.seed import Cast
from tests.portal.pages.captured_state import database
from tests.portal.pages.pages import as_user, confirm, words

DANA = "dana@birch.example"


def page(cast: Cast) -> str:
    return f"/customers/{cast.birch.pk}/"


def bobs(cast: Cast) -> str:
    return f"/members/{Membership.objects.get(user=cast.bob).pk}/"


def recently_signed_in(cast: Cast, who: str) -> Client:
    """The browser of a person who has just confirmed their identity."""
    client = as_user(getattr(cast, who))
    confirm(client, f"{page(cast)}leave/")
    return client


def invited(cast: Cast) -> Invitation:
    return invitations.invite(cast.birch, DANA, Role.ENGINEER, by=Actor(cast.alice))


def test_owner_sees_members_invitations_and_activity(cast: Cast) -> None:
    invited(cast)
    shown = words(as_user(cast.alice).get(page(cast)))
    assert "Bob Berger bob@birch.example Viewer" in shown
    assert f"{DANA} Engineer Alice Ahlgren Not sent yet" in shown
    assert f"Alice Ahlgren <alice@birch.example> invited: {DANA} as engineer" in shown


def test_viewer_sees_members_but_no_activity_and_no_links_to_change(cast: Cast) -> None:
    invitation = invited(cast)
    shown = as_user(cast.bob).get(page(cast))
    assert "Alice Ahlgren alice@birch.example Owner" in words(shown)
    assert "An owner of Birch Bank can invite people" in words(shown)
    assert "Activity" not in words(shown)
    for address in (bobs(cast), f"/invitations/{invitation.pk}/", f"{page(cast)}invite/"):
        assert f'href="{address}"' not in shown.content.decode()


def test_activity_of_another_customer_is_not_shown(cast: Cast) -> None:
    invited(cast)
    shown = words(as_user(cast.charlie).get(f"/customers/{cast.cedar.pk}/"))
    assert "Nothing yet" in shown
    assert DANA not in shown


def test_home_links_to_each_organisation_of_a_member(cast: Cast) -> None:
    Membership.objects.create(user=cast.alice, customer=cast.cedar, role="viewer")
    shown = as_user(cast.alice).get("/").content.decode()
    for customer in (cast.birch, cast.cedar):
        assert f'href="/customers/{customer.pk}/"' in shown


def test_owner_invites_sends_again_and_withdraws(cast: Cast) -> None:
    alice = recently_signed_in(cast, "alice")
    fields = {"email": DANA, "role": "viewer"}
    shown = alice.post(f"{page(cast)}invite/", fields, follow=True)
    assert f"{DANA} is invited." in words(shown)
    invitation = Invitation.objects.get()
    address = f"/invitations/{invitation.pk}/"
    assert f"Invitation of {DANA}" in words(alice.get(address))
    delivery.send_due()
    assert "Valid until" in words(alice.get(page(cast)))
    before = Invitation.objects.get().token_hash
    shown = alice.post(address, {"send": "yes"}, follow=True)
    assert f"{DANA} is invited again, with a new link." in words(shown)
    delivery.send_due()
    assert Invitation.objects.get().token_hash not in (before, None)
    shown = alice.post(address, {"revoke": "yes"}, follow=True)
    assert f"{DANA} is no longer invited." in words(shown)
    assert not Invitation.objects.pending().exists()
    assert "already accepted or withdrawn" in words(alice.post(address, {}, follow=True))


def test_invalid_address_and_role_are_errors_of_their_fields(cast: Cast) -> None:
    alice = recently_signed_in(cast, "alice")
    shown = words(alice.post(f"{page(cast)}invite/", {"email": "dana", "role": "king"}))
    assert "Enter a valid email address." in shown
    assert "king is not one of the available choices" in shown
    assert not Invitation.objects.exists()


def test_owner_changes_a_role_and_removes_a_member(cast: Cast) -> None:
    alice = recently_signed_in(cast, "alice")
    assert "Bob Berger at Birch Bank" in words(alice.get(bobs(cast)))
    shown = alice.post(bobs(cast), {"role": "engineer"}, follow=True)
    assert "Bob Berger is now engineer." in words(shown)
    shown = alice.post(bobs(cast), {"remove": "yes"}, follow=True)
    assert "Bob Berger is no longer a member." in words(shown)
    assert list(cast.birch.members.all()) == [cast.alice]


def test_viewer_who_submits_the_owners_forms_changes_nothing(cast: Cast) -> None:
    invitation = invited(cast)
    bob = recently_signed_in(cast, "bob")
    before = database()
    for address, fields in (
        (f"{page(cast)}invite/", {"email": "eve@birch.example", "role": "owner"}),
        (bobs(cast), {"role": "owner"}),
        (bobs(cast), {"remove": "yes"}),
        (f"/invitations/{invitation.pk}/", {"revoke": "yes"}),
    ):
        shown = bob.post(address, fields, follow=True)
        assert "Only an owner of Birch Bank can manage members." in words(shown)
    assert database() == before


def test_member_leaves_and_is_sent_home(cast: Cast) -> None:
    shown = recently_signed_in(cast, "bob").post(f"{page(cast)}leave/", follow=True)
    assert shown.request["PATH_INFO"] == "/"
    assert "You are no longer a member of Birch Bank." in words(shown)
    assert not cast.bob.memberships.exists()


def test_last_owner_is_told_what_to_do_before_leaving(cast: Cast) -> None:
    shown = recently_signed_in(cast, "alice").post(f"{page(cast)}leave/", follow=True)
    assert "Make another member an owner first." in words(shown)
    assert cast.alice.memberships.exists()


@pytest.mark.parametrize("action", ["invite", "leave", "member", "invitation"])
def test_members_are_changed_only_after_a_recent_sign_in(cast: Cast, action: str) -> None:
    address = {
        "invite": f"{page(cast)}invite/",
        "leave": f"{page(cast)}leave/",
        "member": bobs(cast),
        "invitation": f"/invitations/{invited(cast).pk}/",
    }[action]
    client = as_user(cast.alice)
    before = database()
    assert client.post(address, {"role": "owner", "email": DANA})["Location"] == address
    assert client.get(address)["Location"].startswith("/account/reauthenticate/?next=")
    assert database() == before
    assert confirm(client, address).status_code == 200


def test_confirmation_of_an_identity_that_the_form_does_not_name_is_refused(cast: Cast) -> None:
    owner = recently_signed_in(cast, "alice")
    Membership.objects.filter(user=cast.bob).update(identity_asked="7", identity_email="b@x")
    shown = owner.post(bobs(cast), {"confirm_identity": "yes"}, follow=True)
    assert "has signed in with another identity meanwhile" in words(shown)
