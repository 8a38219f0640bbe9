"""The vendor's people use a second factor, in the session in which they work."""

import pytest
from allauth.mfa.models import Authenticator
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.internal.auth import TOTP, generate_totp_secret
from pytest_django import Settings

from provisioning.demo.seed import Cast
from tests.portal.pages.pages import as_user, just_signed_in, words


@pytest.fixture(autouse=True)
def _second_factor_required(settings: Settings) -> None:
    settings.STAFF_SECOND_FACTOR = True


PAGES = [
    ("sandra", "/admin/"),
    ("sandra", "/admin/provisioning/entitlement/"),
    ("sandra", "/admin/no-such-page/"),
    ("otto", "/ops/"),
]


@pytest.mark.parametrize(("who", "address"), PAGES)
def test_staff_must_set_up_a_second_factor_first(cast: Cast, who: str, address: str) -> None:
    client = just_signed_in(getattr(cast, who))
    shown = client.get(address, follow=True)
    assert shown.redirect_chain == [("/account/2fa/", 302)]
    assert "ECR Portal requires a second factor. Set one up first" in words(shown)
    assert client.post(address)["Location"] == "/account/2fa/"


@pytest.mark.parametrize(("who", "address"), PAGES)
def test_staff_use_their_second_factor_in_this_session(cast: Cast, who: str, address: str) -> None:
    person = getattr(cast, who)
    TOTP.activate(person, generate_totp_secret())
    stolen = just_signed_in(person, "password")
    assert stolen.get(address)["Location"].startswith("/account/2fa/reauthenticate/")
    assert stolen.post(address)["Location"].startswith("/account/2fa/reauthenticate/")
    found = just_signed_in(person, "mfa", type="totp").get(address)
    assert found.status_code == (404 if "no-such" in address else 200)


def test_recovery_codes_alone_are_no_second_factor(cast: Cast) -> None:
    RecoveryCodes.activate(cast.otto)
    assert Authenticator.objects.filter(user=cast.otto).exists()
    assert as_user(cast.otto).get("/ops/")["Location"] == "/account/2fa/"


def test_customers_need_no_second_factor(cast: Cast) -> None:
    assert as_user(cast.alice).get("/ops/").status_code == 403
    assert as_user(cast.alice).get("/").status_code == 200


def test_requirement_can_be_turned_off(cast: Cast, settings: Settings) -> None:
    settings.STAFF_SECOND_FACTOR = False
    assert as_user(cast.otto).get("/ops/").status_code == 200
