"""What the emails about access say, to whom they go, and when."""

import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
from allauth.mfa.totp.internal.auth import TOTP, generate_totp_secret
from bs4 import BeautifulSoup
from django.core import mail
from django.utils import timezone

from accounts.emails import delivery, outbox
from accounts.emails.samples import FACTS, samples
from accounts.flows import own_account
from accounts.flows.invitations import invite
from accounts.flows.members import Role, change_role
from accounts.models import Customer, Email, EmailKind, Membership, User
from provisioning import queries, reconciler, tasks
from provisioning.demo.seed import ACCOUNT_ID, Cast
from provisioning.embedded_aws import identities
from provisioning.flows import Actor
from provisioning.flows.credentials import activate, deactivate, reissue, reveal, rotate
from provisioning.flows.credentials import end as end_key
from provisioning.flows.customers import resume_customer, suspend_customer
from provisioning.flows.entitlements import (
    approve,
    prepare,
    reject,
    request,
    resume,
    suspend,
    withdraw,
)
from provisioning.flows.labels import add_label, remove_label
from provisioning.models import (
    AccessKey,
    Entitlement,
    Grant,
    OneTimeSecret,
    PullUser,
    Repository,
)
from provisioning.notifications import reminders, versions
from provisioning.reconciler import entitlement as entitlement_dates
from provisioning.reconciler import readiness
from provisioning.reconciler.closure import record_closures
from tests.accounts.outbox import recipients
from tests.aws import Aws
from tests.entitlements import approved
from tests.portal.pages.pages import just_signed_in
from tests.provisioned import add_key, end, provision
from tests.worker import due, run_until_settled, take_turns


def sent(kind: str) -> Any:
    """Send the emails of this kind, and no others. Returns the last one to Alice."""
    Email.objects.exclude(kind=kind).update(due_at=None)
    mail.outbox.clear()
    delivery.send_due()
    return [message for message in mail.outbox if message.to == ["alice@birch.example"]][-1]


def as_read(message: Any) -> tuple[str, str]:
    """The text, and the words of the HTML with the addresses of its links."""
    soup = BeautifulSoup(message.alternatives[0][0], "html.parser")
    links = " ".join(str(link["href"]) for link in soup.select("a"))
    return " ".join(message.body.split()), " ".join(
        [*(soup.body or soup).get_text(" ").split(), links]
    )


def assert_says(message: Any, *words: str) -> None:
    """Both as text and as HTML."""
    for body in as_read(message):
        for word in words:
            assert word in body


# --- Content and recipients --------------------------------------------------------


def test_only_the_requester_is_told_that_the_request_has_arrived(cast: Cast) -> None:
    entitlement = request(cast.birch, cast.server, by=Actor(cast.alice), reference="PO-7")
    assert recipients("request_received") == [cast.alice.email]
    assert_says(
        sent("request_received"),
        "Hello Alice Ahlgren,",
        "Acme Server (reference PO-7) has reached Acme Software",
        f"http://127.0.0.1:8000/access/{entitlement.pk}/",
        "You are receiving this email because you are an owner of Birch Bank.",
        f"http://127.0.0.1:8000/customers/{cast.birch.pk}/notifications/",
    )


def test_approval_has_the_start_end_and_note_in_the_readers_time_zone(cast: Cast) -> None:
    User.objects.filter(pk=cast.alice.pk).update(time_zone="America/New_York")
    Membership.objects.filter(user=cast.bob).update(role="owner")
    entitlement = request(cast.birch, cast.server, by=Actor(cast.alice))
    starts_at = datetime.fromisoformat("2030-01-31T23:30:00Z")
    ends_at = datetime.fromisoformat("2030-07-01T00:30:00Z")
    approve(
        entitlement,
        by=Actor(cast.sandra),
        starts_at=starts_at,
        ends_at=ends_at,
        note="<Welcome & co>",
    )
    assert recipients("approved") == [cast.alice.email, cast.bob.email]
    message = sent("approved")
    assert_says(
        message, "starts on 31 January 2030, 18:30 EST", "Access ends on 30 June 2030, 20:30 EDT"
    )
    assert_says(message, "<Welcome & co>")
    (to_bob,) = [m for m in mail.outbox if m.to == [cast.bob.email]]
    assert_says(to_bob, "starts on 31 January 2030, 23:30 UTC", "you are an owner of Birch Bank")


