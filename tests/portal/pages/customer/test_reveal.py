"""The secret is shown once, after a recent sign-in, and is stored nowhere afterwards."""

import base64
import re
from typing import Any
from urllib.parse import unquote

import pytest
from django.conf import settings
from django.core import mail
from django.test import Client
from django.utils import timezone

from accounts.models import AuditEvent, Membership
from provisioning import vault
from provisioning.demo.seed import PASSWORD, Cast
from provisioning.flows import Actor
from provisioning.flows.credentials import rotate
from provisioning.flows.entitlements import request
from provisioning.flows.labels import add_label
from provisioning.models import AccessKey, Entitlement, OneTimeSecret, PullUser
from tests.entitlements import approved
from tests.portal.pages.captured_state import capture_everything
from tests.portal.pages.pages import as_user, confirm, just_signed_in, words
from tests.provisioned import SECRET, add_key, provision

SHOW = "Show the secret now"


@pytest.fixture
def pull_user(cast: Cast) -> PullUser:
    approved(cast)
    return provision(cast.birch)


@pytest.fixture
def address(pull_user: PullUser) -> str:
    return f"/credentials/{pull_user.pk}/reveal/"


def is_unrevealed() -> bool:
    return OneTimeSecret.objects.get().is_unrevealed


def age_sign_in(client: Client) -> None:
    """Move the sign-in and its confirmations back by the time that it counts."""
    session = client.session
    for record in session["account_authentication_methods"]:
        record["at"] -= settings.ACCOUNT_REAUTHENTICATION_TIMEOUT
    session.save()


# --- Recent sign-in ----------------------------------------------------------------


def test_page_asks_for_the_password_first_and_returns(cast: Cast, address: str) -> None:
    client = as_user(cast.alice)
    asked = client.get(address)["Location"]
    assert unquote(asked) == f"/account/reauthenticate/?next={address}"
    assert "Confirm that it is you" in words(client.get(asked))
    shown = confirm(client, address)
    assert shown.request["PATH_INFO"] == address
    assert SHOW in words(shown)
    assert is_unrevealed()


def test_wrong_password_does_not_lead_to_the_page(cast: Cast, address: str) -> None:
    client = as_user(cast.alice)
    asked = client.get(address)["Location"]
    refused = client.post(asked, {"password": "wrong", "next": address})
    assert refused.status_code == 200
    assert "The password is wrong" in words(refused)
    assert client.get(address).status_code == 302


def test_person_with_a_password_must_confirm_it_even_after_signing_in(
    cast: Cast, address: str
) -> None:
    client = Client()
    client.post("/account/login/", {"login": cast.alice.email, "password": PASSWORD})
    assert client.get(address)["Location"].startswith("/account/reauthenticate/")


def test_post_without_a_recent_sign_in_reveals_nothing_and_is_not_replayed(
    cast: Cast, address: str
) -> None:
    client = as_user(cast.alice)
    refused = client.post(address)
    assert (refused.status_code, refused["Location"]) == (302, address)
    shown = confirm(client, address)
    assert SHOW in words(shown)
    assert SECRET not in shown.content.decode()
    assert is_unrevealed()


def test_confirmation_expires_after_its_time(cast: Cast, address: str) -> None:
    client = as_user(cast.alice)
    confirm(client, address)
    age_sign_in(client)
    assert client.post(address)["Location"] == address
    assert client.get(address)["Location"].startswith("/account/reauthenticate/")
    assert is_unrevealed()


def test_person_without_a_password_signs_in_again_with_a_code(cast: Cast, address: str) -> None:
    cast.alice.set_unusable_password()
    cast.alice.save()
    client = as_user(cast.alice)
    assert client.post(address)["Location"] == address
    asked = client.get(address)["Location"]
    assert asked == f"/account/login/?next={address}"
    assert "Sign in again to confirm that it is you." in words(client.get(asked))
    assert "_auth_user_id" not in client.session

    sign_in_by_code(client, cast.alice.email, address)
    assert SHOW in words(client.get(address))
    assert SECRET in client.post(address).content.decode()


def test_sign_in_with_a_code_expires_too(cast: Cast, address: str) -> None:
    cast.alice.set_unusable_password()
    cast.alice.save()
    client = Client()
    sign_in_by_code(client, cast.alice.email, address)
    age_sign_in(client)
    assert client.post(address)["Location"] == address
    assert client.get(address)["Location"].startswith("/account/login/")
    assert is_unrevealed()


def sign_in_by_code(client: Client, email: str, address: str) -> None:
    client.post("/account/login/code/", {"email": email, "next": address})
    found = re.search(
        r"^\s*([A-Z0-9]{3,}-?[A-Z0-9]{3,})\s*$", str(mail.outbox[-1].body), re.MULTILINE
    )
    assert found, mail.outbox[-1].body
    client.post("/account/login/code/confirm/", {"code": found[1], "next": address})


