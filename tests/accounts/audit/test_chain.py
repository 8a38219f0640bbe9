"""The chain shows what was done to the audit log directly in the database."""

import base64
import json
import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, HTTPServer
from io import StringIO
from threading import Barrier, Thread
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from pytest_django import Settings

from accounts.actor import Actor
from accounts.audit import chain, head
from accounts.audit.chain import LATE, link, verify, watch
from accounts.audit.log import Action, record
from accounts.audit.models import AuditError
from accounts.models import AuditEvent, ChainLink, User
from provisioning.demo.seed import Cast
from tests.accounts.audit.directly import change_directly
from tests.services import redis


def test_every_line_is_linked_once_and_in_order(pks: list[int], cast: Cast) -> None:
    assert list(ChainLink.objects.values_list("number", "event_id")) == [*enumerate(pks, start=1)]
    assert link(10) == 0
    record(Action.RETRIED, "one more", by=Actor(cast.otto))
    assert link(10) == 1
    assert verify().linked == 6
    assert verify().broken == ""


def test_a_run_links_no_more_than_its_limit(cast: Cast) -> None:
    for number in range(5):
        record(Action.RETRIED, f"row {number}", by=Actor(cast.otto))
    assert [link(2), link(2), link(2), link(2)] == [2, 2, 1, 0]
    assert verify().waiting == 0


def test_line_that_was_committed_late_is_linked_later(cast: Cast) -> None:
    """Its transaction began before the others', so that its id is lower than theirs."""
    first = record(Action.RETRIED, "first", by=Actor(cast.otto))
    late = record(Action.RETRIED, "late", by=Actor(cast.otto))
    third = record(Action.RETRIED, "third", by=Actor(cast.otto))
    change_directly("DELETE FROM accounts_auditevent WHERE id = %s", late.pk)
    link(10)
    late._state.adding = True
    late.save()
    link(10)
    assert first.pk < late.pk < third.pk
    subjects = [row.event.subject for row in ChainLink.objects.select_related("event")]
    assert subjects == ["first", "third", "late"]
    assert verify().broken == ""


CHANGES: dict[str, tuple[str, str]] = {
    "a word": (
        "UPDATE accounts_auditevent SET subject = 'x' WHERE id = {2}",
        "link 3 has been changed",
    ),
    "a time": (
        "UPDATE accounts_auditevent SET at = '2001-01-01' WHERE id = {0}",
        "link 1 has been changed",
    ),
    "an actor": (
        "UPDATE accounts_auditevent SET actor_id = NULL WHERE id = {4}",
        "link 5 has been changed",
    ),
    "a customer": (
        "UPDATE accounts_auditevent SET customer_id = NULL WHERE id = {1}",
        "link 2 has been changed",
    ),
    "a line deleted": ("DELETE FROM accounts_auditevent WHERE id = {2}", "link 3 is missing"),
    "the last line deleted": (
        "DELETE FROM accounts_auditevent WHERE id = {4}",
        "link 5 is missing",
    ),
    "a link deleted": ("DELETE FROM accounts_chainlink WHERE number = 2", "link 2 is missing"),
    "a link's hash": (
        "UPDATE accounts_chainlink SET hash = 'x' WHERE number = 2",
        "link 2 has been changed",
    ),
}

ORPHANS = (
    "DELETE FROM accounts_chainlink WHERE event_id NOT IN (SELECT id FROM accounts_auditevent)"
)


@pytest.mark.parametrize(("change", "words"), CHANGES.values(), ids=CHANGES)
def test_first_broken_line_is_reported(pks: list[int], change: str, words: str) -> None:
    with connection.constraint_checks_disabled():
        change_directly(change.format(*pks))
        with pytest.raises(CommandError, match=words):
            call_command("verify_audit")
        # The test database must be consistent when the test ends.
        change_directly(ORPHANS)


def test_lines_that_were_swapped_are_detected(pks: list[int]) -> None:
    change_directly("UPDATE accounts_chainlink SET event_id = -1 WHERE number = 2")
    change_directly("UPDATE accounts_chainlink SET event_id = %s WHERE number = 4", pks[1])
    change_directly("UPDATE accounts_chainlink SET event_id = %s WHERE number = 2", pks[3])
    assert "link 2 has been changed since" in verify().broken


def output_of_verify(*words: str) -> str:
    out = StringIO()
    call_command("verify_audit", *words, stdout=out)
    return out.getvalue()


def test_noted_head_reveals_a_chain_that_was_recomputed(pks: list[int], cast: Cast) -> None:
    found = re.search(r"5:embedded:[0-9a-f]{64}", output_of_verify())
    assert found
    noted = found[0]
    record(Action.RETRIED, "one more", by=Actor(cast.otto))
    link(10)
    assert "6 lines are as they were written; 0 are not yet linked" in output_of_verify(
        "--head", noted
    )
    change_directly("DELETE FROM accounts_chainlink")
    link(10)
    assert "6 lines are as they were written" in output_of_verify()
    change_directly("DELETE FROM accounts_chainlink")
    change_directly("DELETE FROM accounts_auditevent WHERE id = %s", pks[2])
    link(10)
    assert "5 lines are as they were written" in output_of_verify()
    with pytest.raises(CommandError, match="Link 5 differs from the head that was noted"):
        output_of_verify("--head", noted)