def test_rejection_gives_the_reason(cast: Cast) -> None:
    entitlement = request(cast.birch, cast.server, by=Actor(cast.alice))
    reject(entitlement, by=Actor(cast.sandra), note="No contract yet.")
    assert_says(sent("rejected"), "rejected the request", "No contract yet.")


def test_reveal_is_reported_to_the_owners_and_to_who_did_it(cast: Cast) -> None:
    erik = User.objects.create_user("erik@birch.example", name="Erik")
    Membership.objects.create(user=erik, customer=cast.birch, role="engineer")
    approved(cast)
    pull_user = provision(cast.birch)
    credentials = reveal(pull_user, by=Actor(erik))
    assert recipients("revealed") == [cast.alice.email, erik.email]
    message = sent("revealed")
    key = AccessKey.objects.get()
    assert_says(
        message,
        "Erik (erik@birch.example) revealed",
        timezone.now().strftime("%Y, %H:"),
        "deactivate the key now",
        f"/keys/{key.pk}/switch/",
        "can't be turned off",
    )
    for hidden in (credentials.access_key_id, credentials.secret_access_key):
        assert hidden not in message.message().as_string()


def test_rotation_says_until_when_the_old_key_works(cast: Cast) -> None:
    approved(cast)
    pull_user = provision(cast.birch)
    reveal(pull_user, by=Actor(cast.alice))
    rotate(pull_user, by=Actor(cast.alice))
    assert recipients("rotated") == [cast.alice.email]
    assert_says(sent("rotated"), "Alice Ahlgren (alice@birch.example)", "The old key works until")


def test_reissue_by_the_vendor_names_the_vendor_and_not_its_people(cast: Cast) -> None:
    approved(cast)
    pull_user = provision(cast.birch)
    reveal(pull_user, by=Actor(cast.alice))
    reissue(pull_user, by=Actor(cast.otto), reason="Leaked", overlap=timedelta(0))
    message = sent("rotated")
    assert_says(message, "Acme Software is creating a new access key", "no longer works")
    assert "Otto" not in message.message().as_string()
    assert "Leaked" not in message.message().as_string()


def test_deactivation_of_a_key_is_reported_and_activation_is_not(cast: Cast) -> None:
    approved(cast)
    key = provision(cast.birch).access_keys.get()
    deactivate(key, by=Actor(cast.alice))
    assert_says(sent("key_deactivated"), "deactivated the access key", "activate it again")
    activate(key, by=Actor(cast.alice))
    assert recipients("key_deactivated") == [cast.alice.email]


def closed_in(seconds: float) -> None:
    """AWS confirms what has ended, this long after the end."""
    end(Customer.objects.get(slug="birch-bank"))
    ended = Entitlement.objects.filter(closed_at=None, ended_at__isnull=False)
    ended.update(ended_at=timezone.now() - timedelta(seconds=seconds))
    record_closures()


def test_end_is_reported_when_aws_has_confirmed_it_and_after_how_long(cast: Cast) -> None:
    entitlement = approved(cast)
    provision(cast.birch)
    withdraw(entitlement, by=Actor(cast.sandra), reason="Internal words")
    record_closures()
    assert recipients("ended") == []
    closed_in(4)
    record_closures()
    assert recipients("ended") == [cast.alice.email]
    message = sent("ended")
    assert_says(message, "withdrew Acme Server", "acme/agent", "acme/server")
    assert_says(message, "AWS confirmed the removal 4 seconds later.")
    assert "Internal words" not in message.message().as_string()


