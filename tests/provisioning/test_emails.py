"""What the letters about access say, to whom, and when."""

import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
from bs4 import BeautifulSoup
from django.core import mail
from django.utils import timezone

from accounts import letters, sending
from accounts.models import Kind, Letter, Membership, User
from accounts.organisations import Role, invite
from provisioning import expiry, queries, readiness, reconcile, wanted
from provisioning.demo.cast import ACCOUNT_ID, Cast
from provisioning.embedded_aws import directory
from provisioning.flows import By
from provisioning.flows.deactivate import activate, deactivate
from provisioning.flows.decide import approve, reject, resume, suspend, withdraw
from provisioning.flows.reissue import reissue, rotate
from provisioning.flows.request import request
from provisioning.flows.reveal import reveal
from provisioning.flows.suspend import resume_customer, suspend_customer
from provisioning.models import AccessKey, Entitlement, PullUser, Repository
from tests.accounts.test_letters import told
from tests.aws import Aws
from tests.provisioned import approved, provision
from tests.turns import due, settle_down, take_turns


def sent(kind: str) -> Any:
    """The letter of the kind as Alice gets it now; others stay where they are."""
    Letter.objects.exclude(kind=kind).update(due_at=None)
    mail.outbox.clear()
    sending.send_due()
    return [message for message in mail.outbox if message.to == ["alice@birch.example"]][-1]


def as_read(message: Any) -> tuple[str, str]:
    """The text, and the words of the HTML with the addresses that it leads to."""
    soup = BeautifulSoup(message.alternatives[0][0], "html.parser")
    links = " ".join(str(link["href"]) for link in soup.select("a"))
    return " ".join(message.body.split()), " ".join(
        [*(soup.body or soup).get_text(" ").split(), links]
    )


def says(message: Any, *words: str) -> None:
    for body in as_read(message):
        for word in words:
            assert word in body


# --- What they say -----------------------------------------------------------------


def test_requester_alone_is_told_that_her_request_has_arrived(cast: Cast) -> None:
    entitlement = request(cast.birch, cast.server, by=By(cast.alice), reference="PO-7")
    assert told("request_received") == [cast.alice.email]
    says(
        sent("request_received"),
        "Hello Alice Ahlgren,",
        "Acme Server (reference PO-7) has reached Acme Software",
        f"http://127.0.0.1:8000/access/{entitlement.pk}/",
        "You get this letter because you are an owner of Birch Bank.",
        f"http://127.0.0.1:8000/customers/{cast.birch.pk}/letters/",
    )


def test_approval_says_begin_end_and_note_in_the_readers_time_zone(cast: Cast) -> None:
    User.objects.filter(pk=cast.alice.pk).update(time_zone="America/New_York")
    entitlement = request(cast.birch, cast.server, by=By(cast.alice))
    starts_at = datetime.fromisoformat("2030-01-31T23:30:00Z")
    ends_at = datetime.fromisoformat("2030-07-01T00:30:00Z")
    approve(
        entitlement, by=By(cast.sandra), starts_at=starts_at, ends_at=ends_at, note="<Welcome & co>"
    )
    assert told("approved") == [cast.alice.email, cast.bob.email]
    message = sent("approved")
    says(message, "begins on 31 January 2030, 18:30 EST", "Access ends on 30 June 2030, 20:30 EDT")
    says(message, "<Welcome & co>")
    (bobs,) = [m for m in mail.outbox if m.to == [cast.bob.email]]
    says(bobs, "begins on 31 January 2030, 23:30 UTC", "you are a viewer of Birch Bank")


def test_rejection_says_why(cast: Cast) -> None:
    entitlement = request(cast.birch, cast.server, by=By(cast.alice))
    reject(entitlement, by=By(cast.sandra), note="No contract yet.")
    says(sent("rejected"), "turned down", "No contract yet.")


