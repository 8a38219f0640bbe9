"""Someone else used an account: the person ends everything, and others open it again."""

from collections.abc import Callable

import pytest
from django.test import Client

from accounts.actor import Actor
from accounts.flows import invitations, members, sign_in_rules
from accounts.flows import own_account as flows
from accounts.flows.members import Role
from accounts.models import Membership, User
from accounts.permissions import NotAllowed
from provisioning.demo.seed import PASSWORD, Cast
from provisioning.flows.credentials import deactivate, reveal, rotate
from provisioning.flows.entitlements import request
from provisioning.flows.source_addresses import limit_sources
from tests.entitlements import approved
from tests.portal.pages.pages import as_user, just_signed_in, words
from tests.provisioned import provision

SIGN_IN = {"login": "alice@birch.example", "password": PASSWORD}


def test_person_who_reported_misuse_reveals_nothing_until_an_owner_allows_it(
    cast: Cast,
) -> None:
    Membership.objects.filter(user=cast.bob).update(role=Role.ENGINEER)
    approved(cast)
    pull_user = provision(cast.birch)
    shown = as_user(cast.bob).post("/account/security/misuse/", follow=True)
    assert "All your sessions have ended" in words(shown)
    cast.bob.refresh_from_db()
    for action in (reveal, rotate):
        with pytest.raises(NotAllowed, match="someone else may have used your account"):
            action(pull_user, by=Actor(cast.bob))
    membership = Membership.objects.get(user=cast.bob)
    owner = just_signed_in(cast.alice)
    page = f"/members/{membership.pk}/"
    assert "Allow reveals again" in words(owner.get(page))
    owner.post(page, {"allow_reveals": "yes"})
    cast.bob.refresh_from_db()
    assert reveal(pull_user, by=Actor(cast.bob)).secret_access_key


def test_reported_account_opens_with_its_old_password_no_more(cast: Cast) -> None:
    as_user(cast.alice).post("/account/security/misuse/")
    thief = Client()
    thief.post("/account/login/", SIGN_IN)
    assert "_auth_user_id" not in thief.session


def test_reported_person_takes_keys_away_and_does_nothing_else_for_an_organisation(
    cast: Cast,
) -> None:
    approved(cast)
    pull_user = provision(cast.birch)
    flows.report_misuse(by=Actor(cast.alice))
    cast.alice.refresh_from_db()
    by, bobs = Actor(cast.alice), Membership.objects.get(user=cast.bob)
    refused: list[Callable[[], object]] = [
        lambda: invitations.invite(cast.birch, "eve@x.example", Role.ENGINEER, by=by),
        lambda: members.change_role(bobs, Role.OWNER, by=by),
        lambda: members.remove(bobs, by=by),
        lambda: sign_in_rules.change(cast.birch, second_factor=False, single_sign_on=False, by=by),
        lambda: limit_sources(cast.birch, [], by=by),
        lambda: request(cast.birch, cast.reports, by=by),
    ]
    for action in refused:
        with pytest.raises(NotAllowed, match="someone else may have used your account"):
            action()
    deactivate(pull_user.access_keys.get(), by=by)


def test_owner_does_not_allow_it_to_themselves_but_the_vendor_does(cast: Cast) -> None:
    flows.report_misuse(by=Actor(cast.alice))
    membership = Membership.objects.get(user=cast.alice)
    with pytest.raises(flows.Refused, match="Ask another owner"):
        flows.allow_reveals(membership, by=Actor(cast.alice))
    with pytest.raises(NotAllowed):
        flows.allow_reveals_as_staff(cast.alice, by=Actor(cast.sandra))
    root = just_signed_in(User.objects.create_superuser("root@acme.example", "x"))
    fields = {"action": "allow_reveals", "_selected_action": [cast.alice.pk]}
    assert "can reveal credentials again" in words(
        root.post("/admin/accounts/user/", fields, follow=True)
    )
    cast.alice.refresh_from_db()
    assert cast.alice.reveals_locked_at is None
