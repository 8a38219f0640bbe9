"""Whoever changes the audit log behind the application's back is found out."""

import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from io import StringIO
from threading import Barrier

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from accounts.audit import AuditError, Deed, record
from accounts.models import AuditEvent, AuditSeal, User
from accounts.seals import seal, verify
from provisioning.demo.cast import Cast
from provisioning.tasks import seal_audit_log


@pytest.fixture
def pks(cast: Cast) -> list[int]:
    """Five lines, sealed."""
    made = [
        record(Deed.RETRIED, f"row {number}", by=cast.otto, customer=cast.birch)
        for number in range(1, 6)
    ]
    seal_audit_log()
    return [line.pk for line in made]


def behind_the_back(sql: str, *values: int) -> None:
    """As an administrator of the database could, whom no trigger holds."""
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("SET LOCAL session_replication_role = replica")
        cursor.execute(sql, values)


def test_every_line_is_sealed_once_and_in_order(pks: list[int], cast: Cast) -> None:
    assert list(AuditSeal.objects.values_list("number", "event_id")) == [*enumerate(pks, start=1)]
    assert seal(10) == 0
    record(Deed.RETRIED, "one more", by=cast.otto)
    assert seal(10) == 1
    assert verify().sealed == 6
    assert verify().broken == ""


def test_run_seals_so_many_and_no_more(cast: Cast) -> None:
    for number in range(5):
        record(Deed.RETRIED, f"row {number}", by=cast.otto)
    assert [seal(2), seal(2), seal(2), seal(2)] == [2, 2, 1, 0]
    assert verify().waiting == 0


def test_line_that_was_committed_late_is_sealed_later(cast: Cast) -> None:
    """Its number was given before the others', as its transaction began before theirs."""
    first = record(Deed.RETRIED, "first", by=cast.otto)
    late = AuditEvent(
        pk=first.pk + 1, deed=Deed.RETRIED, actor_label="Otto", subject="late", actor=cast.otto
    )
    AuditEvent(pk=first.pk + 2, deed=Deed.RETRIED, actor_label="Otto", subject="third").save()
    seal(10)
    late.save()
    seal(10)
    subjects = [row.event.subject for row in AuditSeal.objects.select_related("event")]
    assert subjects == ["first", "third", "late"]
    assert verify().broken == ""


CHANGES: dict[str, tuple[str, str]] = {
    "a word": ("UPDATE accounts_auditevent SET subject = 'x' WHERE id = {2}", "seal 3 is not as"),
    "the time": ("UPDATE accounts_auditevent SET at = '2001-01-01' WHERE id = {0}", "seal 1 is"),
    "who": ("UPDATE accounts_auditevent SET actor_id = NULL WHERE id = {4}", "seal 5 is not as"),
    "whose": ("UPDATE accounts_auditevent SET customer_id = NULL WHERE id = {1}", "seal 2 is not"),
    "deleted": ("DELETE FROM accounts_auditevent WHERE id = {2}", "seal 3 is missing"),
    "the last deleted": ("DELETE FROM accounts_auditevent WHERE id = {4}", "seal 5 is missing"),
    "the seal deleted": ("DELETE FROM accounts_auditseal WHERE number = 2", "seal 2 is missing"),
    "a seal's hash": ("UPDATE accounts_auditseal SET hash = 'x' WHERE number = 2", "seal 2 is not"),
}

ORPHANS = (
    "DELETE FROM accounts_auditseal WHERE event_id NOT IN (SELECT id FROM accounts_auditevent)"
)


@pytest.mark.parametrize(("change", "words"), CHANGES.values(), ids=CHANGES)
def test_first_broken_line_is_said(pks: list[int], change: str, words: str) -> None:
    with connection.constraint_checks_disabled():
        behind_the_back(change.format(*pks))
        with pytest.raises(CommandError, match=words):
            call_command("verify_audit")
        # The database of the test must be whole at its end.
        behind_the_back(ORPHANS)


def test_lines_that_changed_places_are_found(pks: list[int]) -> None:
    behind_the_back("UPDATE accounts_auditseal SET event_id = -1 WHERE number = 2")
    behind_the_back("UPDATE accounts_auditseal SET event_id = %s WHERE number = 4", pks[1])
    behind_the_back("UPDATE accounts_auditseal SET event_id = %s WHERE number = 2", pks[3])
    assert "seal 2 is not as it was sealed" in verify().broken


def told(*words: str) -> str:
    out = StringIO()
    call_command("verify_audit", *words, stdout=out)
    return out.getvalue()


def test_head_that_was_noted_finds_a_chain_made_anew(pks: list[int], cast: Cast) -> None:
    found = re.search(r"5:[0-9a-f]{64}", told())
    assert found
    head = found[0]
    record(Deed.RETRIED, "one more", by=cast.otto)
    seal(10)
    assert "6 lines are as they were written; 0 wait" in told("--head", head)
    behind_the_back("DELETE FROM accounts_auditseal")
    behind_the_back("UPDATE accounts_auditevent SET subject = 'x' WHERE id = %s", pks[2])
    seal(10)
    assert "6 lines are as they were written" in told()
    with pytest.raises(CommandError, match="Seal 5 is another than the one that was noted"):
        told("--head", head)


def test_end_cut_off_with_its_seals_is_found_by_the_head(pks: list[int]) -> None:
    head = verify().head
    behind_the_back("DELETE FROM accounts_auditseal WHERE number > 3")
    behind_the_back("DELETE FROM accounts_auditevent WHERE id > %s", pks[2])
    assert verify().broken == ""
    assert verify(head).broken == "The line of seal 4 is missing."


@pytest.mark.usefixtures("transactional_db")
def test_sealers_at_once_make_one_chain() -> None:
    user = User.objects.create_user("otto@acme.example")
    for number in range(20):
        record(Deed.RETRIED, f"row {number}", by=user)
    start = Barrier(4)

    def run(_: int) -> int:
        try:
            start.wait(timeout=30)
            return sum(seal(7) for _ in range(4))
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as threads:
        assert sum(threads.map(run, range(4))) == 20
    assert (verify().sealed, verify().waiting, verify().broken) == (20, 0, "")


SEAL_CHANGES: dict[str, Callable[[AuditSeal], object]] = {
    "save": lambda row: row.save(),
    "delete": lambda row: row.delete(),
    "update": lambda row: AuditSeal.objects.update(hash="x"),
    "delete all": lambda row: AuditSeal.objects.all().delete(),
}


@pytest.mark.usefixtures("pks")
@pytest.mark.parametrize("change", SEAL_CHANGES.values(), ids=SEAL_CHANGES)
def test_seal_is_neither_changed_nor_deleted(change: Callable[[AuditSeal], object]) -> None:
    row = AuditSeal.objects.first()
    assert row is not None
    with pytest.raises(AuditError):
        change(row)
    assert verify().broken == ""
