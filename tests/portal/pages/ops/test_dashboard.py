"""The dashboard: only for ops, with everything on it, and the actions that start from it."""

from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from accounts.models import AuditEvent, Customer
from provisioning.demo.seed import Cast
from provisioning.flows import Actor
from provisioning.flows.credentials import reveal
from provisioning.flows.entitlements import request, withdraw
from provisioning.models import AccessKey, OneTimeSecret, PullUser, Repository
from tests.entitlements import approved
from tests.portal.pages.captured_state import database
from tests.portal.pages.pages import just_signed_in, steps, words
from tests.provisioned import SECRET, add_key, provision


@pytest.fixture
def pull_user(cast: Cast) -> PullUser:
    """Birch Bank's, with a key whose secret Alice has revealed."""
    approved(cast)
    pull_user = provision(cast.birch)
    reveal(pull_user, by=Actor(cast.alice))
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


# --- Who may use it ----------------------------------------------------------------


@pytest.mark.parametrize("who", ["sandra", "alice", "bob", "charlie"])
def test_only_ops_get_in(cast: Cast, addresses: list[str], who: str) -> None:
    client = just_signed_in(getattr(cast, who))
    before = database()
    for address in addresses:
        assert client.get(address).status_code == 403
        assert client.post(address, {"reason": "x", "overlap": "0"}).status_code == 403
    assert database() == before


def test_anonymous_visitor_is_asked_to_sign_in(client: Client, addresses: list[str]) -> None:
    for address in addresses:
        assert client.get(address)["Location"] == f"/account/login/?next={address}"
        assert client.post(address)["Location"] == f"/account/login/?next={address}"


def test_retry_accepts_no_get(cast: Cast, addresses: list[str]) -> None:
    for address in addresses[2:]:
        assert just_signed_in(cast.otto).get(address).status_code == 405
    assert not AuditEvent.objects.filter(action="retried").exists()


def test_unknown_ids_are_not_found(cast: Cast) -> None:
    client = just_signed_in(cast.otto)
    assert client.get("/ops/pull-users/999/reissue/").status_code == 404
    assert client.post("/ops/pull-users/999/retry/").status_code == 404
    assert client.post("/ops/repositories/999/retry/").status_code == 404


# --- The dashboard -----------------------------------------------------------------


def test_empty_dashboard_says_what_will_appear(cast: Cast) -> None:
    assert "No entitlements yet" in words(just_signed_in(cast.otto).get("/ops/"))


def test_dashboard_shows_every_customers_entitlement_and_its_steps(
    cast: Cast, pull_user: PullUser
) -> None:
    request(cast.cedar, cast.reports, by=Actor(cast.charlie))
    shown = just_signed_in(cast.otto).get("/ops/")
    assert "Birch Bank: Acme Server Ready" in words(shown)
    assert "Cedar Clinic: Acme Reports Requested" in words(shown)
    assert steps(shown)["Repository acme/server opened"] == "done"
    assert f'href="/ops/pull-users/{pull_user.pk}/reissue/"' in shown.content.decode()
    assert "/retry/" not in shown.content.decode()
    assert SECRET not in shown.content.decode()


def test_stuck_rows_are_shown_with_their_error_and_a_retry_button(
    cast: Cast, pull_user: PullUser
) -> None:
    PullUser.objects.update(status="waiting", failures=2, last_error="IAM does not answer.")
    agent = Repository.objects.filter(name="acme/agent")
    agent.update(attention="It does not exist. Create it in ECR.", failures=1)
    shown = just_signed_in(cast.otto).get("/ops/")
    assert "IAM does not answer." in words(shown)
    assert f'action="/ops/pull-users/{pull_user.pk}/retry/"' in shown.content.decode()
    assert f'action="/ops/repositories/{agent.get().pk}/retry/"' in shown.content.decode()
    PullUser.objects.update(status="ready", failures=0)
    pull_user.grants.filter(repository__in=agent).update(in_repository_policy=False)
    assert "It does not exist. Create it in ECR." in words(just_signed_in(cast.otto).get("/ops/"))


def test_older_entitlements_are_on_further_pages(cast: Cast) -> None:
    for number in range(30):
        customer = Customer.objects.create(name=f"Customer {number:02}", slug=f"customer-{number}")
        entitlement = customer.entitlements.create(product=cast.server, requested_by=cast.sandra)
        entitlement.requested_at = timezone.now() - timedelta(minutes=number)
        entitlement.save()
    client = just_signed_in(cast.otto)
    assert "Customer 00: Acme Server" in words(client.get("/ops/"))
    assert "Customer 29: Acme Server" not in words(client.get("/ops/"))
    assert "Customer 29: Acme Server" in words(client.get("/ops/?page=2"))
    assert "Customer 29: Acme Server" in words(client.get("/ops/?page=99"))


