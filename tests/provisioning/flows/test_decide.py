from datetime import timedelta

import pytest
from django.utils import timezone
from pytest_django.fixtures import Settings

from accounts.audit import Deed
from accounts.models import AuditEvent
from provisioning.demo.cast import Cast
from provisioning.flows import By, NotAllowed, Refused
from provisioning.flows.decide import approve, reject, withdraw
from provisioning.flows.request import prepare, request
from provisioning.models import Entitlement, Grant, PullUser, Repository
from provisioning.wanted import settle_dates


@pytest.fixture
def entitlement(cast: Cast) -> Entitlement:
    return request(cast.birch, cast.server, by=By(cast.alice))


def wanted_grants() -> set[str]:
    rows = Grant.objects.filter(wanted="present").select_related("repository")
    return {row.repository.name for row in rows}


def test_approval_wants_a_user_and_a_grant_for_each_repository(
    cast: Cast, entitlement: Entitlement
) -> None:
    approve(entitlement, by=By(cast.sandra), note="Welcome")
    assert entitlement.state == "approved"
    pull_user = PullUser.objects.get()
    assert (pull_user.name, pull_user.wanted, pull_user.status) == (
        "birch-bank",
        "present",
        "waiting",
    )
    assert pull_user.due_at is not None
    assert wanted_grants() == {"acme/server", "acme/agent"}
    line = AuditEvent.objects.first()
    assert line is not None
    assert (line.deed, line.actor, line.reason) == (Deed.APPROVED, cast.sandra, "Welcome")


@pytest.mark.parametrize("again", [approve, reject])
def test_second_decision_is_refused_and_changes_nothing(
    cast: Cast, entitlement: Entitlement, again: object
) -> None:
    read_before = Entitlement.objects.get(pk=entitlement.pk)
    approve(entitlement, by=By(cast.sandra))
    with pytest.raises(Refused, match="is approved"):
        again(read_before, by=By(cast.sandra), note="again")  # type: ignore[operator]
    assert AuditEvent.objects.count() == 2
    assert Entitlement.objects.get().decision_note == ""


@pytest.mark.parametrize("who", ["alice", "otto"])
def test_only_sales_decide(cast: Cast, entitlement: Entitlement, who: str) -> None:
    by = By(getattr(cast, who))
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
    with pytest.raises(Refused, match="opens no repository"):
        approve(entitlement, by=By(cast.sandra))
    entitlement.refresh_from_db()
    assert entitlement.state == "requested"


def test_end_before_the_start_is_refused(cast: Cast, entitlement: Entitlement) -> None:
    now = timezone.now()
    for starts_at, ends_at in [
        (None, now - timedelta(days=1)),
        (now + timedelta(days=2), now + timedelta(days=1)),
    ]:
        with pytest.raises(Refused, match="The end must lie"):
            approve(entitlement, by=By(cast.sandra), starts_at=starts_at, ends_at=ends_at)


def test_rejection_needs_a_note_and_opens_nothing(cast: Cast, entitlement: Entitlement) -> None:
    with pytest.raises(Refused, match="Say why"):
        reject(entitlement, by=By(cast.sandra), note=" ")
    reject(entitlement, by=By(cast.sandra), note="No contract")
    assert Entitlement.objects.get().state == "rejected"
    assert not PullUser.objects.exists()


def test_rejected_customer_may_ask_again(cast: Cast, entitlement: Entitlement) -> None:
    reject(entitlement, by=By(cast.sandra), note="No contract")
    request(cast.birch, cast.server, by=By(cast.alice))


def test_withdrawal_unwants_the_grants_and_the_user(cast: Cast, entitlement: Entitlement) -> None:
    approve(entitlement, by=By(cast.sandra))
    withdraw(entitlement, by=By(cast.sandra), reason="Contract ended")
    assert Entitlement.objects.get().state == "withdrawn"
    assert wanted_grants() == set()
    assert PullUser.objects.get().wanted == "absent"
    assert Repository.objects.filter(due_at__isnull=False).count() == 2


def test_withdrawal_leaves_what_another_product_opens(cast: Cast, entitlement: Entitlement) -> None:
    shared = Repository.objects.get(name="acme/agent")
    cast.reports.repositories.add(shared)
    approve(entitlement, by=By(cast.sandra))
    other = request(cast.birch, cast.reports, by=By(cast.alice))
    approve(other, by=By(cast.sandra))
    withdraw(entitlement, by=By(cast.sandra), reason="Only reports from now on")
    assert wanted_grants() == {"acme/agent", "acme/reports"}
    assert PullUser.objects.get().wanted == "present"


def test_withdrawal_of_a_request_is_refused(cast: Cast, entitlement: Entitlement) -> None:
    with pytest.raises(Refused, match="is requested"):
        withdraw(entitlement, by=By(cast.sandra), reason="x")


def test_access_begins_at_its_start_and_not_before(cast: Cast, entitlement: Entitlement) -> None:
    approve(entitlement, by=By(cast.sandra), starts_at=timezone.now() + timedelta(days=1))
    settle_dates()
    assert wanted_grants() == set()
    yesterday = timezone.now() - timedelta(days=1)
    Entitlement.objects.update(starts_at=yesterday, due_at=yesterday)
    settle_dates()
    assert wanted_grants() == {"acme/server", "acme/agent"}


def test_access_ends_at_its_end(cast: Cast, entitlement: Entitlement) -> None:
    approve(entitlement, by=By(cast.sandra), ends_at=timezone.now() + timedelta(days=1))
    settle_dates()
    assert wanted_grants() == {"acme/server", "acme/agent"}
    past = timezone.now() - timedelta(seconds=1)
    Entitlement.objects.update(starts_at=past - timedelta(days=1), ends_at=past, due_at=past)
    settle_dates()
    assert Entitlement.objects.get().state == "expired"
    assert wanted_grants() == set()


def test_changed_product_changes_what_its_customers_may_pull(
    cast: Cast, entitlement: Entitlement
) -> None:
    from provisioning.wanted import product_changed

    approve(entitlement, by=By(cast.sandra))
    cast.server.repositories.set(Repository.objects.filter(name="acme/reports"))
    product_changed(cast.server)
    settle_dates()
    assert wanted_grants() == {"acme/reports"}


def test_withdrawal_beside_a_turn_that_has_yet_to_record_is_not_forgotten(
    cast: Cast, entitlement: Entitlement
) -> None:
    # The grant was gone once; a turn that has read it as wanted is about to write "ready".
    approve(entitlement, by=By(cast.sandra))
    Grant.objects.update(status="gone")
    PullUser.objects.update(status="gone", due_at=None)
    Repository.objects.update(due_at=None)
    withdraw(entitlement, by=By(cast.sandra), reason="Contract ended")
    assert PullUser.objects.get().due_at is not None
    assert Repository.objects.filter(due_at__isnull=False).count() == 2


def test_who_prepared_a_request_leaves_its_approval_to_somebody_else(
    cast: Cast, settings: Settings
) -> None:
    settings.FOUR_EYES = True
    entitlement = Entitlement(customer=cast.birch, product=cast.server)
    prepare(entitlement, by=By(cast.sandra))
    with pytest.raises(Refused, match="A colleague in sales can approve it"):
        approve(entitlement, by=By(cast.sandra))
    entitlement.refresh_from_db()
    assert entitlement.state == "requested"
    settings.FOUR_EYES = False
    approve(entitlement, by=By(cast.sandra))
