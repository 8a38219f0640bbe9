"""Someone else used an account: the person ends everything, and others open it again."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal.auth import TOTP, generate_totp_secret
from django.test import Client, RequestFactory
from django.utils import timezone

from accounts.actor import Actor
from accounts.flows import invitations, members, sign_in_rules
from accounts.flows import own_account as flows
from accounts.flows.members import Role
from accounts.models import (
    AuditEvent,
    Customer,
    Invitation,
    Membership,
    User,
)
from accounts.permissions import NotAllowed
from accounts.sessions import devices
from provisioning.demo.seed import PASSWORD, Cast
from provisioning.flows.credentials import deactivate, reveal, rotate
from provisioning.flows.entitlements import request
from provisioning.flows.source_addresses import limit_sources
from provisioning.states import KeyStatus
from tests.accounts.outbox import recipients
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
    for action in (reveal, rotate):
        with pytest.raises(NotAllowed, match="someone else may have used your account"):
            action(pull_user, by=Actor(cast.bob))
    membership = Membership.objects.get(user=cast.bob)
    owner = just_signed_in(cast.alice)
    page = f"/members/{membership.pk}/"
    assert "Allow reveals again" in words(owner.get(page))
    owner.post(page, {"allow_reveals": "yes"})
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
    by, bobs = Actor(cast.alice), Membership.objects.get(user=cast.bob)
    refused: list[Callable[[], object]] = [
        lambda: invitations.invite(cast.birch, "eve@x.example", Role.ENGINEER, by=by),
        lambda: members.change_role(bobs, Role.OWNER, by=by),
        lambda: members.remove(bobs, by=by),
        lambda: members.confirm(bobs, by=by),
        lambda: members.leave(Membership.objects.get(user=cast.alice), by=by),
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
    assert not cast.alice.is_locked


def test_report_forgets_the_identity_that_stood_for_the_person(cast: Cast) -> None:
    Membership.objects.filter(user=cast.alice).update(identity="8", identity_asked="9")
    flows.report_misuse(by=Actor(cast.alice))
    held = membership(cast.alice, cast.birch)
    assert (held.identity, held.identity_asked) == ("", "")


# --- Each organisation decides for itself ----------------------------------------------


@pytest.fixture
def shared(cast: Cast) -> Cast:
    """Alice is a member of Cedar Clinic, too, and Birch Bank has a second owner, Bob."""
    Membership.objects.create(user=cast.alice, customer=cast.cedar, role=Role.ENGINEER)
    Membership.objects.filter(user=cast.bob).update(role=Role.OWNER)
    return cast


def membership(user: User, customer: Customer) -> Membership:
    return Membership.objects.get(user=user, customer=customer)


def test_owner_allows_reveals_of_their_own_organisation_alone(shared: Cast) -> None:
    approved(shared)
    pull_user = provision(shared.birch)
    flows.report_misuse(by=Actor(shared.alice))
    at_cedar = membership(shared.alice, shared.cedar)
    page = f"/members/{at_cedar.pk}/"
    just_signed_in(shared.charlie).post(page, {"allow_reveals": "yes"})
    assert not membership(shared.alice, shared.cedar).reveals_locked_at
    with pytest.raises(NotAllowed, match="another owner of Birch Bank"):
        reveal(pull_user, by=Actor(shared.alice))
    assert shared.alice.is_locked
    flows.allow_reveals(membership(shared.alice, shared.birch), by=Actor(shared.bob))
    assert not shared.alice.is_locked
    assert reveal(pull_user, by=Actor(shared.alice)).secret_access_key


def test_reported_person_joins_no_further_organisation(cast: Cast) -> None:
    invitation = invitations.invite(
        cast.cedar, cast.alice.email, Role.VIEWER, by=Actor(cast.charlie)
    )
    EmailAddress.objects.get_or_create(user=cast.alice, email=cast.alice.email, verified=True)
    flows.report_misuse(by=Actor(cast.alice))
    with pytest.raises(NotAllowed, match=r"You cannot join Cedar Clinic.*owner of Birch Bank"):
        invitations.accept(invitation, by=Actor(cast.alice))
    assert not Membership.objects.filter(user=cast.alice, customer=cast.cedar).exists()


def test_lock_and_unlock_are_reported_to_the_person_and_the_owners(shared: Cast) -> None:
    EmailAddress.objects.create(user=shared.alice, email="old@birch.example", verified=True)
    flows.report_misuse(by=Actor(shared.alice))
    alice, bob, charlie = shared.alice.email, shared.bob.email, shared.charlie.email
    alices = [alice, "old@birch.example"]
    assert recipients("member_locked") == [bob, *alices, charlie, *alices]
    flows.allow_reveals(membership(shared.alice, shared.cedar), by=Actor(shared.charlie))
    # The other address was removed with the report.
    assert recipients("member_unlocked") == [charlie, alice]


def test_each_organisation_sees_that_the_vendor_allowed_reveals(shared: Cast) -> None:
    flows.report_misuse(by=Actor(shared.alice))
    root = User.objects.create_superuser("root@acme.example", "x")
    flows.allow_reveals_as_staff(shared.alice, by=Actor(root))
    lines = AuditEvent.objects.filter(action="unlocked").order_by("customer__name")
    names = list(lines.values_list("customer__name", flat=True))
    assert names == ["Birch Bank", "Cedar Clinic"]
    assert shared.bob.email in recipients("member_unlocked")
    assert shared.charlie.email in recipients("member_unlocked")
    with pytest.raises(flows.Refused, match="not locked"):
        flows.allow_reveals_as_staff(shared.alice, by=Actor(root))


# --- What the other person did before the report ---------------------------------------


def joined(customer: Customer, email: str, *, by: User, role: Role = Role.OWNER) -> User:
    """A person who joined by an invitation."""
    invitation = invitations.invite(customer, email, role, by=Actor(by))
    user = User.objects.create_user(email, PASSWORD)
    EmailAddress.objects.create(user=user, email=email, verified=True, primary=True)
    invitations.accept(invitation, by=Actor(user))
    return user


def test_report_withdraws_what_the_account_invited(shared: Cast) -> None:
    by = Actor(shared.alice)
    sent = invitations.invite(shared.birch, "mallory@evil.example", Role.OWNER, by=by)
    bobs = invitations.invite(shared.birch, "dana@birch.example", Role.VIEWER, by=Actor(shared.bob))
    flows.report_misuse(by=by)
    assert list(Invitation.objects.pending()) == [bobs]
    token = invitations.make_token(sent.pk)
    assert token is None
    line = AuditEvent.objects.filter(action="locked", customer=shared.birch).get()
    assert "mallory@evil.example" in line.changes


def test_who_joined_by_the_accounts_invitation_waits_for_another_owner(shared: Cast) -> None:
    mallory = joined(shared.birch, "mallory@evil.example", by=shared.alice)
    trudy = joined(shared.birch, "trudy@evil.example", by=mallory)
    pending = invitations.invite(shared.birch, "eve@evil.example", Role.VIEWER, by=Actor(trudy))
    early = joined(shared.birch, "early@birch.example", by=shared.alice)
    eight_days_ago = timezone.now() - timedelta(days=8)
    Invitation.objects.filter(accepted_by=early).update(accepted_at=eight_days_ago)
    flows.report_misuse(by=Actor(shared.alice))
    for person in (mallory, trudy):
        assert membership(person, shared.birch).awaits_confirmation
        with pytest.raises(NotAllowed, match="must confirm your membership"):
            flows.allow_reveals(membership(shared.alice, shared.birch), by=Actor(person))
    assert not membership(early, shared.birch).awaits_confirmation
    assert not Invitation.objects.pending().filter(pk=pending.pk).exists()
    with pytest.raises(NotAllowed):
        members.confirm(membership(mallory, shared.birch), by=Actor(shared.alice))
    members.confirm(membership(mallory, shared.birch), by=Actor(shared.bob))
    assert not membership(mallory, shared.birch).awaits_confirmation


def test_report_takes_back_invitations_where_the_person_is_no_longer_a_member(
    shared: Cast,
) -> None:
    """Those whom the thief invited have removed Alice, or the thief has left for her."""
    mallory = joined(shared.birch, "mallory@evil.example", by=shared.alice)
    by = Actor(shared.alice)
    pending = invitations.invite(shared.birch, "eve@evil.example", Role.OWNER, by=by)
    members.remove(membership(shared.alice, shared.birch), by=Actor(mallory))
    assert recipients("member_removed") == [shared.alice.email]
    flows.report_misuse(by=by)
    assert membership(mallory, shared.birch).awaits_confirmation
    assert not Invitation.objects.pending().filter(pk=pending.pk).exists()
    line = AuditEvent.objects.get(action="locked", customer=shared.birch)
    assert "Await confirmation: mallory@evil.example" in line.changes
    assert shared.bob.email in recipients("member_locked")


def test_vendor_invites_the_owner_again_whom_a_thief_has_removed(cast: Cast) -> None:
    Membership.objects.filter(user=cast.bob).delete()
    mallory = joined(cast.birch, "mallory@evil.example", by=cast.alice)
    members.remove(membership(cast.alice, cast.birch), by=Actor(mallory))
    flows.report_misuse(by=Actor(cast.alice))
    root = Actor(User.objects.create_superuser("root@acme.example", "x"))
    invitation = invitations.invite_owner(cast.birch, cast.alice.email, by=root)
    invitations.accept(invitation, by=Actor(cast.alice))
    assert not membership(cast.alice, cast.birch).awaits_confirmation
    members.remove(membership(mallory, cast.birch), by=Actor(cast.alice))


def test_first_owner_who_was_invited_by_mistake_is_replaced_by_the_right_one(cast: Cast) -> None:
    root = Actor(User.objects.create_superuser("root@acme.example", "x"))
    late = Customer.objects.create(name="Delta Dental", slug="delta-dental")
    wrong = invitations.invite_owner(late, "wrong@evil.example", by=root)
    right = invitations.invite_owner(late, "dora@delta.example", by=root)
    assert list(Invitation.objects.pending()) == [right]
    assert AuditEvent.objects.filter(action="revoked", subject=wrong.email).exists()


def test_report_of_an_administrator_withdraws_whom_their_account_invited(cast: Cast) -> None:
    root = Actor(User.objects.create_superuser("root@acme.example", "x"))
    late = Customer.objects.create(name="Delta Dental", slug="delta-dental")
    invitations.invite_owner(late, "thief@evil.example", by=root)
    flows.report_misuse(by=root)
    assert not Invitation.objects.pending().exists()


CHANGES = [
    ("email/", {"action_primary": "", "email": "thief@evil.example"}),
    ("email/", {"action_remove": "", "email": "alice@birch.example"}),
    ("email/", {"action_add": "", "email": "more@evil.example"}),
    ("3rdparty/", {"account": "1"}),
    ("2fa/totp/activate/", {"code": "000000"}),
    ("2fa/totp/deactivate/", {}),
    ("2fa/recovery-codes/generate/", {}),
    ("2fa/webauthn/add/", {}),
    ("oidc/oidc/login/?process=connect", {}),
]


@pytest.mark.parametrize(("page", "fields"), CHANGES)
def test_reported_person_changes_no_way_to_sign_in(
    cast: Cast, page: str, fields: dict[str, str]
) -> None:
    flows.report_misuse(by=Actor(cast.alice))
    cast.alice.refresh_from_db()
    TOTP.activate(cast.alice, generate_totp_secret())
    client = just_signed_in(cast.alice, "mfa", type="totp")
    shown = client.post(f"/account/{page}", fields, follow=True)
    assert shown.redirect_chain == [("/account/security/", 302)]
    assert "another owner of Birch Bank or the vendor's administrators" in words(shown)
    assert Authenticator.objects.filter(user=cast.alice).count() == 1


def test_reported_person_sees_pages_and_sets_a_new_password(cast: Cast) -> None:
    flows.report_misuse(by=Actor(cast.alice))
    alice = just_signed_in(User.objects.get(pk=cast.alice.pk), "code")
    for page in ("/", f"/customers/{cast.birch.pk}/", "/account/security/", "/account/email/"):
        assert alice.get(page).status_code == 200
    new = {"password1": "Other-long-9pass", "password2": "Other-long-9pass"}
    alice.post("/account/password/set/", new)
    cast.alice.refresh_from_db()
    assert cast.alice.check_password("Other-long-9pass")
    recovery_codes = alice.get("/account/2fa/recovery-codes/")
    assert recovery_codes["Location"] == "/account/security/"


def test_browser_of_the_report_stays_known(cast: Cast) -> None:
    """Others' tries keep nobody from choosing a new password where they have signed in before."""
    here = Client()
    here.post("/account/login/", SIGN_IN)
    here.post("/account/security/misuse/")
    request = RequestFactory().get("/")
    request.COOKIES = {name: morsel.value for name, morsel in here.cookies.items()}
    assert devices.knows(request, User.objects.get(pk=cast.alice.pk))


def test_reported_person_deactivates_a_key_on_its_page_and_activates_none(cast: Cast) -> None:
    approved(cast)
    key = provision(cast.birch).access_keys.get()
    flows.report_misuse(by=Actor(cast.alice))
    alice = just_signed_in(User.objects.get(pk=cast.alice.pk), "code")
    for _ in range(2):
        shown = alice.post(f"/keys/{key.pk}/switch/", follow=True)
        key.refresh_from_db()
        assert key.desired == KeyStatus.INACTIVE
    assert "someone else may have used your account" in words(shown)


def test_second_report_reports_nothing_twice_to_the_owners(shared: Cast) -> None:
    for _ in range(2):
        flows.report_misuse(by=Actor(shared.alice))
    assert recipients("member_locked").count(shared.bob.email) == 1


def test_member_who_waits_for_confirmation_can_leave(shared: Cast) -> None:
    mallory = joined(shared.birch, "mallory@evil.example", by=shared.alice)
    flows.report_misuse(by=Actor(shared.alice))
    members.leave(membership(mallory, shared.birch), by=Actor(mallory))
    assert not Membership.objects.filter(user=mallory).exists()