def test_expired_term_is_reported_as_such(cast: Cast) -> None:
    entitlement = approved(cast)
    starts_at, ends_at = (timezone.now() - timedelta(days=n) for n in (2, 1))
    Entitlement.objects.filter(pk=entitlement.pk).update(
        starts_at=starts_at, ends_at=ends_at, due_at=ends_at
    )
    for _ in range(2):
        entitlement_dates.apply_due()
    closed_in(0)
    assert recipients("ended") == [cast.alice.email]
    message = sent("ended")
    assert_says(message, "Access to Acme Server for Birch Bank expired on")
    assert_says(message, "AWS confirmed the removal at once.")


def test_end_that_aws_does_not_confirm_is_reported_after_ten_minutes_and_once(cast: Cast) -> None:
    entitlement = approved(cast)
    provision(cast.birch)
    withdraw(entitlement, by=Actor(cast.sandra), reason="End")
    tasks.send_reminders()
    assert recipients("ended") == []
    Entitlement.objects.update(ended_at=timezone.now() - timedelta(minutes=11))
    for _ in range(2):
        tasks.send_reminders()
    assert_says(sent("ended"), "AWS has not confirmed all of the removal yet.")
    closed_in(700)
    assert Entitlement.objects.get().closed_at
    assert recipients("ended") == [cast.alice.email]


def test_new_request_is_reported_to_sales_and_not_to_who_prepared_it(cast: Cast) -> None:
    entitlement = request(
        cast.birch, cast.server, by=Actor(cast.alice), reference="PO-7", note="By May, please."
    )
    assert recipients("new_request") == [cast.sandra.email]
    delivery.send_due()
    (message,) = [each for each in mail.outbox if each.to == [cast.sandra.email]]
    assert message.subject == "Birch Bank requests Acme Server"
    page = f"/admin/provisioning/entitlement/{entitlement.pk}/change/"
    assert_says(message, "reference PO-7", "By May, please.", page)
    assert_says(message, "because Acme Software lets you decide about requests")
    prepare(Entitlement(customer=cast.birch, product=cast.reports), by=Actor(cast.sandra))
    assert recipients("new_request") == [cast.sandra.email]
    assert recipients("request_received") == [cast.alice.email]


def test_ended_key_and_changed_labels_are_reported(cast: Cast) -> None:
    approved(cast)
    pull_user = provision(cast.birch)
    reveal(pull_user, by=Actor(cast.alice))
    old = AccessKey.objects.get()
    rotate(pull_user, by=Actor(cast.alice))
    add_key(pull_user)
    end_key(old, by=Actor(cast.alice))
    assert_says(sent("key_ended"), "ended the old access key of Birch Bank")
    label = add_label(cast.birch, "ci", by=Actor(cast.alice))
    assert_says(sent("label_changed"), "added the label ci to Birch Bank", "remove the label now")
    remove_label(label, by=Actor(cast.alice))
    assert_says(sent("label_changed"), "removed the label ci from Birch Bank")


def test_suspension_and_resumption_are_reported_for_a_product_and_for_everything(
    cast: Cast,
) -> None:
    entitlement = approved(cast)
    suspend(entitlement, by=Actor(cast.sandra), reason="Unpaid")
    assert_says(sent("suspended"), "suspended the access of Birch Bank to Acme Server")
    resume(entitlement, by=Actor(cast.sandra), reason="Paid")
    assert_says(
        sent("resumed"),
        "resumed the access of Birch Bank to Acme Server",
        "The same credentials work again",
    )
    suspend_customer(cast.birch, by=Actor(cast.sandra), reason="Unpaid")
    assert_says(sent("suspended"), "suspended all access of Birch Bank")
    resume_customer(cast.birch, by=Actor(cast.sandra), reason="Paid")
    assert_says(sent("resumed"), "resumed all access of Birch Bank")


# --- Ready, reported once ----------------------------------------------------------


