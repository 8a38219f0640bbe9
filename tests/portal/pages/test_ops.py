"""The dashboard: ops alone, everything on it, and the deeds they do from it."""

from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from accounts.models import AuditEvent, Customer
from provisioning.demo.cast import Cast
from provisioning.flows import By
from provisioning.flows.decide import withdraw
from provisioning.flows.request import request
from provisioning.flows.reveal import reveal
from provisioning.models import AccessKey, OneTimeSecret, PullUser, Repository
from tests.portal.pages.everywhere import database
from tests.portal.pages.reading import as_user, steps, words
from tests.provisioned import SECRET, add_key, approved, provision


@pytest.fixture
def pull_user(cast: Cast) -> PullUser:
    """Birch Bank's, whose key Alice has revealed."""
    approved(cast)
    pull_user = provision(cast.birch)
    reveal(pull_user, by=By(cast.alice))
    return pull_user


@pytest.fixture
def addresses(pull_user: PullUser) -> list[str]:
    repository = Repository.objects.get(name="acme/server")
    return [
        "/ops/",
        f"/ops/pull-users/{pull_user.pk}/reissue/",
        f"/ops/pull-users/{pull_user.pk}/retry/",
        f"/ops/repositories/{repository.pk}/retry/",
    ]


# --- Who ---------------------------------------------------------------------------


@pytest.mark.parametrize("who", ["sandra", "alice", "bob", "charlie"])
def test_only_ops_get_in(cast: Cast, addresses: list[str], who: str) -> None:
    client = as_user(getattr(cast, who))
    before = database()
    for address in addresses:
        assert client.get(address).status_code == 403
        assert client.post(address, {"reason": "x", "overlap": "0"}).status_code == 403
    assert database() == before


def test_stranger_is_asked_to_sign_in(client: Client, addresses: list[str]) -> None:
    for address in addresses:
        assert client.get(address)["Location"] == f"/account/login/?next={address}"
        assert client.post(address)["Location"] == f"/account/login/?next={address}"


def test_retry_is_no_link_to_follow(cast: Cast, addresses: list[str]) -> None:
    for address in addresses[2:]:
        assert as_user(cast.otto).get(address).status_code == 405
    assert not AuditEvent.objects.filter(deed="retried").exists()


def test_what_does_not_exist_is_not_found(cast: Cast) -> None:
    client = as_user(cast.otto)
    assert client.get("/ops/pull-users/999/reissue/").status_code == 404
    assert client.post("/ops/pull-users/999/retry/").status_code == 404
    assert client.post("/ops/repositories/999/retry/").status_code == 404


# --- The dashboard -----------------------------------------------------------------


def test_empty_dashboard_says_what_will_be_there(cast: Cast) -> None:
    assert "No entitlements yet" in words(as_user(cast.otto).get("/ops/"))


def test_dashboard_shows_every_customers_entitlement_and_its_steps(
    cast: Cast, pull_user: PullUser
) -> None:
    request(cast.cedar, cast.reports, by=By(cast.charlie))
    shown = as_user(cast.otto).get("/ops/")
    assert "Birch Bank: Acme Server Ready" in words(shown)
    assert "Cedar Clinic: Acme Reports Requested" in words(shown)
    assert steps(shown)["Repository acme/server opened"] == "done"
    assert f'href="/ops/pull-users/{pull_user.pk}/reissue/"' in shown.content.decode()
    assert "/retry/" not in shown.content.decode()
    assert SECRET not in shown.content.decode()


def test_what_is_stuck_is_shown_with_its_error_and_a_retry(cast: Cast, pull_user: PullUser) -> None:
    PullUser.objects.update(status="waiting", failures=2, last_error="IAM does not answer.")
    agent = Repository.objects.filter(name="acme/agent")
    agent.update(attention="It does not exist. Create it in ECR.", failures=1)
    shown = as_user(cast.otto).get("/ops/")
    assert "IAM does not answer." in words(shown)
    assert f'action="/ops/pull-users/{pull_user.pk}/retry/"' in shown.content.decode()
    assert f'action="/ops/repositories/{agent.get().pk}/retry/"' in shown.content.decode()
    PullUser.objects.update(status="ready", failures=0)
    pull_user.grants.filter(repository__in=agent).update(status="waiting")
    assert "It does not exist. Create it in ECR." in words(as_user(cast.otto).get("/ops/"))


