"""Invitations to an organisation, roles of its members, and leaving it."""

import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier
from typing import Any

import pytest
from allauth.account.models import EmailAddress
from django.core import mail
from django.core.mail.backends.locmem import EmailBackend
from django.db import IntegrityError, connection
from django.test import Client
from django.utils import timezone

from accounts import verification
from accounts.actor import Actor, Refused
from accounts.audit.log import Action, record
from accounts.emails import delivery
from accounts.flows import invitations, members
from accounts.flows.members import Role
from accounts.models import AuditEvent, Customer, Email, Invitation, Membership, User
from accounts.permissions import NotAllowed
from provisioning.demo.seed import PASSWORD, Cast, seed
from provisioning.flows.credentials import reveal, rotate
from tests.entitlements import approved
from tests.portal.pages.captured_state import database
from tests.portal.pages.pages import just_signed_in, words
from tests.provisioned import provision

DANA = "dana@birch.example"


@pytest.fixture
def invitation(cast: Cast) -> Invitation:
    """From Alice, to Dana, as engineer of Birch Bank. Its email is sent."""
    invitation = invitations.invite(cast.birch, DANA, Role.ENGINEER, by=Actor(cast.alice))
    delivery.send_due()
    invitation.refresh_from_db()
    return invitation


@pytest.fixture
def dana(db: None) -> User:
    return person(DANA)


def person(email: str, *, verified: bool = True) -> User:
    user = User.objects.create_user(email, name=email.partition("@")[0].title())
    EmailAddress.objects.create(user=user, email=email, verified=verified, primary=True)
    return user


def membership(user: User) -> Membership:
    return Membership.objects.select_related("customer").get(user=user)


def token_of(email: mail.EmailMessage) -> str:
    found = re.search(r"/account/invitation/([\w-]+)/", str(email.body))
    assert found
    return found[1]


def last_line() -> tuple[str, str, str]:
    event = AuditEvent.objects.all()[0]
    return (event.action, event.subject, str(event.customer))


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


# --- Changing and leaving ----------------------------------------------------------


def test_change_of_role_is_recorded(cast: Cast) -> None:
    members.change_role(membership(cast.bob), Role.ENGINEER, by=Actor(cast.alice))
    assert membership(cast.bob).role == "engineer"
    subject = "bob@birch.example from viewer to engineer"
    assert last_line() == ("changed_role", subject, "Birch Bank")


def test_unchanged_role_is_not_recorded(cast: Cast) -> None:
    members.change_role(membership(cast.alice), Role.OWNER, by=Actor(cast.alice))
    assert not AuditEvent.objects.exists()


def test_removing_a_member_and_leaving_are_recorded(cast: Cast, invitation: Invitation) -> None:
    dana = person(DANA)
    invitations.accept(invitation, by=Actor(dana))
    members.remove(membership(dana), by=Actor(cast.alice))
    assert last_line() == ("removed", DANA, "Birch Bank")
    members.leave(membership(cast.bob), by=Actor(cast.bob))
    assert last_line() == ("left", "Birch Bank", "Birch Bank")
    assert [row.user for row in cast.birch.memberships.all()] == [cast.alice]


def test_members_cannot_make_others_leave(cast: Cast) -> None:
    with pytest.raises(Refused, match="You cannot leave an organisation for another person"):
        members.leave(membership(cast.bob), by=Actor(cast.alice))


def test_last_owner_cannot_leave_or_lose_the_role(cast: Cast) -> None:
    alice, by = membership(cast.alice), Actor(cast.alice)
    for action in (
        lambda: members.leave(alice, by=by),
        lambda: members.remove(alice, by=by),
        lambda: members.change_role(alice, Role.VIEWER, by=by),
    ):
        with pytest.raises(Refused, match="the last owner of Birch Bank"):
            action()
    members.change_role(membership(cast.bob), Role.OWNER, by=by)
    members.leave(alice, by=by)


def test_action_on_a_former_member_is_refused_with_a_reason(cast: Cast) -> None:
    bob = membership(cast.bob)
    members.remove(bob, by=Actor(cast.alice))
    with pytest.raises(Refused, match="no longer a member"):
        members.remove(bob, by=Actor(cast.alice))


# --- Races -------------------------------------------------------------------------


def at_once(*actions: Callable[[], object]) -> list[str]:
    """Start the actions together, each on its own connection; return how each one ended."""
    start = Barrier(len(actions))

    def one(action: Callable[[], object]) -> str:
        try:
            start.wait(timeout=30)
            action()
        except (Refused, NotAllowed):
            return "refused"
        finally:
            connection.close()
        return "done"

    with ThreadPoolExecutor(len(actions)) as threads:
        return sorted(threads.map(one, actions))


@pytest.mark.usefixtures("transactional_db")
def test_when_two_owners_leave_at_once_one_stays() -> None:
    cast = seed()
    Membership.objects.filter(user=cast.bob).update(role="owner")
    alice, bob = membership(cast.alice), membership(cast.bob)
    ended = at_once(
        lambda: members.leave(alice, by=Actor(cast.alice)),
        lambda: members.leave(bob, by=Actor(cast.bob)),
    )
    assert ended == ["done", "refused"]
    assert cast.birch.memberships.filter(role="owner").count() == 1


@pytest.mark.usefixtures("transactional_db")
def test_invitation_accepted_eight_times_at_once_counts_once() -> None:
    cast = seed()
    invitation = invitations.invite(cast.birch, DANA, Role.VIEWER, by=Actor(cast.alice))
    dana = person(DANA)
    ended = at_once(*[lambda: invitations.accept(invitation, by=Actor(dana))] * 8)
    assert ended == ["done"] + ["refused"] * 7
    assert AuditEvent.objects.filter(action="joined").count() == 1