def test_ready_is_reported_once_by_whichever_turn_completes_it(aws: Aws, cast: Cast) -> None:
    entitlement = approved(cast)
    for _ in range(20):
        entitlement = queries.entitlements(Entitlement.objects.all()).get()
        is_ready = queries.progress(entitlement).state.is_set_up
        assert (len(recipients("ready")) == 1, entitlement.ready_at is not None) == (
            is_ready,
            is_ready,
        )
        if is_ready:
            break
        one_turn()
    run_until_settled()
    suspend(entitlement, by=Actor(cast.sandra), reason="Unpaid")
    run_until_settled()
    entitlement.refresh_from_db()
    resume(entitlement, by=Actor(cast.sandra), reason="Paid")
    run_until_settled()
    assert recipients("ready") == [cast.alice.email]
    assert_says(sent("ready"), "acme/agent", "acme/server")


def one_turn() -> None:
    if users := due(PullUser):
        reconciler.pull_user_turn(users[0])
    elif repositories := due(Repository):
        reconciler.repository_turn(repositories[0])


def test_ready_is_reported_if_another_product_has_already_opened_the_repositories(
    aws: Aws, cast: Cast
) -> None:
    approved(cast)
    take_turns()
    cast.reports.repositories.set(cast.server.repositories.all()[:1])
    second = approved(cast, cast.reports)
    take_turns()
    second.refresh_from_db()
    assert second.ready_at is not None
    assert Email.objects.filter(kind="ready", facts__product="Acme Reports").count() == 1


def test_ready_is_not_reported_while_a_repository_is_closed(cast: Cast) -> None:
    entitlement = approved(cast)
    grants = provision(cast.birch).grants.all()
    Grant.objects.filter(pk=grants[0].pk).update(in_repository_policy=False)
    readiness.record_ready(Customer.objects.all())
    assert recipients("ready") == []
    grants.update(in_repository_policy=True)
    for _ in range(2):
        readiness.record_ready(Customer.objects.all())
    entitlement.refresh_from_db()
    assert entitlement.ready_at is not None
    assert len(recipients("ready")) == 1


# --- A whole lifecycle -------------------------------------------------------------


@pytest.fixture
def forbidden_words(aws: Aws, cast: Cast) -> Iterator[set[str]]:
    """Write every kind of email in the course of one purchase. Yields the words that none of
    them may contain: the ids and secrets of all keys."""
    words: set[str] = set()
    aws.embedded.watch = lambda moment, call: words.update(
        word
        for key in identities.iam(ACCOUNT_ID).access_keys.values()
        for word in (key.access_key_id, key.secret_access_key)
    )
    invite(cast.birch, "dana@birch.example", Role.VIEWER, by=Actor(cast.alice))
    outbox.welcome(cast.bob)
    outbox.trouble("Pull user birch-bank needs attention.")
    User.objects.update(switched=["requests_waiting"])
    Membership.objects.update(switched=["new_version"])
    for kind in (EmailKind.NEW_DEVICE, EmailKind.LOCKED_OUT):
        outbox.to_person(kind, cast.bob, address="192.0.2.1", device="Firefox on Windows")
    broken = {"path": "/ops/audit/", "broken": "Link 3 is missing."}
    kind = EmailKind.AUDIT_BROKEN
    Email.objects.create(kind=kind, to=cast.otto.email, user=cast.otto, facts=broken)
    change_role(Membership.objects.get(user=cast.bob), Role.ENGINEER, by=Actor(cast.alice))
    factor = TOTP.activate(cast.bob, generate_totp_secret()).instance
    own_account.remove_factor(factor, by=Actor(cast.otto))
    own_account.report_misuse(by=Actor(cast.bob))
    bobs = Membership.objects.get(user=cast.bob)
    own_account.allow_reveals(bobs, by=Actor(cast.alice))
    outbox.member_removed(bobs, by=str(cast.alice))
    rejected = request(cast.birch, cast.reports, by=Actor(cast.alice))
    reject(rejected, by=Actor(cast.sandra), note="Not yet")
    entitlement = request(cast.birch, cast.server, by=Actor(cast.alice))
    in_a_week = timezone.now() + timedelta(days=6)
    approve(entitlement, by=Actor(cast.sandra), ends_at=in_a_week)
    take_turns()
    versions.tell(Repository.objects.get(name="acme/server"), ["1.2"])
    OneTimeSecret.objects.update(created_at=timezone.now() - timedelta(days=6.5))
    request(cast.cedar, cast.server, by=Actor(cast.charlie))
    reminders.send()
    OneTimeSecret.objects.update(created_at=timezone.now())
    pull_user = PullUser.objects.get()
    reveal(pull_user, by=Actor(cast.alice))
    key = AccessKey.objects.get()
    deactivate(key, by=Actor(cast.alice))
    activate(AccessKey.objects.get(), by=Actor(cast.alice))
    AccessKey.objects.update(expires_at=in_a_week)
    reminders.send()
    OneTimeSecret.objects.update(revealed_by=cast.charlie)
    reminders.send()
    rotate(pull_user, by=Actor(cast.alice))
    take_turns()
    end_key(AccessKey.objects.get(pk=key.pk), by=Actor(cast.alice))
    remove_label(add_label(cast.birch, "ci", by=Actor(cast.alice)), by=Actor(cast.alice))
    suspend(entitlement, by=Actor(cast.sandra), reason="Unpaid")
    resume(entitlement, by=Actor(cast.sandra), reason="Paid")
    run_until_settled()
    withdraw(entitlement, by=Actor(cast.sandra), reason="End")
    run_until_settled()
    record_closures()
    yield words
    aws.embedded.watch = lambda moment, call: None