# --- Once --------------------------------------------------------------------------


def test_post_shows_the_credentials_and_forbids_caching(cast: Cast, address: str) -> None:
    client = as_user(cast.alice)
    confirm(client, address)
    shown = client.post(address)
    assert shown.status_code == 200
    assert SECRET in shown.content.decode()
    assert AccessKey.objects.get().access_key_id in words(shown)
    assert "no-store" in shown["Cache-Control"]
    assert "messages" not in shown.cookies


def test_after_a_rotation_the_page_has_the_lines_for_each_machine(cast: Cast, address: str) -> None:
    client = just_signed_in(cast.alice)
    assert "On each machine" not in words(client.post(address))
    pull_user = PullUser.objects.get()
    rotate(pull_user, by=Actor(cast.alice))
    add_key(pull_user)
    shown = words(client.post(address))
    assert "On each machine that has the old key Access key AKIAEXAMPLE1 works until" in shown
    assert shown.count("aws configure --profile acme-software") == 2
    assert "aws sts get-caller-identity --profile acme-software" in shown


def test_credentials_of_a_label_go_into_a_profile_of_their_own(cast: Cast, address: str) -> None:
    add_label(cast.birch, "ci", by=Actor(cast.alice))
    ci = PullUser.objects.get(label="ci")
    PullUser.objects.filter(pk=ci.pk).update(status="ready", arn="arn:aws:iam::1:user/ci")
    add_key(ci)
    shown = words(just_signed_in(cast.alice).post(f"/credentials/{ci.pk}/reveal/"))
    assert "[acme-software-ci]" in shown
    assert "aws configure --profile acme-software-ci" in shown


def test_second_post_shows_nothing(cast: Cast, address: str) -> None:
    client = as_user(cast.alice)
    confirm(client, address)
    client.post(address)
    again = client.post(address)
    assert again.status_code == 409
    assert SECRET not in again.content.decode()
    assert AuditEvent.objects.filter(action="revealed").count() == 1


def test_product_page_says_when_and_to_whom_it_was_revealed(cast: Cast, address: str) -> None:
    client = as_user(cast.alice)
    confirm(client, address)
    page = f"/access/{Entitlement.objects.get().pk}/credentials/"
    assert "They are shown once, to one person" in words(client.get(page))
    assert (
        f'href="{address}?from={Entitlement.objects.get().pk}"' in client.get(page).content.decode()
    )
    client.post(address)
    revealed_at = OneTimeSecret.objects.get().revealed_at
    assert revealed_at is not None
    for reader in (cast.alice, cast.bob):
        shown = as_user(reader).get(page)
        assert "Revealed to Alice Ahlgren" in words(shown)
        assert f'<time datetime="{revealed_at.isoformat()}"' in shown.content.decode()
        assert address not in shown.content.decode()


def test_post_without_csrf_token_is_refused(cast: Cast, address: str) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(cast.alice)
    assert client.post(address).status_code == 403
    assert is_unrevealed()


# --- Only to those who may ---------------------------------------------------------


def test_viewer_is_refused_with_a_reason(cast: Cast, address: str) -> None:
    client = as_user(cast.bob)
    page = words(client.get(f"/access/{Entitlement.objects.get().pk}/credentials/"))
    assert "An owner or an engineer can reveal them, once; then you can pull." in page
    confirm(client, address)
    refused = client.post(address, follow=True)
    assert "Only an engineer or owner of Birch Bank can reveal credentials." in words(refused)
    assert is_unrevealed()


def test_staff_who_are_members_too_are_refused(cast: Cast, address: str) -> None:
    Membership.objects.create(user=cast.otto, customer=cast.birch, role="owner")
    client = just_signed_in(cast.otto)
    confirm(client, address)
    refused = client.post(address)
    assert SECRET not in refused.content.decode()
    assert "vendor's own people cannot reveal" in words(client.get("/ops/"))
    assert is_unrevealed()


def test_page_says_that_credentials_are_not_ready(cast: Cast, address: str) -> None:
    PullUser.objects.update(status="waiting")
    client = as_user(cast.alice)
    confirm(client, address)
    assert "The credentials are not ready yet." in words(client.post(address, follow=True))
    assert is_unrevealed()


def test_secret_that_cannot_be_decrypted_is_kept_and_the_page_says_so(
    cast: Cast, address: str
) -> None:
    ciphertext = OneTimeSecret.objects.get().ciphertext
    OneTimeSecret.objects.update(
        ciphertext=bytes(ciphertext or b"").replace(b"embedded:", b"lost:")
    )
    client = as_user(cast.alice)
    confirm(client, address)
    shown = client.post(address, follow=True)
    assert (
        "The secret cannot be decrypted, and was shown to nobody. Please tell your vendor"
        in words(shown)
    )
    assert "VAULT_KEYS" not in words(shown)
    assert is_unrevealed()