def test_reveal_asks_everybody_with_keys_whether_it_was_theirs(cast: Cast) -> None:
    erik = User.objects.create_user("erik@birch.example", name="Erik")
    Membership.objects.create(user=erik, customer=cast.birch, role="engineer")
    approved(cast)
    pull_user = provision(cast.birch)
    credentials = reveal(pull_user, by=By(erik))
    assert told("revealed") == [cast.alice.email, erik.email]
    message = sent("revealed")
    key = AccessKey.objects.get()
    says(
        message,
        "Erik (erik@birch.example) revealed",
        timezone.now().strftime("%Y, %H:"),
        "deactivate the key now",
        f"/keys/{key.pk}/switch/",
        "cannot be turned off",
    )
    for hidden in (credentials.access_key_id, credentials.secret_access_key):
        assert hidden not in message.message().as_string()


def test_rotation_says_until_when_the_old_key_works(cast: Cast) -> None:
    approved(cast)
    pull_user = provision(cast.birch)
    reveal(pull_user, by=By(cast.alice))
    rotate(pull_user, by=By(cast.alice))
    assert told("rotated") == [cast.alice.email]
    says(sent("rotated"), "Alice Ahlgren (alice@birch.example)", "The old key works until")


def test_reissue_by_the_vendor_names_the_vendor_and_not_its_people(cast: Cast) -> None:
    approved(cast)
    pull_user = provision(cast.birch)
    reveal(pull_user, by=By(cast.alice))
    reissue(pull_user, by=By(cast.otto), reason="Leaked", overlap=timedelta(0))
    message = sent("rotated")
    says(message, "Acme Software has had a new access key made", "works no more")
    assert "Otto" not in message.message().as_string()
    assert "Leaked" not in message.message().as_string()


def test_key_that_is_switched_off_is_told_and_on_again_is_not(cast: Cast) -> None:
    approved(cast)
    key = provision(cast.birch).access_keys.get()
    deactivate(key, by=By(cast.alice))
    says(sent("key_deactivated"), "deactivated the access key", "activate it again")
    activate(key, by=By(cast.alice))
    assert told("key_deactivated") == [cast.alice.email]


def test_end_says_what_is_taken_away_and_whether_the_term_ran_out(cast: Cast) -> None:
    withdraw(approved(cast), by=By(cast.sandra), reason="Internal words")
    message = sent("ended")
    says(message, "has withdrawn Acme Server", "acme/agent", "acme/server")
    assert "Internal words" not in message.message().as_string()
    entitlement = approved(cast)
    starts_at, ends_at = (timezone.now() - timedelta(days=n) for n in (2, 1))
    Entitlement.objects.filter(pk=entitlement.pk).update(
        starts_at=starts_at, ends_at=ends_at, due_at=ends_at
    )
    for _ in range(2):
        wanted.settle_dates()
    assert told("ended") == [cast.alice.email, cast.bob.email] * 2
    says(sent("ended"), "The term of Acme Server for Birch Bank ran out")


def test_pause_and_its_end_are_told_of_a_product_and_of_all(cast: Cast) -> None:
    entitlement = approved(cast)
    suspend(entitlement, by=By(cast.sandra), reason="Unpaid")
    says(sent("suspended"), "suspended the access of Birch Bank to Acme Server")
    resume(entitlement, by=By(cast.sandra), reason="Paid")
    says(sent("resumed"), "suspension of Acme Server", "The same credentials work again")
    suspend_customer(cast.birch, by=By(cast.sandra), reason="Unpaid")
    says(sent("suspended"), "suspended all access of Birch Bank")
    resume_customer(cast.birch, by=By(cast.sandra), reason="Paid")
    says(sent("resumed"), "ended the suspension for Birch Bank")


# --- Ready, once -------------------------------------------------------------------


def test_ready_is_told_once_by_whichever_turn_ends_it(aws: Aws, cast: Cast) -> None:
    entitlement = approved(cast)
    for _ in range(20):
        entitlement = queries.entitlements(Entitlement.objects.all()).get()
        is_ready = queries.progress(entitlement).state == "ready"
        assert (len(told("ready")) == 2, entitlement.ready_at is not None) == (is_ready, is_ready)
        if is_ready:
            break
        one_turn()
    settle_down()
    suspend(entitlement, by=By(cast.sandra), reason="Unpaid")
    settle_down()
    entitlement.refresh_from_db()
    resume(entitlement, by=By(cast.sandra), reason="Paid")
    settle_down()
    assert told("ready") == [cast.alice.email, cast.bob.email]
    says(sent("ready"), "acme/agent", "acme/server")


