"""What the portal did itself is no change by others, also where it did not see what came of it."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any, Protocol

import pytest
from botocore.httpsession import URLLib3Session
from django.utils import timezone
from pytest_django.fixtures import Settings

from accounts.models import Customer
from provisioning import reconciler, tasks
from provisioning.demo.seed import ACCOUNT_ID, Cast
from provisioning.desired.grants import placement_changed
from provisioning.embedded_aws import identities
from provisioning.embedded_aws.faults import Fault, Kind
from provisioning.flows import Actor
from provisioning.flows.credentials import activate, deactivate
from provisioning.flows.entitlements import suspend, withdraw
from provisioning.models import (
    AccessKey,
    Drift,
    Entitlement,
    Grant,
    PullUser,
    Reconciled,
    Repository,
    StepAttempt,
)
from tests.aws import Aws
from tests.entitlements import approved
from tests.repository_policies import admitted
from tests.worker import long_ago, run_until_settled, take_turns

BUSY = "ConcurrentModification"


@pytest.fixture(autouse=True)
def _soon(settings: Settings) -> None:
    settings.DRIFT_CONFIRM = settings.REPOSITORY_WRITE_INTERVAL = timedelta(0)


class BeforeSending(Protocol):
    def __call__(self, operation: str, act: Callable[[], None], times: int = 9) -> None: ...


@pytest.fixture
def before_sending(monkeypatch: pytest.MonkeyPatch) -> BeforeSending:
    """Has something happen each time before a request of an operation leaves this process."""

    def register(operation: str, act: Callable[[], None], times: int = 9) -> None:
        send, left = URLLib3Session.send, [None] * times

        def act_first(session: URLLib3Session, request: Any) -> Any:
            target = str(request.headers.get("X-Amz-Target", "")) + str(request.body)
            if operation in target and left:
                left.pop()
                act()
            return send(session, request)

        monkeypatch.setattr(URLLib3Session, "send", act_first)

    return register


def _newcomer(name: str, repository: Repository) -> None:
    """A user that ECR does not know."""
    customer = Customer.objects.create(name=name, slug=name)
    arn = f"arn:aws:iam::{ACCOUNT_ID}:user/ecr-portal/{name}"
    row = PullUser.objects.create(
        customer=customer, account_id=ACCOUNT_ID, name=name, arn=arn, status="ready"
    )
    Grant.objects.create(pull_user=row, repository=repository)


def test_write_that_ecr_accepted_before_it_refused_the_next_one(
    aws: Aws, cast: Cast, before_sending: BeforeSending
) -> None:
    approved(cast)
    entitlement = approved(cast, customer=cast.cedar)
    take_turns()
    server = Repository.objects.get(name="acme/server")
    for name in ("a", "b"):
        _newcomer(name, server)
    withdraw(entitlement, by=Actor(cast.sandra), reason="Contract ended")
    writes: list[None] = []

    def fail_the_third() -> None:
        writes.append(None)
        if len(writes) == 3:
            refusal = Fault("SetRepositoryPolicy", Kind.REFUSED, 1, 404, "NoSuchEntity", "No.")
            aws.embedded.faults.lay(refusal)

    before_sending("SetRepositoryPolicy", fail_the_third)
    reconciler.repository_turn(server.pk)
    assert Repository.objects.get(pk=server.pk).failures == 1
    Repository.objects.filter(pk=server.pk).update(due_at=timezone.now())
    reconciler.repository_turn(server.pk)
    assert not Drift.objects.exists()


@pytest.mark.parametrize("times", [1, 3], ids=["by botocore's repetition", "on the next turn"])
def test_own_policy_whose_answer_was_lost_before_the_next_one_was_refused(
    aws: Aws, cast: Cast, times: int
) -> None:
    Repository.objects.update(placement="user_policy")
    approved(cast)
    take_turns()
    # They arrive; and what is desired then does not.
    aws.embedded.faults.lay(Fault("PutUserPolicy", Kind.LOST, times))
    if times == 1:
        aws.embedded.faults.lay(Fault("PutUserPolicy", Kind.REFUSED, 1, 409, BUSY, "Busy."))
    entitlement = approved(cast, cast.reports)
    take_turns()
    withdraw(entitlement, by=Actor(cast.sandra), reason="Contract ended")
    if times == 3:
        aws.embedded.faults.lay(Fault("PutUserPolicy", Kind.REFUSED, 1, 409, BUSY, "Busy."))
    take_turns(even_if_not_due=True)
    assert aws.embedded.faults.are_used_up
    run_until_settled()
    assert not Drift.objects.exists()


# One call, with botocore's repetitions.
TRIES = 3


def test_statement_that_arrived_before_another_of_which_nothing_is_known_either(
    aws: Aws, cast: Cast
) -> None:
    entitlement = approved(cast)
    run_until_settled()
    aws.embedded.faults.lay(Fault("DeleteRepositoryPolicy", Kind.LOST, 2 * TRIES))
    withdraw(entitlement, by=Actor(cast.sandra), reason="Contract ended")
    take_turns(even_if_not_due=True)
    fault = Fault("SetRepositoryPolicy", Kind.REFUSED, 2 * TRIES, 500, "ServerException", "Failed.")
    aws.embedded.faults.lay(fault)
    approved(cast, customer=cast.cedar)
    take_turns(even_if_not_due=True)
    assert aws.repository_policy("acme/server") is None
    assert aws.embedded.faults.are_used_up
    approved(cast)
    run_until_settled()
    assert not Drift.objects.exists()


def test_own_policy_that_arrived_before_another_of_which_nothing_is_known_either(
    aws: Aws, cast: Cast
) -> None:
    Repository.objects.update(placement="user_policy")
    server = approved(cast)
    run_until_settled()
    aws.embedded.faults.lay(Fault("PutUserPolicy", Kind.LOST, TRIES))
    reports = approved(cast, cast.reports)
    take_turns()
    fault = Fault("PutUserPolicy", Kind.REFUSED, TRIES, 500, "ServiceFailure", "Failed.")
    aws.embedded.faults.lay(fault)
    withdraw(server, by=Actor(cast.sandra), reason="Contract ended")
    take_turns(even_if_not_due=True)
    assert aws.embedded.faults.are_used_up
    approved(cast)
    withdraw(reports, by=Actor(cast.sandra), reason="Contract ended")
    run_until_settled()
    assert not Drift.objects.exists()


def test_own_policy_that_was_written_while_another_became_desired(
    aws: Aws, cast: Cast, before_sending: BeforeSending
) -> None:
    """Of a user that was created by a step that failed afterwards: nothing was known of it."""
    Repository.objects.update(placement="user_policy")
    for operation in ("AttachUserPolicy", "PutUserPolicy"):
        fault = Fault(operation, Kind.REFUSED, TRIES, 500, "ServiceFailure", "Failed.")
        aws.embedded.faults.lay(fault)
    entitlement = approved(cast)
    take_turns()

    def change_mind() -> None:
        suspend(entitlement, by=Actor(cast.sandra), reason="The invoice is open")

    before_sending("PutUserPolicy", change_mind, times=1)
    run_until_settled()
    assert aws.embedded.faults.are_used_up
    assert not Drift.objects.exists()


def test_user_that_iam_does_not_show_for_once_is_not_called_gone(aws: Aws, cast: Cast) -> None:
    entitlement = approved(cast)
    run_until_settled()
    long_ago()
    aws.embedded.faults.lay(
        Fault("GetUser", Kind.REFUSED, 1, 404, "NoSuchEntity", "It cannot be found.")
    )
    withdraw(entitlement, by=Actor(cast.sandra), reason="Contract ended")
    run_until_settled()
    assert aws.embedded.faults.are_used_up
    assert aws.users() == []
    assert Entitlement.objects.get().closed_at


def _place(repository: Repository, placement: str) -> None:
    repository.placement = placement
    repository.save(update_fields=["placement"])
    placement_changed(repository)


@pytest.mark.parametrize("first", ["repository", "user"])
def test_grant_that_is_moved_to_and_fro_is_in_one_place_at_any_time(
    aws: Aws, cast: Cast, before_sending: BeforeSending, first: str
) -> None:
    """Each of two turns saw that the other place has it, and is about to take it away here."""
    approved(cast)
    run_until_settled()
    server, user = Repository.objects.get(name="acme/server"), PullUser.objects.get()

    def places() -> set[str]:
        named = admitted(aws.repository_policy("acme/server"))
        own = identities.iam(ACCOUNT_ID).users["birch-bank"].policies
        found = {"repository_policy"} if user.arn in named else set()
        return found | ({"user_policy"} if "acme/server" in str(own) else set())

    # In the middle of a move both have it.
    _place(server, "user_policy")
    reconciler.pull_user_turn(user.pk)
    assert places() == {"repository_policy", "user_policy"}
    # One turn takes it away in one place; meanwhile it is moved back, and another turn begins.
    if first == "repository":
        last, read = "repository_policy", "GetRepositoryPolicy"
        one, other = reconciler.repository_turn, reconciler.pull_user_turn
        of_one, of_other = server.pk, user.pk
    else:
        _place(server, "repository_policy")
        last, read = "user_policy", "GetUser"
        one, other = reconciler.pull_user_turn, reconciler.repository_turn
        of_one, of_other = user.pk, server.pk

    def move_back() -> None:
        _place(server, last)
        other(of_other)

    before_sending(read, move_back, times=1)
    one(of_one)
    assert places()
    run_until_settled()
    assert places() == {last}
    assert not Drift.objects.exists()


def _let_another_worker_have(row: Reconciled) -> None:
    """This one has stalled for longer than its lease."""
    past = timezone.now() - timedelta(seconds=1)
    type(row)._default_manager.filter(pk=row.pk).update(lease_until=past, due_at=past)


def test_key_that_a_stalled_worker_sets_after_another_did(
    aws: Aws, cast: Cast, before_sending: BeforeSending
) -> None:
    approved(cast)
    take_turns()
    key, alice = AccessKey.objects.get(), Actor(cast.alice)
    deactivate(key, by=alice)

    def stall() -> None:
        _let_another_worker_have(key.pull_user)
        activate(AccessKey.objects.get(), by=alice)
        reconciler.pull_user_turn(key.pull_user.pk)

    before_sending("UpdateAccessKey", stall, times=1)
    reconciler.pull_user_turn(key.pull_user.pk)
    assert aws.keys("birch-bank") == {key.access_key_id: "Inactive"}
    run_until_settled()
    assert aws.keys("birch-bank") == {key.access_key_id: "Active"}
    assert not Drift.objects.exists()


def test_key_that_a_stalled_worker_creates_after_another_did(
    aws: Aws, cast: Cast, before_sending: BeforeSending
) -> None:
    approved(cast)
    row = PullUser.objects.get()

    def stall() -> None:
        _let_another_worker_have(row)
        StepAttempt.objects.update(started_at=timezone.now() - timedelta(minutes=10))
        reconciler.pull_user_turn(row.pk)

    before_sending("CreateAccessKey", stall, times=1)
    reconciler.pull_user_turn(row.pk)
    assert len(aws.keys("birch-bank")) == 2
    run_until_settled()
    assert list(aws.keys("birch-bank")) == [AccessKey.objects.current().get().access_key_id]
    assert not Drift.objects.exists()


def test_statement_that_a_stalled_worker_sets_after_another_did(
    aws: Aws, cast: Cast, before_sending: BeforeSending
) -> None:
    approved(cast, customer=cast.cedar)
    take_turns()
    entitlement = approved(cast)
    row = Repository.objects.get(name="acme/server")
    reconciler.pull_user_turn(PullUser.objects.get(name="birch-bank").pk)

    def stall() -> None:
        _let_another_worker_have(row)
        withdraw(entitlement, by=Actor(cast.sandra), reason="Contract ended")
        reconciler.repository_turn(row.pk)

    before_sending("SetRepositoryPolicy", stall, times=1)
    reconciler.repository_turn(row.pk)
    assert len(admitted(aws.repository_policy("acme/server"))) == 2
    run_until_settled()
    cedar = PullUser.objects.get(name="cedar-clinic")
    assert admitted(aws.repository_policy("acme/server")) == {cedar.arn}
    assert not Drift.objects.exists()


def test_user_that_was_created_again_by_a_step_that_failed_and_lost_a_tag(
    aws: Aws, cast: Cast
) -> None:
    approved(cast)
    take_turns()
    long_ago()
    aws.delete_user("birch-bank")
    aws.embedded.faults.lay(Fault("AttachUserPolicy", Kind.REFUSED, times=3))
    for _ in range(2):
        # Drift is seen twice before it is repaired.
        take_turns(even_if_not_due=True)
    aws.iam.untag_user(UserName="birch-bank", TagKeys=["managed-by"])
    run_until_settled()
    row = PullUser.objects.get()
    assert (row.status, row.attention) == ("ready", "")
    assert row.arn in admitted(aws.repository_policy("acme/server"))


def test_grant_that_a_refused_write_left_is_not_gone_because_a_stale_read_says_so(
    aws: Aws, cast: Cast
) -> None:
    approved(cast, cast.reports)
    entitlement = approved(cast)
    run_until_settled()
    aws.embedded.faults.lay(Fault("DeleteRepositoryPolicy", Kind.REFUSED, 9))
    withdraw(entitlement, by=Actor(cast.sandra), reason="Contract ended")
    take_turns()
    aws.embedded.faults.lay(Fault("GetRepositoryPolicy", Kind.STALE, 9))
    take_turns(even_if_not_due=True)
    tasks.sweep()
    entitlement.refresh_from_db()
    assert admitted(aws.repository_policy("acme/server"))
    assert entitlement.closed_at is None
    aws.embedded.faults.clear()
    run_until_settled()
    tasks.sweep()
    entitlement.refresh_from_db()
    assert not admitted(aws.repository_policy("acme/server"))
    assert entitlement.closed_at is not None


def test_key_that_could_not_be_tested_is_not_said_to_be_refused(aws: Aws, cast: Cast) -> None:
    aws.embedded.faults.lay(Fault("GetAuthorizationToken", Kind.LOST, 99))
    approved(cast)
    take_turns()
    long_ago()
    take_turns(even_if_not_due=True)
    assert StepAttempt.objects.filter(step="verify_access_key", outcome="temporary").exists()
    assert not Drift.objects.exists()


def test_key_that_was_off_while_it_was_tested_is_not_said_to_be_refused(
    aws: Aws, cast: Cast
) -> None:
    aws.embedded.config.key_propagation_seconds = 3600
    approved(cast)
    take_turns()
    key = AccessKey.objects.get()
    assert key.refused_since is not None
    for switch in (deactivate, activate):
        switch(AccessKey.objects.get(), by=Actor(cast.alice))
        take_turns(even_if_not_due=True)
    AccessKey.objects.update(created_at=timezone.now() - timedelta(minutes=10))
    take_turns(even_if_not_due=True)
    assert not Drift.objects.exists()