def test_head_reveals_last_lines_that_were_deleted_with_their_links(pks: list[int]) -> None:
    noted = verify().head
    change_directly("DELETE FROM accounts_chainlink WHERE number > 3")
    change_directly("DELETE FROM accounts_auditevent WHERE id > %s", pks[2])
    assert verify().broken == ""
    assert verify(noted).broken == "The line of link 5 is missing, though it was there before."


@pytest.mark.usefixtures("transactional_db")
def test_concurrent_runs_make_one_chain() -> None:
    user = User.objects.create_user("otto@acme.example")
    for number in range(20):
        record(Action.RETRIED, f"row {number}", by=Actor(user))
    start = Barrier(4)

    def run(_: int) -> int:
        try:
            start.wait(timeout=30)
            return sum(link(7) for _ in range(4))
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as threads:
        assert sum(threads.map(run, range(4))) == 20
    assert (verify().linked, verify().waiting, verify().broken) == (20, 0, "")


LINK_CHANGES: dict[str, Callable[[ChainLink], object]] = {
    "save": lambda row: row.save(),
    "delete": lambda row: row.delete(),
    "update": lambda row: ChainLink.objects.update(hash="x"),
    "delete all": lambda row: ChainLink.objects.all().delete(),
}


@pytest.mark.usefixtures("pks")
@pytest.mark.parametrize("change", LINK_CHANGES.values(), ids=LINK_CHANGES)
def test_link_cannot_be_changed_or_deleted(change: Callable[[ChainLink], object]) -> None:
    row = ChainLink.objects.first()
    assert row is not None
    with pytest.raises(AuditError):
        change(row)
    assert verify().broken == ""


# --- Who has the database, but not the key -------------------------------------------


def insert_line(signature: str, subject: str = "forged") -> None:
    change_directly(
        "INSERT INTO accounts_auditevent (at, action, actor_label, subject, changes, reason, "
        "signature) VALUES (%s, 'retried', 'Otto', %s, '', '', %s)",
        timezone.now(),
        subject,
        signature,
    )


def copy_signature(pk: int) -> str:
    """The signature of a line, once nothing keeps it from being there twice."""
    with connection.cursor() as cursor:
        cursor.execute("DROP INDEX audit_line_once")
    return AuditEvent.objects.get(pk=pk).signature


FORGERIES: dict[str, Callable[[int], str]] = {
    "unsigned": lambda pk: "",
    "signed with another key": lambda pk: "0123456789abcdef:embedded:" + "0" * 64,
    "with the signature of another line": copy_signature,
}


@pytest.mark.parametrize("forgery", FORGERIES)
def test_line_written_beside_the_portal_is_not_linked_and_is_reported(
    pks: list[int], cast: Cast, forgery: str
) -> None:
    insert_line(FORGERIES[forgery](pks[1]))
    record(Action.RETRIED, "genuine", by=Actor(cast.otto))
    assert link(10) == 1
    for broken in (verify().broken, watch()):
        assert "was written beside the portal: Otto asked for another try: forged" in broken


@pytest.mark.usefixtures("pks")
def test_chain_that_is_linked_again_without_the_key_is_detected() -> None:
    """As links were before they were signed, which needs no key."""
    change_directly("DELETE FROM accounts_chainlink WHERE number > 3")
    last = ChainLink.objects.last()
    assert last is not None
    event = AuditEvent.objects.filter(link__isnull=True).order_by("pk").first()
    assert event is not None
    plain = chain._plain_hash(event, 4, last.hash)
    change_directly(
        "INSERT INTO accounts_chainlink (number, event_id, previous, hash) VALUES (4, %s, %s, %s)",
        event.pk,
        last.hash,
        plain,
    )
    assert "link 4 has been changed" in verify().broken


@pytest.mark.usefixtures("pks")
def test_change_of_a_line_before_it_is_linked_is_detected(cast: Cast) -> None:
    changed = record(Action.RETRIED, "as it was", by=Actor(cast.otto))
    change_directly("UPDATE accounts_auditevent SET subject = 'x' WHERE id = %s", changed.pk)
    assert link(10) == 0
    assert "was written beside the portal" in watch()


def test_chain_of_a_version_that_did_not_sign_is_continued_when_an_operator_says_so(
    cast: Cast,
) -> None:
    previous = chain.BEGINNING
    for number in (1, 2):
        event = AuditEvent.objects.create(action=Action.RETRIED, actor_label="O", subject="old")
        digest = chain._plain_hash(event, number, previous)
        ChainLink.objects.create(number=number, event=event, previous=previous, hash=digest)
        previous = digest
    AuditEvent.objects.create(action=Action.RETRIED, actor_label="O", subject="not linked yet")
    record(Action.RETRIED, "new", by=Actor(cast.otto))
    assert link(10) == 1
    assert "was written beside the portal: O asked for another try: not linked yet" in watch()
    assert "4 lines are as they were written" in output_of_verify("--adopt")
    assert watch() == ""
    change_directly("UPDATE accounts_auditevent SET subject = 'x' WHERE subject = 'old'")
    assert "link 1 has been changed" in verify().broken


