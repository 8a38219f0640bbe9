"""The table of legal moves, and the compare-and-set that makes them."""

from itertools import product

import pytest
from django.db.models import TextChoices
from django.utils import timezone

from provisioning.demo.seed import Cast
from provisioning.flows import Actor
from provisioning.flows.entitlements import request
from provisioning.models import Entitlement, PullUser
from provisioning.states import (
    MOVES,
    Desired,
    EntitlementState,
    IllegalMove,
    KeyStatus,
    Status,
    move,
)

LEGAL = {
    EntitlementState: [
        ("requested", "approved"),
        ("requested", "rejected"),
        ("approved", "expired"),
        ("approved", "suspended"),
        ("approved", "withdrawn"),
        ("suspended", "approved"),
        ("suspended", "expired"),
        ("suspended", "withdrawn"),
    ],
    Desired: [
        ("present", "absent"),
        ("present", "suspended"),
        ("suspended", "absent"),
        ("suspended", "present"),
        ("absent", "present"),
    ],
    Status: [
        ("waiting", "gone"),
        ("waiting", "ready"),
        ("waiting", "suspended"),
        ("ready", "gone"),
        ("ready", "suspended"),
        ("ready", "waiting"),
        ("suspended", "gone"),
        ("suspended", "ready"),
        ("suspended", "waiting"),
        ("gone", "ready"),
        ("gone", "suspended"),
        ("gone", "waiting"),
    ],
    KeyStatus: [
        ("Active", "Deleted"),
        ("Active", "Inactive"),
        ("Inactive", "Active"),
        ("Inactive", "Deleted"),
    ],
}
ILLEGAL: list[tuple[TextChoices, TextChoices]] = [
    (states(here), states(to))
    for states, legal in LEGAL.items()
    for here, to in product(states.values, repeat=2)
    if here != to and (here, to) not in legal
]


@pytest.fixture
def pull_user(cast: Cast) -> PullUser:
    return PullUser.objects.create(customer=cast.birch, account_id="123456789012", name="birch")


def test_table_has_these_moves_and_no_others() -> None:
    assert [
        (kind.__name__, str(here), str(to))
        for kind, moves in MOVES.items()
        for here, tos in moves.items()
        for to in sorted(tos)
    ] == [(kind.__name__, *pair) for kind in LEGAL for pair in LEGAL[kind]]


@pytest.mark.parametrize(("here", "to"), ILLEGAL)
def test_illegal_move_is_refused_without_a_query(here: TextChoices, to: TextChoices) -> None:
    with pytest.raises(IllegalMove, match=f"is {here} and cannot become {to}"):
        move(PullUser(status=here), to, field="status")


def test_legal_move_is_written_with_its_changes(pull_user: PullUser) -> None:
    now = timezone.now()
    move(pull_user, Desired.ABSENT, field="desired", due_at=now)
    assert (pull_user.desired, pull_user.due_at) == ("absent", now)
    pull_user.refresh_from_db()
    assert (pull_user.desired, pull_user.due_at) == ("absent", now)


def test_only_one_of_two_who_read_the_same_row_moves_it(cast: Cast) -> None:
    request(cast.birch, cast.server, by=Actor(cast.alice))
    first, second = Entitlement.objects.get(), Entitlement.objects.get()
    decided = {"decided_by": cast.sandra, "decided_at": timezone.now()}
    move(first, EntitlementState.REJECTED, field="state", **decided)
    with pytest.raises(IllegalMove, match="no longer requested: another change came first"):
        move(second, EntitlementState.APPROVED, field="state", starts_at=timezone.now(), **decided)
    assert second.state == "requested"
    first.refresh_from_db()
    assert (first.state, first.starts_at) == ("rejected", None)


def test_move_to_the_current_state_does_nothing(pull_user: PullUser) -> None:
    PullUser.objects.update(desired=Desired.ABSENT)
    move(pull_user, Desired.PRESENT, field="desired")
    assert PullUser.objects.get().desired == "absent"


def test_changes_without_a_move_are_refused(pull_user: PullUser) -> None:
    with pytest.raises(IllegalMove, match="is present and cannot become present"):
        move(pull_user, Desired.PRESENT, field="desired", due_at=timezone.now())
    assert PullUser.objects.get().due_at is None
