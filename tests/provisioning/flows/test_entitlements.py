"""Sales approve, reject and withdraw; grants and pull users follow."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.utils import timezone
from pytest_django.fixtures import Settings

from accounts.audit.log import Action
from accounts.models import AuditEvent
from provisioning.demo.seed import Cast
from provisioning.desired.grants import product_changed
from provisioning.flows import Actor, NotAllowed, Refused
from provisioning.flows.entitlements import approve, prepare, reject, request, withdraw
from provisioning.models import Entitlement, Grant, PullUser, Repository
from provisioning.reconciler.entitlement import apply_due
from provisioning.states import Desired


@pytest.fixture
def entitlement(cast: Cast) -> Entitlement:
    return request(cast.birch, cast.server, by=Actor(cast.alice))


def desired_grants() -> set[str]:
    """The names of the repositories that some grant should open."""
    rows = Grant.objects.filter(desired=Desired.PRESENT).select_related("repository")
    return {row.repository.name for row in rows}


def test_approval_desires_a_pull_user_and_a_grant_for_each_repository(
    cast: Cast, entitlement: Entitlement
) -> None:
    approve(entitlement, by=Actor(cast.sandra), note="Welcome")
    assert entitlement.state == "approved"
    pull_user = PullUser.objects.get()
    assert (pull_user.name, pull_user.desired, pull_user.status) == (
        "birch-bank",
        "present",
        "waiting",
    )
    assert pull_user.due_at is not None
    assert desired_grants() == {"acme/server", "acme/agent"}
    event = AuditEvent.objects.first()
    assert event is not None
    assert (event.action, event.actor, event.reason) == (Action.APPROVED, cast.sandra, "Welcome")


@pytest.mark.parametrize("again", [approve, reject])
def test_second_decision_is_refused_and_changes_nothing(
    cast: Cast, entitlement: Entitlement, again: Callable[..., None]
) -> None:
    read_before = Entitlement.objects.get(pk=entitlement.pk)
    approve(entitlement, by=Actor(cast.sandra))
    with pytest.raises(Refused, match="is approved"):
        again(read_before, by=Actor(cast.sandra), note="again")
    assert AuditEvent.objects.count() == 2
    assert Entitlement.objects.get().decision_note == ""


@pytest.mark.parametrize("who", ["alice", "otto"])
def test_only_sales_decide(cast: Cast, entitlement: Entitlement, who: str) -> None:
    by = Actor(getattr(cast, who))
    with pytest.raises(NotAllowed, match="Sales"):
        approve(entitlement, by=by)
    with pytest.raises(NotAllowed, match="Sales"):
        reject(entitlement, by=by, note="no")
    with pytest.raises(NotAllowed, match="Sales"):
        withdraw(entitlement, by=by, reason="no")
    entitlement.refresh_from_db()
    assert entitlement.state == "requested"


def test_product_without_repositories_cannot_be_approved(
    cast: Cast, entitlement: Entitlement
) -> None:
    cast.server.repositories.clear()
    with pytest.raises(Refused, match="has no repository yet"):
        approve(entitlement, by=Actor(cast.sandra))
    entitlement.refresh_from_db()
    assert entitlement.state == "requested"


def test_end_before_the_start_or_in_the_past_is_refused(
    cast: Cast, entitlement: Entitlement
) -> None:
    now = timezone.now()
    for starts_at, ends_at in [
        (None, now - timedelta(days=1)),
        (now + timedelta(days=2), now + timedelta(days=1)),
    ]:
        with pytest.raises(Refused, match="The end must be after the start"):
            approve(entitlement, by=Actor(cast.sandra), starts_at=starts_at, ends_at=ends_at)


def test_rejection_needs_a_note_and_opens_nothing(cast: Cast, entitlement: Entitlement) -> None:
    with pytest.raises(Refused, match="Say why"):
        reject(entitlement, by=Actor(cast.sandra), note=" ")
    reject(entitlement, by=Actor(cast.sandra), note="No contract")
    assert Entitlement.objects.get().state == "rejected"
    assert not PullUser.objects.exists()


def test_rejected_customer_may_request_again(cast: Cast, entitlement: Entitlement) -> None:
    reject(entitlement, by=Actor(cast.sandra), note="No contract")
    request(cast.birch, cast.server, by=Actor(cast.alice))


def test_withdrawal_removes_the_grants_and_the_pull_user(
    cast: Cast, entitlement: Entitlement
) -> None:
    approve(entitlement, by=Actor(cast.sandra))
    withdraw(entitlement, by=Actor(cast.sandra), reason="Contract ended")
    assert Entitlement.objects.get().state == "withdrawn"
    assert desired_grants() == set()
    assert PullUser.objects.get().desired == "absent"
    assert Repository.objects.filter(due_at__isnull=False).count() == 2


def test_withdrawal_keeps_the_grants_that_another_product_needs(
    cast: Cast, entitlement: Entitlement
) -> None:
    shared = Repository.objects.get(name="acme/agent")
    cast.reports.repositories.add(shared)
    approve(entitlement, by=Actor(cast.sandra))
    other = request(cast.birch, cast.reports, by=Actor(cast.alice))
    approve(other, by=Actor(cast.sandra))
    withdraw(entitlement, by=Actor(cast.sandra), reason="Only reports from now on")
    assert desired_grants() == {"acme/agent", "acme/reports"}
    assert PullUser.objects.get().desired == "present"


def test_withdrawal_of_a_request_is_refused(cast: Cast, entitlement: Entitlement) -> None:
    with pytest.raises(Refused, match="is requested"):
        withdraw(entitlement, by=Actor(cast.sandra), reason="x")


def test_access_starts_at_its_start_and_not_before(cast: Cast, entitlement: Entitlement) -> None:
    approve(entitlement, by=Actor(cast.sandra), starts_at=timezone.now() + timedelta(days=1))
    apply_due()
    assert desired_grants() == set()
    yesterday = timezone.now() - timedelta(days=1)
    Entitlement.objects.update(starts_at=yesterday, due_at=yesterday)
    apply_due()
    assert desired_grants() == {"acme/server", "acme/agent"}


def test_access_ends_at_its_end(cast: Cast, entitlement: Entitlement) -> None:
    approve(entitlement, by=Actor(cast.sandra), ends_at=timezone.now() + timedelta(days=1))
    apply_due()
    assert desired_grants() == {"acme/server", "acme/agent"}
    past = timezone.now() - timedelta(seconds=1)
    Entitlement.objects.update(starts_at=past - timedelta(days=1), ends_at=past, due_at=past)
    apply_due()
    assert Entitlement.objects.get().state == "expired"
    assert desired_grants() == set()


def test_changed_product_changes_what_its_customers_may_pull(
    cast: Cast, entitlement: Entitlement
) -> None:
    approve(entitlement, by=Actor(cast.sandra))
    cast.server.repositories.set(Repository.objects.filter(name="acme/reports"))
    product_changed(cast.server)
    apply_due()
    assert desired_grants() == {"acme/reports"}


def test_withdrawal_during_a_turn_makes_its_rows_due_whatever_their_status(
    cast: Cast, entitlement: Entitlement
) -> None:
    # A turn that has read the grants as desired is about to record that AWS has them.
    approve(entitlement, by=Actor(cast.sandra))
    assert not Grant.objects.filter(in_repository_policy=True).exists()
    PullUser.objects.update(status="gone", due_at=None)
    Repository.objects.update(due_at=None)
    withdraw(entitlement, by=Actor(cast.sandra), reason="Contract ended")
    assert PullUser.objects.get().due_at is not None
    assert Repository.objects.filter(due_at__isnull=False).count() == 2


def test_request_cannot_be_approved_by_the_person_who_prepared_it(
    cast: Cast, settings: Settings
) -> None:
    settings.FOUR_EYES = True
    entitlement = Entitlement(customer=cast.birch, product=cast.server)
    prepare(entitlement, by=Actor(cast.sandra))
    with pytest.raises(Refused, match="A colleague in sales can approve it"):
        approve(entitlement, by=Actor(cast.sandra))
    entitlement.refresh_from_db()
    assert entitlement.state == "requested"
    settings.FOUR_EYES = False
    approve(entitlement, by=Actor(cast.sandra))