def test_further_pages_hold_the_rest(cast: Cast) -> None:
    for number in range(30):
        customer = Customer.objects.create(name=f"Customer {number:02}", slug=f"customer-{number}")
        entitlement = customer.entitlements.create(product=cast.server, requested_by=cast.sandra)
        entitlement.requested_at = timezone.now() - timedelta(minutes=number)
        entitlement.save()
    client = as_user(cast.otto)
    assert "Customer 00: Acme Server" in words(client.get("/ops/"))
    assert "Customer 29: Acme Server" not in words(client.get("/ops/"))
    assert "Customer 29: Acme Server" in words(client.get("/ops/?page=2"))
    assert "Customer 29: Acme Server" in words(client.get("/ops/?page=99"))


# --- Reissue -----------------------------------------------------------------------


def test_reissue_keeps_the_old_key_for_the_chosen_overlap(
    cast: Cast, pull_user: PullUser, addresses: list[str]
) -> None:
    client = as_user(cast.otto)
    assert "Reissue the keys of Birch Bank" in words(client.get(addresses[1]))
    shown = client.post(addresses[1], {"reason": "Rotation", "overlap": "1"}, follow=True)
    assert "A new key for Birch Bank is being made; they reveal it." in words(shown)
    assert steps(shown)["Access key made"] == "working"
    retires_at = AccessKey.objects.get().retires_at
    assert retires_at is not None
    assert timedelta(hours=23) < retires_at - timezone.now() <= timedelta(days=1)
    assert AuditEvent.objects.get(deed="reissued").reason == "Rotation"


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"reason": "", "overlap": "1"}, "This field is required."),
        ({"reason": "  ", "overlap": "1"}, "This field is required."),
        ({"reason": "Rotation"}, "This field is required."),
        ({"reason": "Rotation", "overlap": "5"}, "5 is not one of the available choices"),
        ({"reason": "Rotation", "overlap": "-1"}, "-1 is not one of the available choices"),
    ],
)
def test_reissue_without_reason_or_overlap_changes_nothing(
    cast: Cast, addresses: list[str], fields: dict[str, str], said: str
) -> None:
    shown = as_user(cast.otto).post(addresses[1], fields)
    assert said in words(shown)
    assert AccessKey.objects.get().retires_at is None


def test_third_key_makes_ops_choose(cast: Cast, pull_user: PullUser, addresses: list[str]) -> None:
    client = as_user(cast.otto)
    first = AccessKey.objects.get()
    assert "give_up" not in client.get(addresses[1]).content.decode()
    client.post(addresses[1], {"reason": "Rotation", "overlap": "7"})
    second = add_key(pull_user)
    OneTimeSecret.objects.update(sealed=None, revealed_at=timezone.now(), revealed_by=cast.alice)
    assert first.access_key_id in words(client.get(addresses[1]))
    unchosen = client.post(addresses[1], {"reason": "Again", "overlap": "7"})
    assert "This field is required." in words(unchosen)
    strange = client.post(addresses[1], {"reason": "Again", "overlap": "7", "give_up": "AKIAX"})
    assert "AKIAX is not one of the available choices" in words(strange)
    second.refresh_from_db()
    assert second.retires_at is None
    client.post(addresses[1], {"reason": "Again", "overlap": "7", "give_up": first.access_key_id})
    first.refresh_from_db()
    assert first.retires_at is not None
    assert first.retires_at <= timezone.now()


def test_reissue_of_ended_access_is_refused_in_words(
    cast: Cast, pull_user: PullUser, addresses: list[str]
) -> None:
    withdraw(cast.birch.entitlements.get(), by=By(cast.sandra), reason="Contract ended")
    client = as_user(cast.otto)
    assert addresses[1] not in client.get("/ops/").content.decode()
    shown = client.post(addresses[1], {"reason": "Rotation", "overlap": "7"}, follow=True)
    assert "The customer has no access" in words(shown)
    assert OneTimeSecret.objects.count() == 1


# --- Retry -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("place", "model", "said"),
    [
        (2, PullUser, "birch-bank is tried again now."),
        (3, Repository, "acme/server is tried again now."),
    ],
)
def test_retry_makes_the_row_due_now(
    cast: Cast,
    addresses: list[str],
    place: int,
    model: type[PullUser] | type[Repository],
    said: str,
) -> None:
    later = timezone.now() + timedelta(hours=1)
    model.objects.update(due_at=later, failures=4)
    shown = as_user(cast.otto).post(addresses[place], follow=True)
    assert said in words(shown)
    pk = int(addresses[place].split("/")[3])
    row = model.objects.get(pk=pk)
    assert (row.failures, row.due_at == later) == (0, False)
    assert not model.objects.exclude(pk=pk).exclude(due_at=later).exists()
    line = AuditEvent.objects.get(deed="retried")
    assert (line.actor, line.address) == (cast.otto, "127.0.0.1")
