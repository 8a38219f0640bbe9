"""Requests that no browser sends get a worded refusal, and never an error of the server."""

import json
import re
from collections.abc import Iterator

import pytest
from allauth.mfa.totp.internal.auth import (
    TOTP,
    generate_totp_secret,
)
from django.core import mail
from django.test import Client, RequestFactory
from pytest_django import Settings
from structlog.contextvars import get_contextvars

from accounts.models import Email, User
from accounts.sessions import devices
from portal import oidc
from provisioning.demo.seed import PASSWORD, Cast
from tests.accounts.app_codes import app_code
from tests.portal.pages.pages import as_user, just_signed_in, words

LOGIN = "/account/login/"
STRANGER, HERS = "198.51.100.7", "192.0.2.1"
FORM = "application/x-www-form-urlencoded"


@pytest.mark.parametrize(
    ("path", "fields", "cookies"),
    [
        ("/account/login/?next=%00", None, {}),
        ("/access/%00/", None, {}),
        (LOGIN, None, {"sessionid": "a\x00b"}),
        (LOGIN, {"login": "a\x00@x.example", "password": "x"}, {}),
        (LOGIN, {"unknown\x00": "x"}, {}),
    ],
)
@pytest.mark.django_db
def test_null_character_is_refused_wherever_it_is(
    path: str, fields: dict[str, str] | None, cookies: dict[str, str]
) -> None:
    client = Client()
    for name, value in cookies.items():
        client.cookies[name] = value
    answer = client.get(path) if fields is None else client.post(path, fields)
    assert answer.status_code == 400
    assert "Content-Security-Policy" in answer.headers


@pytest.mark.parametrize(
    "charset", ["hex", "undefined", "utf-7", "no-such", "base64", "iso-8859-1", "us-ascii"]
)
@pytest.mark.django_db
def test_unknown_encoding_is_refused_with_our_headers_and_one_log_line(
    charset: str, caplog: pytest.LogCaptureFixture
) -> None:
    client = Client()
    client.cookies["csrftoken"] = "x" * 32
    answer = client.generic("POST", LOGIN, b"login=x", f"{FORM}; charset={charset}")
    assert answer.status_code == 400
    assert "Content-Security-Policy" in answer.headers
    assert len([record for record in caplog.records if record.name.startswith("django")]) == 1


def nasty_json() -> Iterator[str]:
    yield "[" * 100_000
    yield "[" * 9_000 + "]" * 9_000
    yield "9" * 5_000
    yield json.dumps("\x00")
    yield json.dumps({"id": "\x00", "rawId": "x", "type": "public-key", "response": {}})
    yield json.dumps("x" * 30_000)
    yield from ("", "null", "[]", "{}", "1e999", "NaN", '"x"', '{"id": 1}', '{"response": []}')
    yield json.dumps({"id": "x", "rawId": "x", "type": "public-key", "response": {"userHandle": 1}})


@pytest.mark.parametrize(
    "address",
    [
        "/account/2fa/webauthn/login/",
        "/account/2fa/webauthn/reauthenticate/",
        "/account/2fa/webauthn/add/",
    ],
)
def test_no_credential_of_a_key_is_an_error_of_the_server(cast: Cast, address: str) -> None:
    client = Client()
    if "login" not in address:
        client = just_signed_in(cast.alice)
    if "reauthenticate" in address:
        TOTP.activate(cast.alice, generate_totp_secret())
    client.raise_request_exception = False
    for credential in nasty_json():
        answer = client.post(address, {"credential": credential, "name": "x"})
        assert answer.status_code < 500, credential[:60]


