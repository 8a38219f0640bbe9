"""How people come into an organisation, what they are there, and how they leave."""

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
from django.utils import timezone

from accounts import organisations, sending
from accounts.deeds import By, Refused
from accounts.models import AuditEvent, Customer, Invitation, Membership, User
from accounts.organisations import Role
from accounts.permissions import NotAllowed
from provisioning.demo.cast import Cast, seed
from tests.portal.pages.everywhere import database
from tests.provisioning.test_vault import committed

__all__ = ["committed"]
DANA = "dana@birch.example"


@pytest.fixture
def invitation(cast: Cast) -> Invitation:
    """Alice's, to Dana, as engineer of Birch Bank; its letter is sent."""
    invitation = organisations.invite(cast.birch, DANA, Role.ENGINEER, by=By(cast.alice))
    sending.send_due()
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


def token_of(letter: mail.EmailMessage) -> str:
    found = re.search(r"/account/invitation/([\w-]+)/", str(letter.body))
    assert found
    return found[1]


def last_line() -> tuple[str, str, str]:
    event = AuditEvent.objects.all()[0]
    return (event.deed, event.subject, str(event.customer))


# --- Inviting ----------------------------------------------------------------------


def test_invitation_is_written_with_its_line_and_mailed_to_the_address(
    cast: Cast, invitation: Invitation
) -> None:
    assert last_line() == ("invited", f"{DANA} as engineer", "Birch Bank")
    (letter,) = mail.outbox
    assert (letter.to, letter.subject) == ([DANA], "Join Birch Bank on ECR Portal")
    assert "Alice Ahlgren invites you" in str(letter.body)
    assert organisations.find(token_of(letter)) == invitation
    assert invitation.sent_at is not None
    assert invitation.expires_at - invitation.made_at >= timedelta(days=6, hours=23)


def test_token_is_in_the_letter_alone(invitation: Invitation) -> None:
    token = token_of(mail.outbox[0])
    assert len(token) >= 40
    assert token not in database()


@pytest.mark.parametrize("who", ["bob", "charlie", "sandra", "otto"])
def test_nobody_but_an_owner_of_the_customer_manages_members(
    cast: Cast, invitation: Invitation, who: str
) -> None:
    by = By(getattr(cast, who))
    deeds: list[Callable[[], object]] = [
        lambda: organisations.invite(cast.birch, "eve@birch.example", Role.VIEWER, by=by),
        lambda: organisations.send_again(invitation, by=by),
        lambda: organisations.revoke(invitation, by=by),
        lambda: organisations.change_role(membership(cast.bob), Role.OWNER, by=by),
        lambda: organisations.remove(membership(cast.bob), by=by),
        lambda: organisations.invite_owner(cast.birch, "eve@birch.example", by=by),
    ]
    before = database()
    for deed in deeds:
        with pytest.raises(NotAllowed):
            deed()
    assert database() == before


def test_who_is_a_member_or_invited_is_not_invited_again(
    cast: Cast, invitation: Invitation
) -> None:
    with pytest.raises(Refused, match="is a member of Birch Bank already"):
        organisations.invite(cast.birch, "BOB@birch.example", Role.VIEWER, by=By(cast.alice))
    with pytest.raises(Refused, match="is invited already"):
        organisations.invite(cast.birch, DANA.upper(), Role.VIEWER, by=By(cast.alice))
    with pytest.raises(IntegrityError, match="invitation_pending_once"):
        Invitation.objects.create(
            customer=cast.birch, email=DANA, role="viewer", token_hash="x", invited_by=cast.alice
        )


def test_address_that_a_member_has_not_confirmed_keeps_nobody_out(cast: Cast) -> None:
    EmailAddress.objects.create(user=cast.bob, email=DANA, verified=False)
    organisations.invite(cast.birch, DANA, Role.VIEWER, by=By(cast.alice))


