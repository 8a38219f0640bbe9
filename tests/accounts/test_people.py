"""People: how they sign in, what they may see, and how administrators manage them."""

import re

import pytest
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal.auth import TOTP, generate_totp_secret
from django.core import mail
from django.db import IntegrityError
from django.test import Client

from accounts.emails import delivery
from accounts.models import AuditEvent, Customer, Invitation, Membership, User
from accounts.permissions import (
    MAY_REQUEST,
    OPERATE,
    NotAllowed,
    require_role,
    require_staff,
    role_of,
)
from provisioning.demo.seed import PASSWORD, Cast
from tests.portal.pages.captured_state import database
from tests.portal.pages.pages import as_user, just_signed_in, words

# --- Addresses ---------------------------------------------------------------------


def test_address_belongs_to_one_person_in_any_case(cast: Cast) -> None:
    with pytest.raises(IntegrityError, match="user_email_unique_in_any_case"):
        User.objects.create_user("ALICE@Birch.example")


def test_person_is_found_by_email_address_in_any_case(cast: Cast) -> None:
    assert User.objects.get_by_natural_key("ALICE@Birch.example") == cast.alice


@pytest.mark.parametrize("email", ["alice@birch.example", "Alice@BIRCH.example"])
def test_person_signs_in_with_the_address_in_any_case(cast: Cast, email: str) -> None:
    client = Client()
    answer = client.post("/account/login/", {"login": email, "password": PASSWORD})
    assert (answer.status_code, answer["Location"]) == (302, "/")
    assert client.session["_auth_user_id"] == str(cast.alice.pk)


def test_inactive_person_cannot_sign_in(cast: Cast) -> None:
    client = as_user(cast.alice)
    User.objects.filter(pk=cast.alice.pk).update(is_active=False)
    assert client.get("/")["Location"] == "/account/login/?next=/"
    client.post("/account/login/", {"login": cast.alice.email, "password": PASSWORD})
    assert client.get("/")["Location"] == "/account/login/?next=/"


def test_superuser_may_do_what_staff_may(db: None) -> None:
    root = User.objects.create_superuser("root@acme.example", PASSWORD)
    assert (root.is_staff, root.is_superuser) == (True, True)
    require_staff(root, OPERATE, "operate")


# --- Sign-up is closed -------------------------------------------------------------


def test_sign_up_is_closed_and_the_page_says_who_to_ask(cast: Cast) -> None:
    client = Client()
    assert "Accounts are by invitation" in words(client.get("/account/signup/"))
    before = database()
    fields = {"email": "mallory@example.com", "password1": PASSWORD, "password2": PASSWORD}
    assert "Accounts are by invitation" in words(client.post("/account/signup/", fields))
    assert database() == before


# --- Tenancy and roles -------------------------------------------------------------


def test_member_of_two_customers_sees_each_once_and_no_third(cast: Cast) -> None:
    Customer.objects.create(name="Dune Dairy", slug="dune-dairy")
    Membership.objects.create(user=cast.alice, customer=cast.cedar, role="viewer")
    assert list(Customer.objects.for_user(cast.alice)) == [cast.birch, cast.cedar]
    assert list(Customer.objects.for_user(cast.bob)) == [cast.birch]


def test_staff_and_superusers_see_no_customer_without_membership(cast: Cast) -> None:
    root = User.objects.create_superuser("root@acme.example", PASSWORD)
    for user in (cast.sandra, cast.otto, root):
        assert not Customer.objects.for_user(user).exists()


def test_role_is_that_at_the_customer_in_question(cast: Cast) -> None:
    Membership.objects.create(user=cast.alice, customer=cast.cedar, role="viewer")
    assert role_of(cast.alice, cast.birch) == "owner"
    assert role_of(cast.alice, cast.cedar) == "viewer"
    assert role_of(cast.bob, cast.cedar) is None
    with pytest.raises(NotAllowed, match="Only an engineer or owner of Cedar Clinic can ask"):
        require_role(cast.alice, cast.cedar, MAY_REQUEST, "ask")


def test_staff_permission_is_useless_without_being_active_staff(cast: Cast) -> None:
    for change in ({"is_staff": False}, {"is_active": False}):
        user = User.objects.get(pk=cast.otto.pk)
        require_staff(user, OPERATE, "operate")
        for name, value in change.items():
            setattr(user, name, value)
        with pytest.raises(NotAllowed, match="Only the vendor's Ops group can operate"):
            require_staff(user, OPERATE, "operate")


@pytest.mark.parametrize("role", ["", "admin", "Owner"])
def test_unknown_role_cannot_be_stored(cast: Cast, role: str) -> None:
    with pytest.raises(IntegrityError, match="membership_role_is_known"):
        Membership.objects.create(user=cast.alice, customer=cast.cedar, role=role)


def test_person_has_one_membership_at_a_customer(cast: Cast) -> None:
    with pytest.raises(IntegrityError):
        Membership.objects.create(user=cast.alice, customer=cast.birch, role="viewer")


# --- The admin ---------------------------------------------------------------------

