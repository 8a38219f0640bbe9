"""Sign-up open to everyone: what a stranger can do with someone else's address."""

import re
from typing import Any

import pytest
from allauth.account.models import EmailAddress
from allauth.socialaccount.models import SocialAccount
from django.contrib.auth.hashers import MD5PasswordHasher
from django.core import mail
from django.test import Client
from pytest_django import Settings

from accounts import verification
from accounts.actor import Actor
from accounts.audit.log import Action, record
from accounts.flows import invitations
from accounts.models import Membership, User
from accounts.names import require_plain_name
from provisioning.demo.seed import PASSWORD, Cast
from tests.portal.pages.pages import just_signed_in

ADDRESS, CHOSEN = "dana@larch.example", "a-Long-one-7"


@pytest.fixture(autouse=True)
def _everybody_may_sign_up(settings: Settings) -> None:
    settings.SIGNUP = "open"


def sign_up(client: Client, name: str = "Dana", email: str = ADDRESS) -> None:
    fields = {"email": email, "name": name, "password1": CHOSEN, "password2": CHOSEN}
    client.post("/account/signup/", fields)


def verify(client: Client) -> Any:
    """Enter the code of the last email where the address was entered."""
    return client.post("/account/confirm-email/", {"code": code()}, follow=True)


def code() -> str:
    found = re.search(r"^([A-Z0-9]{4}-[A-Z0-9]{4})$", str(mail.outbox[-1].body), re.MULTILINE)
    assert found is not None, mail.outbox[-1].body
    return found[1]


def sign_in_by_code(client: Client, address: str) -> Any:
    client.post("/account/login/code/", {"email": address})
    return client.post("/account/login/code/confirm/", {"code": code()})


def can_sign_in() -> bool:
    client = Client()
    client.post("/account/login/", {"login": ADDRESS, "password": CHOSEN})
    return "_auth_user_id" in client.session