def test_no_email_contains_a_secret_or_the_id_of_a_key(forbidden_words: set[str]) -> None:
    assert set(Email.objects.values_list("kind", flat=True)) == set(EmailKind.values)
    delivery.send_due()
    assert not Email.objects.filter(sent_at=None).exists()
    assert len(mail.outbox) == Email.objects.count()
    assert len(forbidden_words) >= 4
    stored = "\n".join(map(str, Email.objects.values_list("facts", flat=True)))
    for message in mail.outbox:
        text, html = as_read(message)
        for word in forbidden_words:
            assert word not in f"{message.subject} {text} {html} {stored}"


@pytest.mark.usefixtures("forbidden_words")
def test_each_email_is_complete_as_text_and_html_and_loads_nothing() -> None:
    delivery.send_due()
    messages: list[Any] = mail.outbox
    for message in messages:
        text, html = as_read(message)
        assert message.subject in html
        for link in re.findall(r"https?://\S+", message.body):
            assert link in html
        for body in (message.subject, text, html):
            assert not re.search(r"\{[{%]|None|\(\)|  ", body), body
        assert "Hello" in text
        assert "You are receiving this email because" in text
        assert "You are receiving this email because" in html
        assert not re.search(r"<img|<link|<script|url\(|@import", message.alternatives[0][0])


# --- Samples -------------------------------------------------------------------------


@pytest.mark.usefixtures("forbidden_words")
def test_sample_of_each_email_says_what_its_action_does() -> None:
    for email in Email.objects.all():
        assert email.facts.keys() == FACTS[EmailKind(email.kind)].keys(), email.kind


def test_ops_read_each_email_before_anyone_gets_it(cast: Cast) -> None:
    otto = just_signed_in(cast.otto)
    page = otto.get("/ops/emails/")
    for kind in EmailKind:
        assert kind.label in page.content.decode().replace("&#x27;", "'")
    for sample in samples():
        html = otto.get(f"/ops/emails/{sample.slug}/")
        policy = html.headers["Content-Security-Policy"].split("; ")
        assert {"default-src 'none'", "style-src 'unsafe-inline'"} <= set(policy)
        assert not any(each.startswith("script-src") for each in policy)
        subject = str(sample.message.subject)
        assert subject in html_words(html.content.decode())
        text = otto.get(f"/ops/emails/{sample.slug}/?text")
        assert text.headers["Content-Type"] == "text/plain; charset=utf-8"
        for body in (subject, html.content.decode(), text.content.decode()):
            assert not re.search(r"\{[{%]|None|\(\)", body), body
    assert otto.get("/ops/emails/nothing/").status_code == 404
    assert not Email.objects.exists()
    assert mail.outbox == []


def html_words(html: str) -> str:
    return " ".join(BeautifulSoup(html, "html.parser").get_text(" ").split())