# What the admin's form sends for a customer without members and invitations.
NO_ROWS = {
    f"{rows}-{forms}_FORMS": "0"
    for rows in ("memberships", "invitations")
    for forms in ("TOTAL", "INITIAL")
}
ADD_CUSTOMER = {"name": "Dune Dairy", "slug": "dune-dairy", **NO_ROWS}


def test_administrator_creates_a_customer_and_invites_its_owner(cast: Cast) -> None:
    root = just_signed_in(User.objects.create_superuser("root@acme.example", PASSWORD))
    fields = ADD_CUSTOMER | {"invite_owner": "dana@dune.example"}
    root.post("/admin/accounts/customer/add/", fields)
    delivery.send_due()
    dune = Customer.objects.get(slug="dune-dairy")
    assert dune.invitations.get().role == "owner"
    assert mail.outbox[0].to == ["dana@dune.example"]
    assert dune.audit_events.get(action="invited").address == "127.0.0.1"
    shown = root.get(f"/admin/accounts/customer/{dune.pk}/change/")
    assert "dana@dune.example" in words(shown)


def test_sales_create_customers_but_cannot_invite_owners(cast: Cast) -> None:
    sandra = just_signed_in(cast.sandra)
    assert "invite_owner" not in sandra.get("/admin/accounts/customer/add/").content.decode()
    sandra.post(
        "/admin/accounts/customer/add/", ADD_CUSTOMER | {"invite_owner": "sandra@home.example"}
    )
    assert Customer.objects.filter(slug="dune-dairy").exists()
    assert not Invitation.objects.exists()


def test_user_created_in_the_admin_signs_in_with_a_code_sent_by_email(cast: Cast) -> None:
    root = just_signed_in(User.objects.create_superuser("root@acme.example", PASSWORD))
    fields = {"email": "olga@acme.example", "name": "Olga", "is_active": "on", "is_staff": "on"}
    root.post("/admin/accounts/user/add/", fields)
    delivery.send_due()
    olga = User.objects.get(email="olga@acme.example")
    assert not olga.has_usable_password()
    assert "/account/login/code/" in str(mail.outbox[0].body)
    browser = Client()
    browser.post("/account/login/code/", {"email": olga.email})
    code = re.search(r"^[A-Z0-9]{4,}-?[A-Z0-9]*$", str(mail.outbox[1].body), re.MULTILINE)
    assert code, mail.outbox[1].body
    browser.post("/account/login/code/confirm/", {"code": code[0]})
    assert browser.session["_auth_user_id"] == str(olga.pk)
    assert len(mail.outbox) == 2


def test_email_address_cannot_be_changed_in_the_admin(cast: Cast) -> None:
    root = just_signed_in(User.objects.create_superuser("root@acme.example", PASSWORD))
    page = f"/admin/accounts/user/{cast.bob.pk}/change/"
    root.post(page, {"email": "mallory@example.com", "name": "Robert", "is_active": "on"})
    cast.bob.refresh_from_db()
    assert (cast.bob.email, cast.bob.name) == ("bob@birch.example", "Robert")


def test_slug_cannot_be_changed_once_the_customer_exists(cast: Cast) -> None:
    sandra = just_signed_in(cast.sandra)
    page = "/admin/accounts/customer/"
    assert 'name="slug"' in sandra.get(f"{page}add/").content.decode()
    change = f"{page}{cast.birch.pk}/change/"
    assert 'name="slug"' not in sandra.get(change).content.decode()
    sandra.post(change, NO_ROWS | {"name": "Birch Bank AG", "slug": "another"})
    cast.birch.refresh_from_db()
    assert (cast.birch.name, cast.birch.slug) == ("Birch Bank AG", "birch-bank")


@pytest.mark.parametrize("slug", ["Birch", "birch bank", "-birch", "birch_bank", "b" * 41])
def test_invalid_slug_is_refused(cast: Cast, slug: str) -> None:
    fields = {"name": "Dune Dairy", "slug": slug, **NO_ROWS}
    assert (
        just_signed_in(cast.sandra).post("/admin/accounts/customer/add/", fields).status_code == 200
    )
    assert Customer.objects.count() == 2


def test_lost_second_factor_is_removed_with_a_record_and_never_shown(cast: Cast) -> None:
    root = just_signed_in(User.objects.create_superuser("root@acme.example", PASSWORD))
    secret = generate_totp_secret()
    factor = TOTP.activate(cast.bob, secret).instance
    page = f"/admin/mfa/authenticator/{factor.pk}/"
    assert secret not in root.get(f"{page}change/").content.decode()
    assert root.post(f"{page}change/", {"user": cast.alice.pk}).status_code == 403
    assert root.get("/admin/mfa/authenticator/add/").status_code == 403
    root.post(f"{page}delete/", {"post": "yes"})
    assert not Authenticator.objects.exists()
    event = AuditEvent.objects.get()
    assert (event.action, event.subject) == (
        "reset_factor",
        "bob@birch.example: TOTP Authenticator",
    )
