"""Which address a reported account keeps, and what else goes from it."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.socialaccount.models import SocialAccount
from django.core import mail
from django.test import Client
from django.utils import timezone

from accounts.actor import Actor
from accounts.flows import own_account as flows
from accounts.flows.members import Role
from accounts.models import (
    AuditEvent,
    Email,
    EmailKind,
    FormerAddress,
    Membership,
    User,
)
from accounts.permissions import NotAllowed
from provisioning.demo.seed import PASSWORD, Cast
from tests.accounts.outbox import code_by_email
from tests.accounts.reported import ALICE, THIEF, addresses_of
from tests.portal.pages.pages import as_user, just_signed_in, words


def test_report_removes_other_addresses_and_what_was_added_lately(cast: Cast) -> None:
    alice, old = cast.alice, timezone.now() - timedelta(days=8)
    EmailAddress.objects.create(user=alice, email="thief@evil.example", verified=True)
    Authenticator.objects.create(user=alice, type="webauthn", data={})
    app = Authenticator.objects.create(user=alice, type="totp", data={"secret": ""})
    Authenticator.objects.filter(pk=app.pk).update(created_at=old)
    SocialAccount.objects.create(user=alice, provider="oidc", uid="thief")
    before = SocialAccount.objects.create(user=alice, provider="oidc", uid="alice")
    SocialAccount.objects.filter(pk=before.pk).update(date_joined=old)
    as_user(alice).post("/account/security/misuse/")
    assert addresses_of(alice) == [alice.email]
    assert list(Authenticator.objects.filter(user=alice)) == [app]
    assert list(SocialAccount.objects.filter(user=alice)) == [before]
    line = AuditEvent.objects.get(action="locked", customer=None)
    assert line.changes.startswith("Removed: thief@evil.example, ")
    assert "thief@evil.example" in mail_about(alice).facts["what"]


def mail_about(user: User) -> Email:
    return Email.objects.get(kind=EmailKind.SIGN_IN_CHANGED, to=user.email)


def test_address_that_was_planted_opens_nothing_after_an_owner_allowed_reveals(
    cast: Cast,
) -> None:
    Membership.objects.filter(user=cast.bob).update(role=Role.OWNER)
    EmailAddress.objects.create(user=cast.alice, email="thief@evil.example", verified=True)
    as_user(cast.alice).post("/account/security/misuse/")
    owner, row = just_signed_in(cast.bob), Membership.objects.get(user=cast.alice)
    owner.post(f"/members/{row.pk}/", {"allow_reveals": "yes"})
    told = Email.objects.filter(kind=EmailKind.MEMBER_UNLOCKED).values_list("to", flat=True)
    assert "thief@evil.example" not in told
    mail.outbox.clear()
    for page in ("password/reset", "login/code"):
        Client().post(f"/account/{page}/", {"email": "thief@evil.example"})
    assert len(mail.outbox) == 2
    assert "alice" not in "".join(str(each.body).lower() for each in mail.outbox)


def change_address(user: User, email: str, *, by_session: Client) -> None:
    """As the page does it: added, verified by its code, and made the primary one."""
    add_address(email, by_session=by_session)
    make_primary(user, email, by_session=by_session)


def add_address(email: str, *, by_session: Client) -> None:
    by_session.post("/account/email/", {"action_add": "", "email": email})
    by_session.post("/account/confirm-email/", {"code": code_by_email()})


def make_primary(user: User, email: str, *, by_session: Client) -> None:
    by_session.post("/account/email/", {"action_primary": "", "email": email})
    user.refresh_from_db()
    assert user.email == email


def swap_often(thief: Client, alice: User) -> None:
    change_address(alice, THIEF, by_session=thief)
    make_primary(alice, ALICE, by_session=thief)
    make_primary(alice, THIEF, by_session=thief)
    change_address(alice, "second@evil.example", by_session=thief)


def swap_and_remove(thief: Client, alice: User) -> None:
    change_address(alice, THIEF, by_session=thief)
    thief.post("/account/email/", {"action_remove": "", "email": ALICE})
    assert addresses_of(alice) == [THIEF]


SWAPS: list[Callable[[Client, User], None]] = [
    lambda thief, alice: change_address(alice, THIEF, by_session=thief),
    lambda thief, alice: add_address(THIEF, by_session=thief),
    swap_often,
    swap_and_remove,
]


@pytest.mark.parametrize("swap", SWAPS, ids=["made primary", "added", "swapped", "removed"])
def test_report_leaves_the_address_of_a_week_ago_whoever_makes_it(
    cast: Cast, swap: Callable[[Client, User], None]
) -> None:
    alice = cast.alice
    swap(just_signed_in(alice), alice)
    flows.report_misuse(by=Actor(alice))
    alice.refresh_from_db()
    assert (alice.email, addresses_of(alice)) == (ALICE, [ALICE])
    assert EmailAddress.objects.get(user=alice).primary
    assert mail_about_removal().to == ALICE
    told = Email.objects.filter(kind=EmailKind.MEMBER_LOCKED)
    assert ALICE in {each.to for each in told}
    # The owners speak to the person, not to the thief.
    assert {each.facts["who"] for each in told} == {ALICE}


def mail_about_removal() -> Email:
    mails = Email.objects.filter(kind=EmailKind.SIGN_IN_CHANGED)
    return next(each for each in mails if "removed after the report" in each.facts["what"])


def test_report_by_who_signed_in_with_another_address_leaves_the_primary_one(cast: Cast) -> None:
    """Such as an old one, whose mailbox is someone else's by now."""
    EmailAddress.objects.create(user=cast.alice, email="alice@old.example", verified=True)
    thief = Client()
    thief.post("/account/login/", {"login": "alice@old.example", "password": PASSWORD})
    page = thief.get("/account/security/")
    assert f"the address that was its primary one a week ago: {ALICE}" in words(page)
    thief.post("/account/security/misuse/")
    assert addresses_of(cast.alice) == [ALICE]