def one_turn() -> None:
    if users := due(PullUser):
        reconcile.pull_user_turn(users[0])
    elif repositories := due(Repository):
        reconcile.repository_turn(repositories[0])


def test_ready_is_told_of_what_another_product_has_opened_already(aws: Aws, cast: Cast) -> None:
    approved(cast)
    take_turns()
    cast.reports.repositories.set(cast.server.repositories.all()[:1])
    second = approved(cast, cast.reports)
    take_turns()
    second.refresh_from_db()
    assert second.ready_at is not None
    assert Letter.objects.filter(kind="ready", facts__product="Acme Reports").count() == 2


def test_ready_is_not_told_while_one_repository_is_closed(cast: Cast) -> None:
    entitlement = approved(cast)
    grants = provision(cast.birch).grants.all()
    one = grants[0]
    type(one).objects.filter(pk=one.pk).update(status="waiting")
    readiness.record_ready(type(cast.birch).objects.all())
    assert told("ready") == []
    grants.update(status="ready")
    for _ in range(2):
        readiness.record_ready(type(cast.birch).objects.all())
    entitlement.refresh_from_db()
    assert entitlement.ready_at is not None
    assert len(told("ready")) == 2


# --- A whole life ------------------------------------------------------------------


@pytest.fixture
def life(aws: Aws, cast: Cast) -> Iterator[set[str]]:
    """Every letter that there is, of one purchase; yields what none of them may say."""
    hidden: set[str] = set()
    aws.embedded.watch = lambda moment, call: hidden.update(
        word
        for key in directory.iam(ACCOUNT_ID).access_keys.values()
        for word in (key.access_key_id, key.secret_access_key)
    )
    invite(cast.birch, "dana@birch.example", Role.VIEWER, by=By(cast.alice))
    letters.welcome(cast.bob)
    turned_down = request(cast.birch, cast.reports, by=By(cast.alice))
    reject(turned_down, by=By(cast.sandra), note="Not yet")
    entitlement = request(cast.birch, cast.server, by=By(cast.alice))
    in_a_week = timezone.now() + timedelta(days=6)
    approve(entitlement, by=By(cast.sandra), ends_at=in_a_week)
    take_turns()
    pull_user = PullUser.objects.get()
    reveal(pull_user, by=By(cast.alice))
    key = AccessKey.objects.get()
    deactivate(key, by=By(cast.alice))
    activate(AccessKey.objects.get(), by=By(cast.alice))
    AccessKey.objects.update(expires_at=in_a_week)
    expiry.warn()
    rotate(pull_user, by=By(cast.alice))
    take_turns()
    suspend(entitlement, by=By(cast.sandra), reason="Unpaid")
    resume(entitlement, by=By(cast.sandra), reason="Paid")
    settle_down()
    withdraw(entitlement, by=By(cast.sandra), reason="End")
    settle_down()
    yield hidden
    aws.embedded.watch = lambda moment, call: None


def test_no_letter_of_a_whole_life_tells_a_secret_or_a_keys_id(life: set[str]) -> None:
    assert set(Letter.objects.values_list("kind", flat=True)) == set(Kind.values)
    sending.send_due()
    assert not Letter.objects.filter(sent_at=None).exists()
    assert len(mail.outbox) == Letter.objects.count()
    assert len(life) >= 4
    kept = "\n".join(map(str, Letter.objects.values_list("facts", flat=True)))
    for message in mail.outbox:
        text, html = as_read(message)
        for word in life:
            assert word not in f"{message.subject} {text} {html} {kept}"


def test_each_letter_is_whole_in_text_and_html_and_loads_nothing(life: set[str]) -> None:
    sending.send_due()
    messages: list[Any] = mail.outbox
    for message in messages:
        text, html = as_read(message)
        assert message.subject in html
        for link in re.findall(r"https?://\S+", message.body):
            assert link in html
        for body in (message.subject, text, html):
            assert not re.search(r"\{[{%]|None|\(\)|  ", body), body
        assert "Hello" in text
        assert "You get this letter because" in text
        assert "You get this letter because" in html
        assert not re.search(r"<img|<link|<script|url\(|@import", message.alternatives[0][0])