def test_links_in_emails_lead_to_this_site_whatever_host_the_request_named(
    cast: Cast, settings: Settings
) -> None:
    settings.ALLOWED_HOSTS = ["*"]
    settings.ORIGIN = "https://portal.example.com"
    client = Client(headers={"host": "evil.example"})
    client.post("/account/password/reset/", {"email": cast.alice.email})
    client.post("/account/login/code/", {"email": cast.alice.email})
    client.post("/account/password/reset/", {"email": "nobody@x.example"})
    alice = just_signed_in(cast.alice)
    alice.post(
        "/account/email/",
        {"email": "a2@x.example", "action_add": ""},
        headers={"host": "evil.example"},
    )
    assert len(mail.outbox) >= 3
    for message in mail.outbox:
        text = f"{message.body} {getattr(message, 'alternatives', '')}"
        assert "evil.example" not in text
        for link in re.findall(r"https?://[^\s\"<]+", text):
            assert link.startswith("https://portal.example.com/"), link


def test_identity_provider_that_does_not_answer_is_named_as_the_cause(
    cast: Cast, settings: Settings
) -> None:
    settings.SOCIALACCOUNT_PROVIDERS = oidc.providers(
        "http://127.0.0.1:9", name="Birch ID", client_id="portal", secret="s"
    )
    answer = Client().post("/account/oidc/oidc/login/")
    assert answer.status_code == 503
    assert "Single sign-on does not answer" in words(answer)


# --- Lock-outs -----------------------------------------------------------------------


def emailed_code() -> str:
    return next(line for line in str(mail.outbox[-1].body).splitlines() if line.isupper())


def test_strangers_wrong_passwords_do_not_lock_the_person_out(cast: Cast) -> None:
    right = {"login": cast.alice.email, "password": PASSWORD}
    stranger, alice = Client(REMOTE_ADDR=STRANGER), Client(REMOTE_ADDR=HERS)
    for _ in range(8):
        stranger.post(LOGIN, right | {"password": "x"})
    locked = stranger.post(LOGIN, right)
    assert "Too many attempts" in words(locked)
    assert alice.post(LOGIN, right).status_code == 302


def test_stranger_cannot_keep_a_code_from_the_person(cast: Cast) -> None:
    stranger, alice = Client(REMOTE_ADDR=STRANGER), Client(REMOTE_ADDR=HERS)
    for _ in range(15):
        stranger.post("/account/login/code/", {"email": cast.alice.email})
    alice.post("/account/login/code/", {"email": cast.alice.email.upper()})
    assert len(mail.outbox) == 1
    alice.post("/account/login/code/confirm/", {"code": emailed_code()})
    assert "_auth_user_id" in alice.session


def test_code_by_email_opens_whatever_others_try_from_many_networks(cast: Cast) -> None:
    wrong = {"login": cast.alice.email, "password": "x"}
    for number in range(104):
        stranger = Client(REMOTE_ADDR=f"198.51.{number // 4}.{number % 4}")
        stranger.post(LOGIN, wrong)
        stranger.post("/account/login/code/", {"email": cast.alice.email})
        stranger.post("/account/login/code/confirm/", {"code": "BBBB-BBBB"})
    alice = Client(REMOTE_ADDR=HERS)
    refused = alice.post(LOGIN, wrong | {"password": PASSWORD})
    assert "have a sign-in code emailed to you" in words(refused)
    alice.post("/account/login/code/", {"email": cast.alice.email})
    alice.post("/account/login/code/confirm/", {"code": emailed_code()})
    assert "_auth_user_id" in alice.session
    assert len([message for message in mail.outbox if "code" in message.subject]) <= 2


def test_code_that_others_share_opens_one_session(cast: Cast) -> None:
    thief, alice, again = Client(REMOTE_ADDR=STRANGER), Client(REMOTE_ADDR=HERS), Client()
    for client in (thief, alice):
        client.post("/account/login/code/", {"email": cast.alice.email})
    used = emailed_code()
    for client in (alice, thief):
        client.post("/account/login/code/confirm/", {"code": used})
    assert "_auth_user_id" in alice.session
    assert "_auth_user_id" not in thief.session
    # The next code is another one, and is sent at once.
    again.post("/account/login/code/", {"email": cast.alice.email})
    assert emailed_code() != used


