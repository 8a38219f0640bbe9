"""The hash chain shows changes made to the audit log directly in the database."""

import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from io import StringIO
from threading import Barrier

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from accounts.actor import Actor
from accounts.audit.chain import link, verify
from accounts.audit.log import Action, record
from accounts.audit.models import AuditError
from accounts.models import AuditEvent, ChainLink, User
from provisioning.demo.seed import Cast
from provisioning.tasks import link_audit_log


@pytest.fixture
def pks(cast: Cast) -> list[int]:
    """The ids of five linked lines."""
    lines = [
        record(Action.RETRIED, f"row {number}", by=Actor(cast.otto), customer=cast.birch)
        for number in range(1, 6)
    ]
    link_audit_log()
    return [line.pk for line in lines]


def change_directly(sql: str, *values: int) -> None:
    """As a database administrator could, whom no trigger stops."""
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("SET LOCAL session_replication_role = replica")
        cursor.execute(sql, values)


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
    late = AuditEvent(
        pk=first.pk + 1, action=Action.RETRIED, actor_label="Otto", subject="late", actor=cast.otto
    )
    AuditEvent(pk=first.pk + 2, action=Action.RETRIED, actor_label="Otto", subject="third").save()
    link(10)
    late.save()
    link(10)
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
    found = re.search(r"5:[0-9a-f]{64}", output_of_verify())
    assert found
    head = found[0]
    record(Action.RETRIED, "one more", by=Actor(cast.otto))
    link(10)
    assert "6 lines are as they were written; 0 are not yet linked" in output_of_verify(
        "--head", head
    )
    change_directly("DELETE FROM accounts_chainlink")
    change_directly("UPDATE accounts_auditevent SET subject = 'x' WHERE id = %s", pks[2])
    link(10)
    assert "6 lines are as they were written" in output_of_verify()
    with pytest.raises(CommandError, match="Link 5 differs from the head that was noted"):
        output_of_verify("--head", head)


def test_head_reveals_last_lines_that_were_deleted_with_their_links(pks: list[int]) -> None:
    head = verify().head
    change_directly("DELETE FROM accounts_chainlink WHERE number > 3")
    change_directly("DELETE FROM accounts_auditevent WHERE id > %s", pks[2])
    assert verify().broken == ""
    assert verify(head).broken == "The line of link 4 is missing."


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