def test_report_leaves_the_address_of_a_week_ago_although_the_person_changed_it_shortly_before(
    cast: Cast,
) -> None:
    mine = just_signed_in(cast.alice)
    change_address(cast.alice, "alice@new.example", by_session=mine)
    FormerAddress.objects.update(replaced_at=timezone.now() - timedelta(days=8))
    change_address(cast.alice, THIEF, by_session=mine)
    flows.report_misuse(by=Actor(cast.alice))
    assert addresses_of(cast.alice) == ["alice@new.example"]


def test_administrator_reports_their_own_account_at_their_own_page(cast: Cast) -> None:
    admin = User.objects.create_superuser("root@acme.example", "x")
    root = just_signed_in(admin)
    action = {"action": "report_misuse", "_selected_action": [admin.pk, cast.alice.pk]}
    page = root.post("/admin/accounts/user/", action, follow=True)
    assert "Report the misuse of your own account at Sign-in and security" in words(page)
    assert not cast.alice.is_locked


def test_address_in_capitals_that_an_administrator_typed_receives_a_code(cast: Cast) -> None:
    root = just_signed_in(User.objects.create_superuser("root@acme.example", "x"))
    mia = {"email": "Mia@Birch.example", "name": "Mia", "is_active": "on"}
    root.post("/admin/accounts/user/add/", mia)
    Client().post("/account/login/code/", {"email": "Mia@Birch.example"})
    assert mail.outbox[-1].to == ["mia@birch.example"]
    assert code_by_email()


def test_report_leaves_no_address_where_the_one_of_a_week_ago_is_another_accounts(
    cast: Cast,
) -> None:
    swap_and_remove(just_signed_in(cast.alice), cast.alice)
    other = User.objects.create_user(ALICE)
    EmailAddress.objects.create(user=other, email=ALICE, verified=True, primary=True)
    flows.report_misuse(by=Actor(cast.alice))
    assert cast.alice.is_locked
    assert addresses_of(cast.alice) == []
    for address in (THIEF, ALICE):
        assert cast.alice not in User.objects.filter(email=address)


def test_administrator_reports_for_a_person_who_cannot_sign_in_any_more(cast: Cast) -> None:
    swap_and_remove(just_signed_in(cast.alice), cast.alice)
    root = just_signed_in(User.objects.create_superuser("root@acme.example", "x"))
    action = {"action": "report_misuse", "_selected_action": [cast.alice.pk]}
    page = root.post("/admin/accounts/user/", action, follow=True)
    assert "is signed out everywhere and locked" in words(page)
    assert addresses_of(cast.alice) == [ALICE]
    assert cast.alice.is_locked
    told = Email.objects.filter(kind=EmailKind.MEMBER_LOCKED, to=ALICE)
    assert told.get().facts["by"] == "Acme Software"
    with pytest.raises(NotAllowed):
        flows.report_misuse_as_staff(cast.alice, by=Actor(cast.sandra))


def test_administrator_deletes_no_primary_address_because_it_would_still_open_the_account(
    cast: Cast,
) -> None:
    row = EmailAddress.objects.get(email=ALICE)
    root = just_signed_in(User.objects.create_superuser("root@acme.example", "x"))
    page = root.post(f"/admin/account/emailaddress/{row.pk}/delete/", {"post": "yes"})
    assert "Alice Ahlgren, which it would still open" in words(page)
    assert addresses_of(cast.alice) == [ALICE]
    root.post(f"/admin/accounts/user/{cast.alice.pk}/delete/", {"post": "yes"})
    assert addresses_of(cast.alice) == []


def test_administrator_creates_no_account_with_an_address_of_another(cast: Cast) -> None:
    EmailAddress.objects.create(user=cast.alice, email="second@birch.example", verified=True)
    root = just_signed_in(User.objects.create_superuser("root@acme.example", "x"))
    page = root.post("/admin/accounts/user/add/", {"email": "Second@birch.example", "name": "A"})
    assert "A person signs in with this address already" in words(page)
    assert not User.objects.filter(email__iexact="second@birch.example").exists()