@pytest.mark.parametrize("email", ["alice@birch.example", "nobody@birch.example"])
def test_address_gets_one_answer_a_minute_to_requests_for_a_code(cast: Cast, email: str) -> None:
    for _ in range(3):
        Client().post("/account/login/code/", {"email": email})
    assert len(mail.outbox) == 1


def test_guesses_from_many_networks_are_limited_too(cast: Cast) -> None:
    wrong = {"login": cast.alice.email, "password": "x"}
    answers = [
        words(Client(REMOTE_ADDR=f"198.51.{number // 4}.{number % 4}").post(LOGIN, wrong))
        for number in range(104)
    ]
    assert "Too many attempts" not in answers[99]
    assert "Too many attempts" in answers[103]


def test_wrong_codes_of_someone_who_knows_the_password_lock_out_only_them(cast: Cast) -> None:
    secret = generate_totp_secret()
    TOTP.activate(cast.otto, secret)
    working = just_signed_in(cast.otto, "mfa", type="totp")
    thief, otto = Client(REMOTE_ADDR=STRANGER), Client(REMOTE_ADDR=HERS)
    for client in (thief, otto):
        client.post(LOGIN, {"login": cast.otto.email, "password": PASSWORD})
    page = "/account/2fa/authenticate/"
    answers = [words(thief.post(page, {"code": "000000"})) for _ in range(7)]
    assert "Too many attempts" in answers[-1]
    assert Email.objects.filter(kind="locked_out", user=cast.otto).count() == 1
    codes = [app_code(secret, periods_later=later) for later in (0, 1)]
    otto.post(page, {"code": codes[0]})
    assert "_auth_user_id" in otto.session
    confirmed = working.post("/account/2fa/reauthenticate/", {"code": codes[1], "next": "/ops/"})
    assert (confirmed.status_code, confirmed.get("Location")) == (302, "/ops/")


def test_codes_guessed_from_many_networks_are_limited_too(cast: Cast) -> None:
    TOTP.activate(cast.otto, generate_totp_secret())
    shown = ""
    for number in range(102):
        if number % 4 == 0:
            client = Client(REMOTE_ADDR=f"198.51.100.{number}")
            client.post(LOGIN, {"login": cast.otto.email, "password": PASSWORD})
        shown = words(client.post("/account/2fa/authenticate/", {"code": "000000"}))
        if number < 100:
            assert "Too many attempts" not in shown, number
    assert "Too many attempts" in shown


def test_device_that_signs_in_to_another_account_gets_no_new_tries(cast: Cast) -> None:
    thief = Client()
    for person in (cast.otto, cast.charlie):
        thief.post(LOGIN, {"login": person.email, "password": PASSWORD})
        thief.post("/account/logout/")
    first, _, _ = thief.cookies["device"].value.partition("-")
    thief.post(LOGIN, {"login": cast.charlie.email, "password": PASSWORD})
    assert thief.cookies["device"].value.partition("-")[0] == first


def test_device_is_forgotten_when_the_sign_in_changes(cast: Cast) -> None:
    own = Client()
    own.post(LOGIN, {"login": cast.otto.email, "password": PASSWORD})
    request = RequestFactory().get("/")
    request.COOKIES["device"] = own.cookies["device"].value
    assert devices.knows(request, cast.otto)
    TOTP.activate(cast.otto, generate_totp_secret())
    assert not devices.knows(request, cast.otto)


def test_device_on_which_the_sign_in_changes_is_still_known(cast: Cast) -> None:
    own = just_signed_in(cast.alice)
    new = "another-Long-one-8"
    fields = {"oldpassword": PASSWORD, "password1": new, "password2": new}
    own.post("/account/password/change/", fields)
    request = RequestFactory().get("/")
    request.COOKIES["device"] = own.cookies["device"].value
    cast.alice.refresh_from_db()
    assert devices.knows(request, cast.alice)