def test_first_line_of_an_installation_may_not_be_unsigned(cast: Cast) -> None:
    insert_line("")
    assert link(10) == 0
    assert "was written beside the portal" in verify().broken


def test_line_signed_with_an_older_key_stays_genuine(
    pks: list[int], cast: Cast, settings: Settings
) -> None:
    new = "new:" + base64.b64encode(bytes(range(32))).decode()
    settings.AUDIT_KEYS = [new, *settings.AUDIT_KEYS]
    record(Action.RETRIED, "one more", by=Actor(cast.otto))
    link(10)
    assert verify().broken == ""
    settings.AUDIT_KEYS = [new]
    assert "link 1 has been changed" in verify().broken


# --- The watch -----------------------------------------------------------------------


def test_watch_notices_that_the_chain_was_cut_off(pks: list[int]) -> None:
    assert watch() == ""
    change_directly("DELETE FROM accounts_chainlink WHERE number > 3")
    change_directly("DELETE FROM accounts_auditevent WHERE id > %s", pks[2])
    assert verify().broken == ""
    assert watch() == "The line of link 5 is missing, though it was there before."


def test_kept_head_is_not_replaced_by_that_of_a_chain_that_was_cut_off(
    pks: list[int], cast: Cast
) -> None:
    """Otherwise the next line would hide the cut before the watch comes."""
    change_directly("DELETE FROM accounts_chainlink WHERE number > 3")
    change_directly("DELETE FROM accounts_auditevent WHERE id > %s", pks[2])
    for number in range(3):
        record(Action.RETRIED, f"after {number}", by=Actor(cast.otto))
    assert link(10) == 3
    assert watch() == "Link 5 differs from the head that was noted."
    # An operator who has restored a backup accepts the log as it is.
    output_of_verify("--adopt")
    assert watch() == ""


@pytest.mark.usefixtures("pks")
def test_watch_costs_the_same_whatever_the_length_of_the_log(cast: Cast) -> None:
    for number in range(30):
        record(Action.RETRIED, f"row {number}", by=Actor(cast.otto))
    link(100)
    with CaptureQueriesContext(connection) as captured:
        assert watch(window=3) == ""
    assert len(captured) == 9
    walks = re.findall(r"number\\?\" BETWEEN (\d+) AND (\d+)", str(captured.captured_queries))
    newest, anywhere = [(int(first), int(last)) for first, last in walks]
    assert newest == (33, 35)
    assert anywhere[1] - anywhere[0] < 3


def test_line_written_beside_the_portal_far_back_is_found_by_a_sample(
    pks: list[int], cast: Cast
) -> None:
    newest = record(Action.RETRIED, "newest", by=Actor(cast.otto))
    change_directly(
        "UPDATE accounts_auditevent SET id = %s WHERE id = %s", pks[0] + 2 * LATE, newest.pk
    )
    assert link(10) == 1
    insert_line("")
    change_directly("UPDATE accounts_auditevent SET id = %s WHERE subject = 'forged'", pks[-1] + 10)
    assert "was written beside the portal" in verify().broken
    samples = {watch() for _ in range(200)}
    assert any("was written beside the portal" in broken for broken in samples)


def test_head_is_logged_kept_and_sent(
    cast: Cast, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    received: list[dict[str, Any]] = []

    class Receiver(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            received.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *args: object) -> None: ...

    with HTTPServer(("127.0.0.1", 0), Receiver) as server:
        settings.AUDIT_WEBHOOK_URL = f"http://127.0.0.1:{server.server_port}/"
        Thread(target=server.handle_request, daemon=True).start()
        record(Action.RETRIED, "x", by=Actor(cast.otto))
        with caplog.at_level("INFO"):
            link(10)
    last = ChainLink.objects.get()
    assert received == [{"number": 1, "hash": last.hash}]
    assert head.known() == f"1:{last.hash}"
    assert f"linked up to 1:{last.hash}" in caplog.text


def test_head_that_cannot_be_sent_stops_nothing(cast: Cast, settings: Settings) -> None:
    settings.AUDIT_WEBHOOK_URL = "http://127.0.0.1:9/"
    record(Action.RETRIED, "x", by=Actor(cast.otto))
    assert link(10) == 1
    assert verify().broken == ""


def test_head_is_kept_in_redis_in_production(settings: Settings) -> None:
    with redis() as address:
        settings.RATE_LIMIT_URL = address
        assert head.known() == ""
        head.keep("7:k:abc")
        assert head.known() == "7:k:abc"
    assert head.known() == ""  # It is down: nothing is known, and nothing fails.