# --- Invited by the vendor -----------------------------------------------------------


def test_vendor_invites_nobody_where_there_is_an_owner(cast: Cast) -> None:
    by = Actor(User.objects.create_superuser("root@acme.example"))
    with pytest.raises(Refused, match="Birch Bank has an owner, who invites others"):
        invitations.invite_owner(cast.birch, DANA, by=by)


@pytest.fixture
def dana_by_vendor(cast: Cast, dana: User) -> Membership:
    """Dana, whom the vendor invited as owner before Alice became one."""
    Membership.objects.filter(user=cast.alice).update(role=Role.VIEWER)
    by = Actor(User.objects.create_superuser("root@acme.example"))
    invitation = invitations.invite_owner(cast.birch, DANA, by=by)
    Membership.objects.filter(user=cast.alice).update(role=Role.OWNER)
    return invitations.accept(invitation, by=Actor(dana))


def test_member_whom_the_vendor_invited_only_reads_until_an_owner_confirms(
    cast: Cast, dana: User, dana_by_vendor: Membership
) -> None:
    approved(cast)
    pull_user = provision(cast.birch)
    actions: list[Callable[[], object]] = [
        lambda: reveal(pull_user, by=Actor(dana)),
        lambda: rotate(pull_user, by=Actor(dana)),
        lambda: invitations.invite(cast.birch, "eve@x.example", Role.OWNER, by=Actor(dana)),
        lambda: members.confirm(dana_by_vendor, by=Actor(dana)),
        lambda: members.remove(membership(cast.alice), by=Actor(dana)),
    ]
    for action in actions:
        with pytest.raises(NotAllowed, match="must confirm your membership"):
            action()
    owner = just_signed_in(cast.alice)
    page = f"/members/{dana_by_vendor.pk}/"
    assert "can only read until an owner confirms" in words(owner.get(page))
    owner.post(page, {"confirm": "yes"})
    assert last_line() == ("admitted", DANA, "Birch Bank")
    assert reveal(pull_user, by=Actor(dana)).secret_access_key


def test_owner_whom_the_vendor_made_inactive_is_not_replaced_by_the_vendor(
    cast: Cast, dana: User
) -> None:
    """Nobody whom the customer did not choose gets at its secrets."""
    cast.alice.is_active = False
    cast.alice.save()
    by = Actor(User.objects.create_superuser("root@acme.example"))
    invitation = invitations.invite_owner(cast.birch, DANA, by=by)
    Email.objects.all().delete()
    joined = invitations.accept(invitation, by=Actor(dana))
    assert [email.to for email in Email.objects.all()] == [cast.bob.email]
    approved(cast)
    with pytest.raises(NotAllowed, match="must confirm your membership"):
        reveal(provision(cast.birch), by=Actor(dana))
    with pytest.raises(NotAllowed):
        members.confirm(joined, by=Actor(dana))
    members.confirm(joined, by=Actor(cast.bob))
    joined.refresh_from_db()
    assert not joined.awaits_confirmation


def test_unconfirmed_owner_counts_as_none(cast: Cast, dana_by_vendor: Membership) -> None:
    with pytest.raises(Refused, match="last owner"):
        members.leave(membership(cast.alice), by=Actor(cast.alice))


def test_first_owner_needs_no_confirmation(cast: Cast, dana: User) -> None:
    by = Actor(User.objects.create_superuser("root@acme.example"))
    cast.birch.memberships.all().delete()
    invitation = invitations.invite_owner(cast.birch, DANA, by=by)
    assert not invitations.accept(invitation, by=Actor(dana)).awaits_confirmation


@pytest.mark.parametrize(
    ("role", "is_told"), [("owner", True), ("engineer", True), ("viewer", False)]
)
def test_owners_are_told_who_may_handle_credentials(
    cast: Cast, dana: User, role: str, *, is_told: bool
) -> None:
    invitation = invitations.invite(cast.birch, DANA, Role(role), by=Actor(cast.alice))
    Email.objects.all().delete()
    invitations.accept(invitation, by=Actor(dana))
    members.change_role(membership(cast.bob), Role(role), by=Actor(cast.alice))
    delivery.send_due()
    told = [(message.to, message.subject) for message in mail.outbox]
    expected = [
        ([cast.alice.email], f"{DANA} is now {role} of Birch Bank"),
        ([cast.alice.email], f"bob@birch.example is now {role} of Birch Bank"),
    ]
    if role == "owner":  # Dana is one by then.
        expected.append(([DANA], expected[1][1]))
    assert told == (expected if is_told else [])


# --- Claimed addresses ---------------------------------------------------------------


def test_unverified_claim_of_a_stranger_gives_way_to_the_invited_person(cast: Cast) -> None:
    stranger = person(DANA, verified=False)
    record(Action.SIGNED_UP, DANA, by=Actor(stranger))
    invitations.invite(cast.birch, DANA, Role.ENGINEER, by=Actor(cast.alice))
    delivery.send_due()
    client = Client()
    client.get(f"/account/invitation/{token_of(mail.outbox[-1])}/")
    fields = {"name": "Dana", "email": DANA, "password1": PASSWORD, "password2": PASSWORD}
    client.post("/account/signup/", fields)
    client.post("/account/invitation/")
    dana = User.objects.get(email=DANA)
    assert dana != stranger
    assert membership(dana).role == "engineer"


def test_verified_address_of_another_account_stays(cast: Cast, dana: User) -> None:
    record(Action.SIGNED_UP, DANA, by=Actor(dana))
    verification.make_way(DANA)
    assert EmailAddress.objects.get(email=DANA).user == dana