RESET = "/account/password/reset/"


@pytest.mark.parametrize("way", ["password", "reset"])
def test_tries_of_others_keep_nobody_from_signing_in_on_their_own_device(
    cast: Cast, way: str
) -> None:
    own = Client(REMOTE_ADDR=HERS)
    right = {"login": cast.alice.email, "password": PASSWORD}
    own.post(LOGIN, right)
    own.post("/account/logout/")
    tries = {
        "password": (LOGIN, {"login": cast.alice.email, "password": "x"}),
        "reset": ("/account/password/reset/", {"email": cast.alice.email}),
    }
    for number in range(104):
        Client(REMOTE_ADDR=f"198.51.{number // 4}.{number % 4}").post(*tries[way])
    stranger = Client(REMOTE_ADDR="203.0.113.9").post(*tries[way])
    assert "Too many attempts" in words(stranger)
    sent = len(mail.outbox)
    answer = own.post(LOGIN, right) if way == "password" else own.post(*tries[way])
    assert answer.status_code == 302
    assert way == "password" or len(mail.outbox) == sent + 1


@pytest.mark.parametrize("email", ["alice@birch.example", "nobody@birch.example"])
def test_links_to_a_new_password_do_not_fill_a_mailbox(cast: Cast, email: str) -> None:
    for number in range(5):
        answer = Client(REMOTE_ADDR=f"198.51.100.{number}").post(RESET, {"email": email})
        assert answer["Location"] == "/account/password/reset/done/"
    assert [each.to for each in mail.outbox] == [[email]]


def test_link_that_a_thief_asked_for_keeps_none_from_the_person_who_has_reported_it(
    cast: Cast,
) -> None:
    alice = just_signed_in(cast.alice)
    Client().post(RESET, {"email": cast.alice.email})
    alice.post("/account/security/misuse/")
    alice.post(RESET, {"email": cast.alice.email})
    links = [each for each in mail.outbox if each.to == [cast.alice.email]]
    assert len(links) == 2


def test_guesses_from_many_networks_do_not_lock_out_a_known_device(cast: Cast) -> None:
    secret = generate_totp_secret()
    TOTP.activate(cast.otto, secret)
    own = just_signed_in(cast.otto, "mfa", type="totp")
    codes = [app_code(secret, periods_later=later) for later in (0, 1)]
    own.post("/account/logout/")
    own.post(LOGIN, {"login": cast.otto.email, "password": PASSWORD})
    own.post("/account/2fa/authenticate/", {"code": codes[0]})
    own.post("/account/logout/")
    for number in range(102):
        if number % 4 == 0:
            thief = Client(REMOTE_ADDR=f"198.51.100.{number}")
            thief.post(LOGIN, {"login": cast.otto.email, "password": PASSWORD})
        thief.post("/account/2fa/authenticate/", {"code": "000000"})
    own.post(LOGIN, {"login": cast.otto.email, "password": PASSWORD})
    own.post("/account/2fa/authenticate/", {"code": codes[1]})
    assert "_auth_user_id" in own.session


def test_log_lines_of_a_request_name_person_address_and_request(cast: Cast) -> None:
    answer = as_user(cast.alice).get("/no-such-page/", REMOTE_ADDR=HERS)
    assert get_contextvars() == {
        "request_id": answer.headers["X-Request-ID"],
        "user_id": cast.alice.pk,
        "address": HERS,
    }


@pytest.mark.parametrize("value", ["²", "x", "-1", "9" * 30, "1"])
def test_address_of_the_admin_fills_in_only_keys(cast: Cast, value: str) -> None:
    root = just_signed_in(User.objects.create_superuser("root@acme.example", "x"))
    page = "/admin/provisioning/entitlement/add/"
    assert root.get(page, {"customer": value, "product": value}).status_code == 200