@pytest.mark.parametrize("reason", ["viewer", "not ready", "revealed", "destroyed"])
def test_page_offers_no_reveal_where_it_is_impossible(
    cast: Cast, address: str, pull_user: PullUser, reason: str
) -> None:
    client = as_user(cast.bob if reason == "viewer" else cast.alice)
    confirm(client, address)
    if reason == "not ready":
        PullUser.objects.update(status="waiting")
    elif reason == "revealed":
        client.post(address)
    elif reason == "destroyed":
        vault.destroy(pull_user.access_keys.get())
    shown = client.get(address, follow=True)
    assert SHOW not in words(shown)
    expected = {
        "viewer": "Only an engineer or owner",
        "not ready": "not ready yet",
        "revealed": "You revealed the secret",
        "destroyed": "We no longer have the secret. If it is lost, create a new key.",
    }
    assert expected[reason] in words(shown)


def test_refusal_leads_back_to_the_product_it_was_started_from(cast: Cast, address: str) -> None:
    newer = approved(cast, cast.reports)
    bob = as_user(cast.bob)
    older = Entitlement.objects.exclude(pk=newer.pk).get()
    address = f"{address}?from={older.pk}"
    assert confirm(bob, address).redirect_chain[-1][0] == f"/access/{older.pk}/credentials/"


def test_refusal_never_leads_to_another_customers_entitlement(cast: Cast, address: str) -> None:
    foreign = request(cast.cedar, cast.server, by=Actor(cast.charlie))
    shown = confirm(as_user(cast.bob), f"{address}?from={foreign.pk}")
    own = cast.birch.entitlements.get()
    assert shown.redirect_chain[-1][0] == f"/access/{own.pk}/credentials/"


def test_way_back_is_kept_during_confirmation(cast: Cast, address: str) -> None:
    page = f"{address}?from={cast.birch.entitlements.get().pk}"
    client = as_user(cast.alice)
    assert client.post(page)["Location"] == page
    assert confirm(client, page).request["QUERY_STRING"] == page.partition("?")[2]


@pytest.mark.parametrize("method", ["get", "post"])
def test_later_visitor_learns_who_revealed_it_when_and_what_to_do(
    cast: Cast, address: str, method: str
) -> None:
    client = as_user(cast.alice)
    confirm(client, address)
    client.post(address)
    revealed_at = OneTimeSecret.objects.get().revealed_at
    assert revealed_at is not None
    shown = getattr(client, method)(address)
    assert "You revealed the secret of access key" in words(shown)
    assert f'<time datetime="{revealed_at.isoformat()}"' in shown.content.decode()
    key = AccessKey.objects.get()
    for link in (f"/credentials/{key.pull_user_id}/rotate/", f"/keys/{key.pk}/switch/"):
        assert f'href="{link}?from=' in shown.content.decode()
    Membership.objects.filter(user=cast.bob).update(role="engineer")
    bob = as_user(cast.bob)
    confirm(bob, address)
    assert "Alice Ahlgren revealed the secret" in words(getattr(bob, method)(address))


def test_page_says_that_a_secret_nobody_revealed_was_destroyed(cast: Cast, address: str) -> None:
    AccessKey.objects.update(retires_at=timezone.now())
    PullUser.objects.update(unclaimed_at=timezone.now())
    client = as_user(cast.alice)
    assert "together with its key. Create a new key." in words(confirm(client, address))


# --- Nowhere -----------------------------------------------------------------------

# The secret, half of it, and its base64.
TRACES = [SECRET, SECRET[:20], base64.b64encode(SECRET.encode()).decode()[:50]]


def test_secret_is_nowhere_in_plain_text_before_and_after_it_is_shown(
    cast: Cast, caplog: pytest.LogCaptureFixture
) -> None:
    with capture_everything(caplog) as capture:
        approved(cast)
        address = f"/credentials/{provision(cast.birch).pk}/reveal/"
        assert_no_trace(capture.text())
        client = as_user(cast.alice)
        confirm(client, address)
        shown: Any = client.post(address)
        assert SECRET in shown.content.decode()
        assert_no_trace(f"{shown.headers} {shown.cookies} {client.session.items()}")
        for page in ("/", f"/access/{Entitlement.objects.get().pk}/", address):
            assert_no_trace(client.get(page).content.decode())
        client.post(address, follow=True)
        assert_no_trace(capture.text())


def assert_no_trace(text: str) -> None:
    assert [trace for trace in TRACES if trace in text] == []