def test_letter_that_cannot_be_sent_undoes_nothing_and_is_told(
    cast: Cast, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(*_: Any) -> None:
        raise ConnectionRefusedError("no mail server")

    monkeypatch.setattr(EmailBackend, "send_messages", refuse)
    invitation = organisations.invite(cast.birch, DANA, Role.VIEWER, by=By(cast.alice))
    sending.send_due()
    invitation.refresh_from_db()
    assert invitation.sent_at is None
    assert "no mail server" in caplog.text


def test_sending_again_closes_the_old_link_at_once_and_makes_a_new_one(
    cast: Cast, invitation: Invitation
) -> None:
    Invitation.objects.update(expires_at=timezone.now() - timedelta(days=1))
    organisations.send_again(invitation, by=By(cast.alice))
    assert organisations.find(token_of(mail.outbox[0])) is None
    sending.send_due()
    old, new = map(token_of, mail.outbox)
    assert organisations.find(old) is None
    assert organisations.find(new) == invitation
    assert last_line() == ("reminded", DANA, "Birch Bank")


# --- Accepting ---------------------------------------------------------------------


def test_invited_person_joins_in_the_role_with_a_line(
    cast: Cast, invitation: Invitation, dana: User
) -> None:
    organisations.accept(invitation, by=By(dana, "192.0.2.7"))
    assert membership(dana).role == "engineer"
    assert last_line() == ("joined", "as engineer", "Birch Bank")
    invitation.refresh_from_db()
    assert (invitation.accepted_by, invitation.accepted_at is None) == (dana, False)


def test_invitation_is_accepted_once(cast: Cast, invitation: Invitation, dana: User) -> None:
    organisations.accept(invitation, by=By(dana))
    organisations.remove(membership(dana), by=By(cast.alice))
    with pytest.raises(Refused, match="accepted or taken back already"):
        organisations.accept(invitation, by=By(dana))
    assert organisations.find(token_of(mail.outbox[0])) is None


def test_invitation_is_for_its_verified_address_alone(cast: Cast, invitation: Invitation) -> None:
    not_verified = person(DANA, verified=False)
    for user in (cast.charlie, not_verified):
        with pytest.raises(Refused, match=f"This invitation is for {DANA}"):
            organisations.accept(invitation, by=By(user))
    EmailAddress.objects.create(user=cast.charlie, email=DANA.title(), verified=True)
    organisations.accept(invitation, by=By(cast.charlie))


def test_expired_invitation_opens_nothing(cast: Cast, invitation: Invitation, dana: User) -> None:
    Invitation.objects.update(expires_at=timezone.now())
    assert organisations.find(token_of(mail.outbox[0])) is None
    with pytest.raises(Refused, match="has expired"):
        organisations.accept(invitation, by=By(dana))


def test_invitation_taken_back_opens_nothing(
    cast: Cast, invitation: Invitation, dana: User
) -> None:
    organisations.revoke(invitation, by=By(cast.alice))
    assert last_line() == ("revoked", DANA, "Birch Bank")
    assert organisations.find(token_of(mail.outbox[0])) is None
    with pytest.raises(Refused, match="taken back"):
        organisations.accept(invitation, by=By(dana))
    organisations.invite(cast.birch, DANA, Role.VIEWER, by=By(cast.alice))


def test_the_vendors_people_do_not_join_a_customer(cast: Cast) -> None:
    invitation = organisations.invite(cast.birch, cast.otto.email, Role.OWNER, by=By(cast.alice))
    with pytest.raises(Refused, match="own people cannot join"):
        organisations.accept(invitation, by=By(cast.otto))


def test_member_by_another_address_does_not_join_twice(cast: Cast, invitation: Invitation) -> None:
    EmailAddress.objects.create(user=cast.bob, email=DANA, verified=True)
    with pytest.raises(Refused, match="a member of Birch Bank already"):
        organisations.accept(invitation, by=By(cast.bob))


def test_administrator_invites_the_first_owner(cast: Cast, dana: User) -> None:
    root = User.objects.create_superuser("root@acme.example")
    dune = Customer.objects.create(name="Dune Dairy", slug="dune-dairy")
    invitation = organisations.invite_owner(dune, DANA, by=By(root))
    assert last_line() == ("invited", f"{DANA} as owner", "Dune Dairy")
    organisations.accept(invitation, by=By(dana))
    assert membership(dana).role == "owner"


def test_administrator_who_invites_an_owner_again_sends_a_new_link(
    cast: Cast,
) -> None:
    by = By(User.objects.create_superuser("root@acme.example"))
    for _ in range(2):
        organisations.invite_owner(cast.birch, DANA, by=by)
        sending.send_due()
    assert last_line() == ("reminded", DANA, "Birch Bank")
    old, new = map(token_of, mail.outbox)
    assert (organisations.find(old), organisations.find(new)) == (None, Invitation.objects.get())


# --- Changing and leaving ----------------------------------------------------------


def test_role_is_changed_with_a_line(cast: Cast) -> None:
    organisations.change_role(membership(cast.bob), Role.ENGINEER, by=By(cast.alice))
    assert membership(cast.bob).role == "engineer"
    subject = "bob@birch.example from viewer to engineer"
    assert last_line() == ("changed_role", subject, "Birch Bank")


def test_role_that_stays_the_same_is_no_deed(cast: Cast) -> None:
    organisations.change_role(membership(cast.alice), Role.OWNER, by=By(cast.alice))
    assert not AuditEvent.objects.exists()


def test_member_is_removed_or_leaves_with_a_line(cast: Cast, invitation: Invitation) -> None:
    dana = person(DANA)
    organisations.accept(invitation, by=By(dana))
    organisations.remove(membership(dana), by=By(cast.alice))
    assert last_line() == ("removed", DANA, "Birch Bank")
    organisations.leave(membership(cast.bob), by=By(cast.bob))
    assert last_line() == ("left", "Birch Bank", "Birch Bank")
    assert [row.user for row in cast.birch.memberships.all()] == [cast.alice]


def test_nobody_leaves_for_another(cast: Cast) -> None:
    with pytest.raises(Refused, match="Nobody leaves for another"):
        organisations.leave(membership(cast.bob), by=By(cast.alice))


def test_last_owner_stays_one(cast: Cast) -> None:
    alice, by = membership(cast.alice), By(cast.alice)
    for deed in (
        lambda: organisations.leave(alice, by=by),
        lambda: organisations.remove(alice, by=by),
        lambda: organisations.change_role(alice, Role.VIEWER, by=by),
    ):
        with pytest.raises(Refused, match="the last owner of Birch Bank"):
            deed()
    organisations.change_role(membership(cast.bob), Role.OWNER, by=by)
    organisations.leave(alice, by=by)


def test_deed_on_a_member_who_has_gone_is_refused_in_words(cast: Cast) -> None:
    bob = membership(cast.bob)
    organisations.remove(bob, by=By(cast.alice))
    with pytest.raises(Refused, match="no member any more"):
        organisations.remove(bob, by=By(cast.alice))


# --- Races -------------------------------------------------------------------------


def at_once(*deeds: Callable[[], object]) -> list[str]:
    """How the deeds end that begin together, each on a connection of its own."""
    start = Barrier(len(deeds))

    def one(deed: Callable[[], object]) -> str:
        try:
            start.wait(timeout=30)
            deed()
        except (Refused, NotAllowed):
            return "refused"
        finally:
            connection.close()
        return "done"

    with ThreadPoolExecutor(len(deeds)) as threads:
        return sorted(threads.map(one, deeds))


@pytest.mark.usefixtures("committed")
def test_of_two_owners_who_leave_at_once_one_stays() -> None:
    cast = seed()
    Membership.objects.filter(user=cast.bob).update(role="owner")
    alice, bob = membership(cast.alice), membership(cast.bob)
    ended = at_once(
        lambda: organisations.leave(alice, by=By(cast.alice)),
        lambda: organisations.leave(bob, by=By(cast.bob)),
    )
    assert ended == ["done", "refused"]
    assert cast.birch.memberships.filter(role="owner").count() == 1


@pytest.mark.usefixtures("committed")
def test_of_eight_who_accept_at_once_one_joins() -> None:
    cast = seed()
    invitation = organisations.invite(cast.birch, DANA, Role.VIEWER, by=By(cast.alice))
    dana = person(DANA)
    ended = at_once(*[lambda: organisations.accept(invitation, by=By(dana))] * 8)
    assert ended == ["done"] + ["refused"] * 7
    assert AuditEvent.objects.filter(deed="joined").count() == 1
