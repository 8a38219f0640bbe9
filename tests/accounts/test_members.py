"""Roles of an organisation's members, leaving it, and who joined by the vendor's invitation."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from allauth.account.models import EmailAddress
from django.core import mail
from django.db import connection
from django.test import Client

from accounts import verification
from accounts.actor import Actor, Refused
from accounts.audit.log import Action, record
from accounts.emails import delivery
from accounts.flows import invitations, members
from accounts.flows.members import Role
from accounts.models import AuditEvent, Email, Invitation, Membership, User
from accounts.permissions import NotAllowed
from provisioning.demo.seed import PASSWORD, Cast, seed
from provisioning.flows.credentials import reveal, rotate
from tests.accounts.invited import DANA, last_line, membership, person, token_of
from tests.entitlements import approved
from tests.portal.pages.pages import just_signed_in, words
from tests.provisioned import provision

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
    assert "can only read until an owner, or where there is none another member, confirms" in words(
        owner.get(page)
    )
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