def test_sign_up_takes_the_same_work_whether_or_not_the_address_has_an_account(
    cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The slow part of it is the hash of a password."""
    hashed: list[str] = []
    encode = MD5PasswordHasher.encode

    def count(self: MD5PasswordHasher, password: str, salt: str) -> str:
        hashed.append(password)
        return str(encode(self, password, salt))

    monkeypatch.setattr(MD5PasswordHasher, "encode", count)
    sign_up(Client())
    for_new = len(hashed)
    sign_up(Client(), email=cast.alice.email)
    assert for_new == len(hashed) - for_new > 0


def test_person_who_signs_up_verifies_and_is_in(cast: Cast) -> None:
    User.objects.bulk_create(User(pk=pk, email=f"{pk}@x.example") for pk in range(900, 950))
    client = Client()
    sign_up(client)
    verify(client)
    assert can_sign_in()


@pytest.mark.parametrize("is_theirs", [True, False])
def test_address_gets_few_emails_however_often_it_signs_up(cast: Cast, *, is_theirs: bool) -> None:
    """From ever other networks, with and without an account that somebody uses."""
    if is_theirs:
        EmailAddress.objects.filter(user=cast.alice).update(email=ADDRESS)
        User.objects.filter(pk=cast.alice.pk).update(email=ADDRESS)
    for number in range(8):
        sign_up(Client(REMOTE_ADDR=f"10.0.0.{number}"))
        sign_up(Client(REMOTE_ADDR=f"10.0.1.{number}"), email=ADDRESS.upper())
    assert len(mail.outbox) == (1 if is_theirs else 2)


@pytest.mark.parametrize("page", ["/account/login/code/", "/account/password/reset/"])
@pytest.mark.parametrize(
    "name", ["alice@birch.example\u200b", "alice@\uff42irch.example", '"alice"@birch.example']
)
def test_nothing_is_mailed_to_an_address_that_stands_for_another(
    cast: Cast, page: str, name: str
) -> None:
    answer = Client().post(page, {"email": name})
    assert answer.status_code == 200
    assert mail.outbox == []


def test_code_verifies_only_where_the_address_was_entered(cast: Cast) -> None:
    sign_up(Client())
    verify(Client())
    assert not EmailAddress.objects.filter(email=ADDRESS, verified=True).exists()
    assert not can_sign_in()


def test_code_goes_on_after_an_invitation_was_followed_in_between(cast: Cast) -> None:
    client = Client()
    sign_up(client)
    invitation = invitations.invite(
        cast.birch, "other@birch.example", Membership.Role.VIEWER, by=Actor(cast.alice)
    )
    client.get(f"/account/invitation/{invitations.make_token(invitation.pk)}/")
    assert verify(client).status_code == 200
    assert EmailAddress.objects.get(email=ADDRESS).verified


@pytest.mark.parametrize("made", ["staff", "superuser", "member", "by the vendor"])
def test_account_that_the_vendor_made_never_gives_way(cast: Cast, made: str) -> None:
    user = User.objects.create_user(ADDRESS, PASSWORD, is_staff=made == "staff")
    if made == "superuser":
        User.objects.filter(pk=user.pk).update(is_superuser=True)
    if made == "member":
        Membership.objects.create(user=user, customer=cast.cedar, role="viewer")
        record(Action.SIGNED_UP, user.email, by=Actor(user))
    verification.make_way(ADDRESS)
    user.refresh_from_db()
    assert (user.email, user.is_active) == (ADDRESS, True)


def test_link_that_a_mail_scanner_opens_changes_nothing(cast: Cast) -> None:
    sign_up(Client())
    invitation = invitations.invite(
        cast.birch, ADDRESS, Membership.Role.VIEWER, by=Actor(cast.alice)
    )
    invited = Client()
    invited.get(f"/account/invitation/{invitations.make_token(invitation.pk)}/")
    assert User.objects.get(email=ADDRESS).is_active
    sign_up(invited)
    assert can_sign_in()


def test_password_of_a_stranger_ends_when_the_owner_signs_in_by_code(cast: Cast) -> None:
    sign_up(Client())
    user = User.objects.get(email=ADDRESS)
    SocialAccount.objects.create(user=user, provider="oidc", uid="8")
    owner = Client()
    sign_in_by_code(owner, ADDRESS)
    assert owner.get("/").status_code == 200
    assert not can_sign_in()
    assert not SocialAccount.objects.filter(user=user).exists()


def test_password_that_was_reset_stays_and_a_strangers_identity_does_not(cast: Cast) -> None:
    sign_up(Client())
    user = User.objects.get(email=ADDRESS)
    SocialAccount.objects.create(user=user, provider="oidc", uid="8")
    owner = Client()
    owner.post("/account/password/reset/", {"email": ADDRESS})
    link = re.search(r"https?://\S+(/account/password/reset/key/\S+)", str(mail.outbox[-1].body))
    assert link is not None
    page = owner.get(link[1])["Location"]
    owner.post(page, {"password1": CHOSEN, "password2": CHOSEN})
    owner.post("/account/login/", {"login": ADDRESS, "password": CHOSEN})
    assert owner.get("/").status_code == 200
    assert can_sign_in()
    assert not SocialAccount.objects.filter(user=user).exists()


def test_address_is_added_when_it_is_verified_and_claims_nothing_before(cast: Cast) -> None:
    charlie = just_signed_in(cast.charlie)
    charlie.post("/account/email/", {"email": ADDRESS, "action_add": ""})
    assert not EmailAddress.objects.filter(email=ADDRESS).exists()
    owner = Client()
    owner.post("/account/password/reset/", {"email": ADDRESS})
    assert "/password/reset/key/" not in str(mail.outbox[-1].body)
    sign_up(owner)
    verify(owner)
    assert can_sign_in()
    assert User.objects.get(email=ADDRESS) != cast.charlie
    dana = "dana2@larch.example"
    charlie.post("/account/email/", {"email": dana, "action_add": ""})
    verify(charlie)
    assert EmailAddress.objects.get(email=dana, verified=True).user == cast.charlie


@pytest.mark.parametrize(
    "name",
    [
        "Customer,\n\nyour password expired",
        "portal.evil.example",
        "https://evil",
        "a@b",
        "Dana\u202e",
        "<b>Dana</b>",
    ],
)
def test_name_that_carries_a_message_is_refused(cast: Cast, name: str) -> None:
    sign_up(Client(), name)
    assert not User.objects.filter(email=ADDRESS).exists()
    assert mail.outbox == []


@pytest.mark.parametrize(
    "name", ["Dana M\u00fcller-O'Neil", "J.R.R. Tolkien", "\u0414\u0430\u043d\u0430", "St. John"]
)
def test_name_of_a_person_is_accepted(name: str) -> None:
    require_plain_name(name)


@pytest.mark.parametrize("page", ["/account/password/reset/", "/account/login/code/"])
def test_email_that_anyone_can_cause_repeats_no_name(cast: Cast, page: str) -> None:
    sign_up(Client(), "Your account was closed")
    Client().post(page, {"email": ADDRESS})
    assert len(mail.outbox) == 2
    for message in mail.outbox:
        assert "Your account was closed" not in message.message().as_string()
