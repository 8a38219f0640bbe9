"""People, how they sign in, and what they may see."""

import pytest
from django.db import IntegrityError
from django.test import Client

from accounts.models import Customer, Membership, User
from accounts.permissions import (
    MAY_REQUEST,
    OPERATE,
    NotAllowed,
    require_role,
    require_staff,
    role_of,
)
from provisioning.demo.cast import PASSWORD, Cast
from tests.portal.pages.everywhere import database
from tests.portal.pages.reading import as_user, words

# --- Addresses ---------------------------------------------------------------------


def test_address_belongs_to_one_person_whatever_its_case(cast: Cast) -> None:
    with pytest.raises(IntegrityError, match="user_email_unique_in_any_case"):
        User.objects.create_user("ALICE@Birch.example")


def test_person_is_found_by_her_address_in_any_case(cast: Cast) -> None:
    assert User.objects.get_by_natural_key("ALICE@Birch.example") == cast.alice


@pytest.mark.parametrize("email", ["alice@birch.example", "Alice@BIRCH.example"])
def test_person_signs_in_by_her_address_in_any_case(cast: Cast, email: str) -> None:
    client = Client()
    answer = client.post("/account/login/", {"login": email, "password": PASSWORD})
    assert (answer.status_code, answer["Location"]) == (302, "/")
    assert client.session["_auth_user_id"] == str(cast.alice.pk)


def test_person_who_has_left_does_not_get_in(cast: Cast) -> None:
    client = as_user(cast.alice)
    User.objects.filter(pk=cast.alice.pk).update(is_active=False)
    assert client.get("/")["Location"] == "/account/login/?next=/"
    client.post("/account/login/", {"login": cast.alice.email, "password": PASSWORD})
    assert client.get("/")["Location"] == "/account/login/?next=/"


def test_superuser_may_do_what_staff_may(db: None) -> None:
    root = User.objects.create_superuser("root@acme.example", PASSWORD)
    assert (root.is_staff, root.is_superuser) == (True, True)
    require_staff(root, OPERATE, "operate")


# --- Nobody walks in ---------------------------------------------------------------


def test_sign_up_is_closed_and_says_whom_to_ask(cast: Cast) -> None:
    client = Client()
    assert "Accounts are by invitation" in words(client.get("/account/signup/"))
    before = database()
    fields = {"email": "mallory@example.com", "password1": PASSWORD, "password2": PASSWORD}
    assert "Accounts are by invitation" in words(client.post("/account/signup/", fields))
    assert database() == before


# --- Tenancy and roles -------------------------------------------------------------


def test_member_of_two_sees_both_once_and_no_third(cast: Cast) -> None:
    Customer.objects.create(name="Dune Dairy", slug="dune-dairy")
    Membership.objects.create(user=cast.alice, customer=cast.cedar, role="viewer")
    assert list(Customer.objects.for_user(cast.alice)) == [cast.birch, cast.cedar]
    assert list(Customer.objects.for_user(cast.bob)) == [cast.birch]


def test_staff_and_superusers_see_no_customer_by_it(cast: Cast) -> None:
    root = User.objects.create_superuser("root@acme.example", PASSWORD)
    for user in (cast.sandra, cast.otto, root):
        assert not Customer.objects.for_user(user).exists()


def test_role_is_the_one_at_this_customer(cast: Cast) -> None:
    Membership.objects.create(user=cast.alice, customer=cast.cedar, role="viewer")
    assert role_of(cast.alice, cast.birch) == "owner"
    assert role_of(cast.alice, cast.cedar) == "viewer"
    assert role_of(cast.bob, cast.cedar) is None
    with pytest.raises(NotAllowed, match="Only an engineer or owner of Cedar Clinic can ask"):
        require_role(cast.alice, cast.cedar, MAY_REQUEST, "ask")


def test_staff_permission_without_being_staff_is_worth_nothing(cast: Cast) -> None:
    for change in ({"is_staff": False}, {"is_active": False}):
        user = User.objects.get(pk=cast.otto.pk)
        require_staff(user, OPERATE, "operate")
        for name, value in change.items():
            setattr(user, name, value)
        with pytest.raises(NotAllowed, match="Only the vendor's Ops group can operate"):
            require_staff(user, OPERATE, "operate")


@pytest.mark.parametrize("role", ["", "admin", "Owner"])
def test_role_that_is_none_cannot_be_stored(cast: Cast, role: str) -> None:
    with pytest.raises(IntegrityError, match="membership_role_is_known"):
        Membership.objects.create(user=cast.alice, customer=cast.cedar, role=role)


def test_membership_is_held_once(cast: Cast) -> None:
    with pytest.raises(IntegrityError):
        Membership.objects.create(user=cast.alice, customer=cast.birch, role="viewer")


# --- The admin ---------------------------------------------------------------------


def test_customers_name_in_aws_stays_once_the_customer_exists(cast: Cast) -> None:
    sandra = as_user(cast.sandra)
    page = "/admin/accounts/customer/"
    assert 'name="slug"' in sandra.get(f"{page}add/").content.decode()
    change = f"{page}{cast.birch.pk}/change/"
    assert 'name="slug"' not in sandra.get(change).content.decode()
    fields = {"memberships-TOTAL_FORMS": "0", "memberships-INITIAL_FORMS": "0"}
    sandra.post(change, fields | {"name": "Birch Bank AG", "slug": "another"})
    cast.birch.refresh_from_db()
    assert (cast.birch.name, cast.birch.slug) == ("Birch Bank AG", "birch-bank")


@pytest.mark.parametrize("slug", ["Birch", "birch bank", "-birch", "birch_bank", "b" * 41])
def test_customers_name_in_aws_is_checked(cast: Cast, slug: str) -> None:
    fields = {
        "name": "Dune Dairy",
        "slug": slug,
        "memberships-TOTAL_FORMS": "0",
        "memberships-INITIAL_FORMS": "0",
    }
    assert as_user(cast.sandra).post("/admin/accounts/customer/add/", fields).status_code == 200
    assert Customer.objects.count() == 2