# --- Reissue -----------------------------------------------------------------------


def test_reissue_keeps_the_old_key_for_the_chosen_overlap(
    cast: Cast, pull_user: PullUser, addresses: list[str]
) -> None:
    client = just_signed_in(cast.otto)
    assert "Reissue the keys of Birch Bank" in words(client.get(addresses[1]))
    shown = client.post(addresses[1], {"reason": "Rotation", "overlap": "1"}, follow=True)
    assert "A new key for Birch Bank is being created. The customer reveals it." in words(shown)
    assert steps(shown)["Access key created"] == "working"
    retires_at = AccessKey.objects.get().retires_at
    assert retires_at is not None
    assert timedelta(hours=23) < retires_at - timezone.now() <= timedelta(days=1)
    assert AuditEvent.objects.get(action="reissued").reason == "Rotation"


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"reason": "", "overlap": "1"}, "This field is required."),
        ({"reason": "  ", "overlap": "1"}, "This field is required."),
        ({"reason": "Rotation"}, "This field is required."),
        ({"reason": "Rotation", "overlap": "5"}, "5 is not one of the available choices"),
        ({"reason": "Rotation", "overlap": "-1"}, "-1 is not one of the available choices"),
    ],
)
def test_reissue_without_reason_or_overlap_changes_nothing(
    cast: Cast, addresses: list[str], fields: dict[str, str], error: str
) -> None:
    shown = just_signed_in(cast.otto).post(addresses[1], fields)
    assert error in words(shown)
    assert AccessKey.objects.get().retires_at is None


def test_third_key_requires_ops_to_choose_one_to_delete(
    cast: Cast, pull_user: PullUser, addresses: list[str]
) -> None:
    client = just_signed_in(cast.otto)
    first = AccessKey.objects.get()
    assert "key_to_delete" not in client.get(addresses[1]).content.decode()
    client.post(addresses[1], {"reason": "Rotation", "overlap": "7"})
    second = add_key(pull_user)
    OneTimeSecret.objects.update(
        ciphertext=None, revealed_at=timezone.now(), revealed_by=cast.alice
    )
    assert first.access_key_id in words(client.get(addresses[1]))
    unchosen = client.post(addresses[1], {"reason": "Again", "overlap": "7"})
    assert "This field is required." in words(unchosen)
    unknown = client.post(
        addresses[1], {"reason": "Again", "overlap": "7", "key_to_delete": "AKIAX"}
    )
    assert "AKIAX is not one of the available choices" in words(unknown)
    second.refresh_from_db()
    assert second.retires_at is None
    client.post(
        addresses[1], {"reason": "Again", "overlap": "7", "key_to_delete": first.access_key_id}
    )
    first.refresh_from_db()
    assert first.retires_at is not None
    assert first.retires_at <= timezone.now()


def test_reissue_of_ended_access_is_refused_with_a_reason(
    cast: Cast, pull_user: PullUser, addresses: list[str]
) -> None:
    withdraw(cast.birch.entitlements.get(), by=Actor(cast.sandra), reason="Contract ended")
    client = just_signed_in(cast.otto)
    assert addresses[1] not in client.get("/ops/").content.decode()
    shown = client.post(addresses[1], {"reason": "Rotation", "overlap": "7"}, follow=True)
    assert "The customer has no access" in words(shown)
    assert OneTimeSecret.objects.count() == 1


# --- Retry -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("index", "model", "message"),
    [
        (2, PullUser, "birch-bank is being retried now."),
        (3, Repository, "acme/server is being retried now."),
    ],
)
def test_retry_makes_the_row_due_now(
    cast: Cast,
    addresses: list[str],
    index: int,
    model: type[PullUser] | type[Repository],
    message: str,
) -> None:
    later = timezone.now() + timedelta(hours=1)
    model.objects.update(due_at=later, failures=4)
    shown = just_signed_in(cast.otto).post(addresses[index], follow=True)
    assert message in words(shown)
    pk = int(addresses[index].split("/")[3])
    row = model.objects.get(pk=pk)
    assert (row.failures, row.due_at == later) == (0, False)
    assert not model.objects.exclude(pk=pk).exclude(due_at=later).exists()
    line = AuditEvent.objects.get(action="retried")
    assert (line.actor, line.address) == (cast.otto, "127.0.0.1")
