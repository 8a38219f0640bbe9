"""Invitations to an organisation: sent, followed, accepted, and void."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from allauth.account.models import EmailAddress
from django.core import mail
from django.core.mail.backends.locmem import EmailBackend
from django.db import IntegrityError
from django.test import Client
from django.utils import timezone

from accounts.actor import Actor, Refused
from accounts.emails import delivery
from accounts.flows import invitations, members
from accounts.flows.members import Role
from accounts.models import Customer, Invitation, Membership, User
from accounts.permissions import NotAllowed
from provisioning.demo.seed import Cast
from tests.accounts.invited import DANA, last_line, membership, person, token_of
from tests.portal.pages.captured_state import database
from tests.portal.pages.pages import just_signed_in, words

# --- Inviting ----------------------------------------------------------------------


def test_invitation_is_recorded_and_emailed_to_the_address(
    cast: Cast, invitation: Invitation
) -> None:
    assert last_line() == ("invited", f"{DANA} as engineer", "Birch Bank")
    (email,) = mail.outbox
    assert (email.to, email.subject) == ([DANA], "Join Birch Bank on ECR Portal")
    assert "Alice Ahlgren invites you" in str(email.body)
    assert invitations.find(token_of(email)) == invitation
    assert invitation.sent_at is not None
    assert invitation.expires_at - invitation.created_at >= timedelta(days=6, hours=23)


def test_token_is_only_in_the_email(invitation: Invitation) -> None:
    token = token_of(mail.outbox[0])
    assert len(token) >= 40
    assert token not in database()


@pytest.mark.parametrize("who", ["bob", "charlie", "sandra", "otto"])
def test_only_owners_of_the_customer_manage_members(
    cast: Cast, invitation: Invitation, who: str
) -> None:
    by = Actor(getattr(cast, who))
    actions: list[Callable[[], object]] = [
        lambda: invitations.invite(cast.birch, "eve@birch.example", Role.VIEWER, by=by),
        lambda: invitations.send_again(invitation, by=by),
        lambda: invitations.revoke(invitation, by=by),
        lambda: members.change_role(membership(cast.bob), Role.OWNER, by=by),
        lambda: members.remove(membership(cast.bob), by=by),
        lambda: invitations.invite_owner(cast.birch, "eve@birch.example", by=by),
    ]
    before = database()
    for action in actions:
        with pytest.raises(NotAllowed):
            action()
    assert database() == before


def test_member_or_invited_person_cannot_be_invited_again(
    cast: Cast, invitation: Invitation
) -> None:
    with pytest.raises(Refused, match="is already a member of Birch Bank"):
        invitations.invite(cast.birch, "BOB@birch.example", Role.VIEWER, by=Actor(cast.alice))
    with pytest.raises(Refused, match="is already invited"):
        invitations.invite(cast.birch, DANA.upper(), Role.VIEWER, by=Actor(cast.alice))
    with pytest.raises(IntegrityError, match="invitation_pending_once"):
        Invitation.objects.create(
            customer=cast.birch, email=DANA, role="viewer", token_hash="x", invited_by=cast.alice
        )


def test_unconfirmed_address_of_a_member_can_still_be_invited(cast: Cast) -> None:
    EmailAddress.objects.create(user=cast.bob, email=DANA, verified=False)
    invitations.invite(cast.birch, DANA, Role.VIEWER, by=Actor(cast.alice))


def test_invitation_stays_when_its_email_cannot_be_sent_and_the_failure_is_logged(
    cast: Cast, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(*_: Any) -> None:
        raise ConnectionRefusedError("no mail server")

    monkeypatch.setattr(EmailBackend, "send_messages", refuse)
    invitation = invitations.invite(cast.birch, DANA, Role.VIEWER, by=Actor(cast.alice))
    delivery.send_due()
    invitation.refresh_from_db()
    assert invitation.sent_at is None
    assert "no mail server" in caplog.text


def test_sending_again_invalidates_the_old_link_at_once_and_makes_a_new_one(
    cast: Cast, invitation: Invitation
) -> None:
    Invitation.objects.update(expires_at=timezone.now() - timedelta(days=1))
    invitations.send_again(invitation, by=Actor(cast.alice))
    assert invitations.find(token_of(mail.outbox[0])) is None
    delivery.send_due()
    old, new = map(token_of, mail.outbox)
    assert invitations.find(old) is None
    assert invitations.find(new) == invitation
    assert last_line() == ("reminded", DANA, "Birch Bank")


# --- Accepting ---------------------------------------------------------------------


def test_invited_person_joins_in_the_offered_role_and_it_is_recorded(
    cast: Cast, invitation: Invitation, dana: User
) -> None:
    invitations.accept(invitation, by=Actor(dana, "192.0.2.7"))
    assert membership(dana).role == "engineer"
    assert last_line() == ("joined", "as engineer", "Birch Bank")
    invitation.refresh_from_db()
    assert (invitation.accepted_by, invitation.accepted_at is None) == (dana, False)


def test_invitation_is_accepted_once(cast: Cast, invitation: Invitation, dana: User) -> None:
    invitations.accept(invitation, by=Actor(dana))
    members.remove(membership(dana), by=Actor(cast.alice))
    with pytest.raises(Refused, match="already accepted or withdrawn"):
        invitations.accept(invitation, by=Actor(dana))
    assert invitations.find(token_of(mail.outbox[0])) is None


def test_only_the_verified_invited_address_can_accept(cast: Cast, invitation: Invitation) -> None:
    not_verified = person(DANA, verified=False)
    for user in (cast.charlie, not_verified):
        with pytest.raises(Refused, match=f"This invitation is for {DANA}"):
            invitations.accept(invitation, by=Actor(user))
    EmailAddress.objects.create(user=cast.charlie, email=DANA.title(), verified=True)
    invitations.accept(invitation, by=Actor(cast.charlie))


def test_expired_invitation_cannot_be_accepted(
    cast: Cast, invitation: Invitation, dana: User
) -> None:
    Invitation.objects.update(expires_at=timezone.now())
    assert invitations.find(token_of(mail.outbox[0])) is None
    with pytest.raises(Refused, match="has expired"):
        invitations.accept(invitation, by=Actor(dana))


@pytest.fixture
def mel(cast: Cast) -> User:
    """A second owner of Birch Bank, who has invited Dana as owner."""
    mel = person("mel@birch.example")
    Membership.objects.create(user=mel, customer=cast.birch, role=Role.OWNER)
    invitations.invite(cast.birch, DANA, Role.OWNER, by=Actor(mel))
    delivery.send_due()
    return mel


# How someone stops being an owner.
ENDINGS: dict[str, Callable[[Cast, User], object]] = {
    "removed": lambda cast, mel: members.remove(membership(mel), by=Actor(cast.alice)),
    "demoted": lambda cast, mel: members.change_role(
        membership(mel), Role.ENGINEER, by=Actor(cast.alice)
    ),
    "left": lambda cast, mel: members.leave(membership(mel), by=Actor(mel)),
    "deactivated": lambda cast, mel: User.objects.filter(pk=mel.pk).update(is_active=False),
    "locked": lambda cast, mel: Membership.objects.filter(user=mel).update(
        reveals_locked_at=timezone.now()
    ),
    "doubted": lambda cast, mel: Membership.objects.filter(user=mel).update(
        awaits_confirmation=True
    ),
}


@pytest.mark.parametrize("ending", ENDINGS)
def test_invitation_ends_with_the_right_of_who_sent_it(
    cast: Cast, mel: User, dana: User, ending: str
) -> None:
    invitation = Invitation.objects.get()
    token = token_of(mail.outbox[0])
    assert invitations.find(token) == invitation
    followed = Client()
    followed.get(f"/account/invitation/{token}/")
    ENDINGS[ending](cast, mel)
    assert invitations.find(token) is None
    assert followed.get("/account/invitation/").status_code == 404
    with pytest.raises(Refused, match="may no longer invite people"):
        invitations.accept(invitation, by=Actor(dana))
    shown = words(just_signed_in(cast.alice).get(f"/customers/{cast.birch.pk}/"))
    assert "The sender may no longer invite" in shown
    # Another owner vouches for it.
    invitations.send_again(invitation, by=Actor(cast.alice))
    delivery.send_due()
    assert invitations.find(token_of(mail.outbox[-1])) == invitation
    assert invitations.accept(invitation, by=Actor(dana)).role == Role.OWNER


@pytest.mark.parametrize("field", ["is_active", "is_staff"])
def test_invitation_of_the_vendors_ends_with_the_administrator(cast: Cast, field: str) -> None:
    root = User.objects.create_superuser("root@acme.example")
    larch = Customer.objects.create(name="Larch", slug="larch")
    invitation = invitations.invite_owner(larch, DANA, by=Actor(root))
    assert Invitation.objects.open().get() == invitation
    User.objects.filter(pk=root.pk).update(**{field: False})
    assert not Invitation.objects.open().exists()


def test_withdrawn_invitation_cannot_be_accepted(
    cast: Cast, invitation: Invitation, dana: User
) -> None:
    invitations.revoke(invitation, by=Actor(cast.alice))
    assert last_line() == ("revoked", DANA, "Birch Bank")
    assert invitations.find(token_of(mail.outbox[0])) is None
    with pytest.raises(Refused, match="already accepted or withdrawn"):
        invitations.accept(invitation, by=Actor(dana))
    invitations.invite(cast.birch, DANA, Role.VIEWER, by=Actor(cast.alice))


def test_the_vendors_people_cannot_join_a_customer(cast: Cast) -> None:
    invitation = invitations.invite(cast.birch, cast.otto.email, Role.OWNER, by=Actor(cast.alice))
    with pytest.raises(Refused, match="own people cannot join"):
        invitations.accept(invitation, by=Actor(cast.otto))


def test_member_with_another_address_cannot_join_twice(cast: Cast, invitation: Invitation) -> None:
    EmailAddress.objects.create(user=cast.bob, email=DANA, verified=True)
    with pytest.raises(Refused, match="already a member of Birch Bank"):
        invitations.accept(invitation, by=Actor(cast.bob))


def test_administrator_invites_the_first_owner(cast: Cast, dana: User) -> None:
    root = User.objects.create_superuser("root@acme.example")
    dune = Customer.objects.create(name="Dune Dairy", slug="dune-dairy")
    invitation = invitations.invite_owner(dune, DANA, by=Actor(root))
    assert last_line() == ("invited", f"{DANA} as owner", "Dune Dairy")
    invitations.accept(invitation, by=Actor(dana))
    assert membership(dana).role == "owner"


def test_administrator_who_invites_an_owner_again_sends_a_new_link(cast: Cast) -> None:
    by = Actor(User.objects.create_superuser("root@acme.example"))
    cast.birch.memberships.all().delete()
    for _ in range(2):
        invitations.invite_owner(cast.birch, DANA, by=by)
        delivery.send_due()
    assert last_line() == ("reminded", DANA, "Birch Bank")
    old, new = map(token_of, mail.outbox)
    assert (invitations.find(old), invitations.find(new)) == (None, Invitation.objects.get())
