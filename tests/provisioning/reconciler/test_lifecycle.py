"""What follows after provisioning: ends, suspensions, key rotation, labels, several accounts."""

from datetime import timedelta

import pytest
from django.utils import timezone
from pytest_django.fixtures import Settings

from provisioning.demo import seed as demo
from provisioning.demo.seed import Cast
from provisioning.desired import grants
from provisioning.documents import names
from provisioning.embedded_aws import EXTERNAL_ID, boundary_arn, identities, role_arn
from provisioning.embedded_aws.calls import Call
from provisioning.embedded_aws.faults import Fault, Kind
from provisioning.flows import Actor, NotAllowed, Refused
from provisioning.flows.credentials import (
    Credentials,
    activate,
    deactivate,
    reissue,
    reveal,
    rotate,
)
from provisioning.flows.customers import resume_customer, suspend_customer
from provisioning.flows.drift import resolve_drift
from provisioning.flows.entitlements import approve, extend, request, resume, suspend, withdraw
from provisioning.flows.labels import add_label, remove_label
from provisioning.models import (
    AccessKey,
    Drift,
    Entitlement,
    Label,
    OneTimeSecret,
    Product,
    PullUser,
    Registry,
    Repository,
)
from provisioning.reconciler import entitlement as entitlement_dates
from tests.aws import Aws
from tests.entitlements import approved
from tests.repository_policies import admitted
from tests.worker import run_until_settled, take_turns

REFUSED = "not authorized|security token"


def revealed(cast: Cast) -> tuple[Entitlement, Credentials]:
    entitlement = approved(cast)
    take_turns()
    return entitlement, reveal(PullUser.objects.get(), by=Actor(cast.alice))


def assert_pulls(aws: Aws, credentials: Credentials, repository: str = "acme/server") -> None:
    machine = aws.machine(credentials.access_key_id, credentials.secret_access_key)
    machine.pull(repository, demo.IMAGES[repository][-1])


def assert_refused(aws: Aws, credentials: Credentials, repository: str = "acme/server") -> None:
    machine = aws.machine(credentials.access_key_id, credentials.secret_access_key)
    aws.assert_refused(machine, repository, demo.IMAGES[repository][-1], REFUSED)


# --- Terms -------------------------------------------------------------------------


def test_access_ends_by_itself_at_its_date(aws: Aws, cast: Cast) -> None:
    entitlement, credentials = revealed(cast)
    extend(
        entitlement,
        by=Actor(cast.sandra),
        ends_at=timezone.now() + timedelta(days=1),
        reason="Trial",
    )
    take_turns()
    assert_pulls(aws, credentials)
    past = timezone.now() - timedelta(seconds=1)
    Entitlement.objects.update(starts_at=past - timedelta(days=1), ends_at=past, due_at=past)
    take_turns()
    entitlement.refresh_from_db()
    assert entitlement.state == "expired"
    assert aws.users() == []
    assert_refused(aws, credentials)


def test_extended_term_does_not_end_at_the_old_date(aws: Aws, cast: Cast) -> None:
    entitlement, credentials = revealed(cast)
    Entitlement.objects.update(ends_at=timezone.now() + timedelta(seconds=1))
    extend(entitlement, by=Actor(cast.sandra), ends_at=None, reason="Renewed")
    Entitlement.objects.update(due_at=timezone.now())
    take_turns()
    assert_pulls(aws, credentials)
    entitlement.refresh_from_db()
    assert (entitlement.state, entitlement.ends_at) == ("approved", None)


@pytest.mark.parametrize("days", [-1, 0])
def test_end_cannot_be_moved_into_the_past(cast: Cast, days: int) -> None:
    entitlement = approved(cast)
    ends_at = timezone.now() + timedelta(days=days)
    with pytest.raises(Refused, match="in the future"):
        extend(entitlement, by=Actor(cast.sandra), ends_at=ends_at, reason="Mistake")


def test_end_of_a_request_cannot_be_moved(cast: Cast) -> None:
    entitlement = request(cast.birch, cast.server, by=Actor(cast.alice))
    with pytest.raises(Refused, match="not approved"):
        extend(entitlement, by=Actor(cast.sandra), ends_at=None, reason="Mistake")


def test_moment_at_which_access_is_gone_is_recorded(aws: Aws, cast: Cast) -> None:
    entitlement, _ = revealed(cast)
    withdraw(entitlement, by=Actor(cast.sandra), reason="Contract ended")
    entitlement.refresh_from_db()
    assert entitlement.closed_at is None
    take_turns()
    entitlement.refresh_from_db()
    assert entitlement.closed_at is not None
    assert entitlement.ended_at is not None
    assert entitlement.closed_at > entitlement.ended_at
    assert aws.users() == []


def test_access_that_aws_still_has_is_not_recorded_as_closed(aws: Aws, cast: Cast) -> None:
    entitlement, _ = revealed(cast)
    withdraw(entitlement, by=Actor(cast.sandra), reason="Contract ended")
    cast.registry.endpoint_url = "http://127.0.0.1:9"
    cast.registry.save()
    take_turns()
    entitlement.refresh_from_db()
    assert entitlement.closed_at is None


# --- Suspension --------------------------------------------------------------------


def test_suspended_entitlement_is_resumed_with_the_same_key(aws: Aws, cast: Cast) -> None:
    entitlement, credentials = revealed(cast)
    suspend(entitlement, by=Actor(cast.sandra), reason="Unpaid")
    take_turns()
    assert_refused(aws, credentials)
    assert aws.keys("birch-bank") == {credentials.access_key_id: "Inactive"}
    assert PullUser.objects.get().status == "suspended"
    entitlement.refresh_from_db()
    resume(entitlement, by=Actor(cast.sandra), reason="Paid")
    take_turns()
    assert_pulls(aws, credentials)
    assert PullUser.objects.get().status == "ready"


def test_suspended_customer_loses_all_access_until_it_is_resumed(aws: Aws, cast: Cast) -> None:
    _, credentials = revealed(cast)
    approved(cast, cast.reports)
    take_turns()
    assert_pulls(aws, credentials, "acme/reports")
    suspend_customer(cast.birch, by=Actor(cast.sandra), reason="Unpaid")
    take_turns()
    assert_refused(aws, credentials)
    assert_refused(aws, credentials, "acme/reports")
    resume_customer(cast.birch, by=Actor(cast.sandra), reason="Paid")
    take_turns()
    assert_pulls(aws, credentials)
    assert_pulls(aws, credentials, "acme/reports")


def test_suspending_one_product_leaves_the_other_open(aws: Aws, cast: Cast) -> None:
    entitlement, credentials = revealed(cast)
    approved(cast, cast.reports)
    take_turns()
    suspend(entitlement, by=Actor(cast.sandra), reason="In doubt")
    take_turns()
    assert_refused(aws, credentials)
    assert_pulls(aws, credentials, "acme/reports")


def test_suspended_entitlement_can_be_withdrawn(aws: Aws, cast: Cast) -> None:
    entitlement, _ = revealed(cast)
    suspend(entitlement, by=Actor(cast.sandra), reason="Unpaid")
    take_turns()
    withdraw(entitlement, by=Actor(cast.sandra), reason="Never paid")
    take_turns()
    assert aws.users() == []
    assert PullUser.objects.get().status == "gone"


def test_approval_during_a_suspension_opens_nothing_until_it_ends(aws: Aws, cast: Cast) -> None:
    suspend_customer(cast.birch, by=Actor(cast.sandra), reason="Unpaid")
    approved(cast)
    take_turns()
    assert aws.users() == []
    resume_customer(cast.birch, by=Actor(cast.sandra), reason="Paid")
    take_turns()
    assert aws.users() == ["birch-bank"]


def test_customer_is_suspended_once_by_sales_with_a_reason(cast: Cast) -> None:
    with pytest.raises(NotAllowed):
        suspend_customer(cast.birch, by=Actor(cast.otto), reason="Unpaid")
    with pytest.raises(Refused, match="reason"):
        suspend_customer(cast.birch, by=Actor(cast.sandra), reason=" ")
    suspend_customer(cast.birch, by=Actor(cast.sandra), reason="Unpaid")
    with pytest.raises(Refused, match="already"):
        suspend_customer(cast.birch, by=Actor(cast.sandra), reason="Unpaid")


# --- Keys --------------------------------------------------------------------------


def test_deactivated_key_is_refused_at_once_and_can_be_activated_again(
    aws: Aws, cast: Cast
) -> None:
    _, credentials = revealed(cast)
    key = AccessKey.objects.get()
    deactivate(key, by=Actor(cast.alice))
    take_turns()
    assert_refused(aws, credentials)
    # It is still the current key: no other is created in its place.
    assert list(aws.keys("birch-bank")) == [credentials.access_key_id]
    activate(AccessKey.objects.get(), by=Actor(cast.otto))
    take_turns()
    assert_pulls(aws, credentials)


@pytest.mark.parametrize("who", ["bob", "charlie", "sandra"])
def test_only_owners_engineers_and_ops_may_deactivate_keys(aws: Aws, cast: Cast, who: str) -> None:
    revealed(cast)
    with pytest.raises(NotAllowed):
        deactivate(AccessKey.objects.get(), by=Actor(getattr(cast, who)))


def test_both_keys_work_after_a_rotation_by_the_customer(aws: Aws, cast: Cast) -> None:
    _, old = revealed(cast)
    rotate(PullUser.objects.get(), by=Actor(cast.alice))
    take_turns()
    new = reveal(PullUser.objects.get(), by=Actor(cast.alice))
    assert_pulls(aws, old)
    assert_pulls(aws, new)
    with pytest.raises(NotAllowed):
        rotate(PullUser.objects.get(), by=Actor(cast.bob))


def test_expired_key_is_replaced(aws: Aws, cast: Cast, settings: Settings) -> None:
    settings.KEY_LIFETIME = timedelta(days=90)
    _, old = revealed(cast)
    key = AccessKey.objects.get()
    assert key.expires_at == key.created_at + timedelta(days=90)
    AccessKey.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    run_until_settled()
    assert_refused(aws, old)
    new = reveal(PullUser.objects.get(), by=Actor(cast.alice))
    assert list(aws.keys("birch-bank")) == [new.access_key_id]


def test_keys_do_not_expire_where_no_lifetime_is_set(
    aws: Aws, cast: Cast, settings: Settings
) -> None:
    settings.KEY_LIFETIME = timedelta(0)
    revealed(cast)
    assert AccessKey.objects.get().expires_at is None


def test_unclaimed_secret_is_destroyed_with_its_key_until_a_new_one_is_requested(
    aws: Aws, cast: Cast
) -> None:
    approved(cast)
    take_turns()
    OneTimeSecret.objects.update(created_at=timezone.now() - timedelta(days=8))
    run_until_settled()
    assert aws.keys("birch-bank") == {}
    secret = OneTimeSecret.objects.get()
    assert (secret.ciphertext, secret.revealed_at) == (None, None)
    assert PullUser.objects.get().unclaimed_at is not None
    with pytest.raises(Refused):
        reveal(PullUser.objects.get(), by=Actor(cast.alice))
    rotate(PullUser.objects.get(), by=Actor(cast.alice))
    take_turns()
    assert_pulls(aws, reveal(PullUser.objects.get(), by=Actor(cast.alice)))


def test_pull_user_is_due_when_its_secret_becomes_unclaimed(
    aws: Aws, cast: Cast, settings: Settings
) -> None:
    settings.OBSERVE_EVERY = timedelta(days=400)
    approved(cast)
    take_turns()
    created_at = OneTimeSecret.objects.get().created_at
    assert PullUser.objects.get().due_at == created_at + settings.UNCLAIMED_AFTER


# --- Tested before they are offered ------------------------------------------------


def test_new_key_is_tested_before_it_is_offered(aws: Aws, cast: Cast) -> None:
    approved(cast)
    aws.embedded.config.key_propagation_seconds = 3600
    take_turns()
    key = AccessKey.objects.get()
    assert (key.tested_at, key.is_offered) == (None, False)
    with pytest.raises(Refused, match="not ready yet"):
        reveal(PullUser.objects.get(), by=Actor(cast.alice))
    aws.embedded.config.key_propagation_seconds = 0
    take_turns(even_if_not_due=True)
    key.refresh_from_db()
    assert key.tested_at is not None
    reveal(PullUser.objects.get(), by=Actor(cast.alice))


@pytest.mark.parametrize("release", ["success", "ops"])
def test_key_that_aws_does_not_accept_is_drift_and_stays_unoffered_until_released(
    aws: Aws, cast: Cast, release: str
) -> None:
    approved(cast)
    aws.embedded.config.key_propagation_seconds = 3600
    take_turns()
    AccessKey.objects.update(refused_since=timezone.now() - timedelta(seconds=61))
    run_until_settled()
    pull_user = PullUser.objects.get()
    assert (pull_user.status, pull_user.failures) == ("ready", 0)
    drift = Drift.objects.open().get()
    assert drift.kind == "key_unusable"
    assert not AccessKey.objects.get().is_offered
    if release == "ops":
        resolve_drift(drift, "adopt", by=Actor(cast.otto), reason="It works for the customer")
    else:
        aws.embedded.config.key_propagation_seconds = 0
    run_until_settled()
    assert AccessKey.objects.get().is_offered
    assert not Drift.objects.open().exists()


def test_key_is_tested_only_once_a_grant_is_ready(aws: Aws, cast: Cast) -> None:
    aws.embedded.config.propagation_seconds = 3600
    approved(cast)
    take_turns()
    assert AccessKey.objects.get().tested_at is None
    aws.embedded.config.propagation_seconds = 0
    run_until_settled()
    assert AccessKey.objects.get().tested_at is not None


# --- Labels ------------------------------------------------------------------------


def test_label_has_its_own_pull_user_that_opens_the_same_repositories(aws: Aws, cast: Cast) -> None:
    _, credentials = revealed(cast)
    label = add_label(cast.birch, "ci", by=Actor(cast.alice))
    take_turns()
    assert aws.users() == ["birch-bank", "birch-bank.ci"]
    ci = reveal(PullUser.objects.get(label="ci"), by=Actor(cast.alice))
    assert_pulls(aws, ci)
    remove_label(label, by=Actor(cast.alice))
    take_turns()
    assert_refused(aws, ci)
    assert_pulls(aws, credentials)
    assert aws.users() == ["birch-bank"]


@pytest.mark.parametrize("name", ["default", "CI", "a b", "", "x" * 21, "-ci"])
def test_label_that_cannot_be_part_of_a_user_name_is_refused(cast: Cast, name: str) -> None:
    with pytest.raises(Refused):
        add_label(cast.birch, name, by=Actor(cast.alice))
    assert not cast.birch.labels.exists()


def test_label_cannot_be_added_twice(cast: Cast) -> None:
    add_label(cast.birch, "ci", by=Actor(cast.alice))
    with pytest.raises(Refused, match="already has a pull user labelled ci"):
        add_label(cast.birch, "ci", by=Actor(cast.alice))
    with pytest.raises(NotAllowed):
        add_label(cast.birch, "prod", by=Actor(cast.bob))


# --- Several registries ------------------------------------------------------------

OTHER = "210987654321"


def repository_elsewhere(aws: Aws, account_id: str, region: str) -> Repository:
    if account_id != demo.ACCOUNT_ID:
        aws.embedded.create_account(account_id)
    aws.embedded.create_repository(account_id, region, "acme/edge")
    aws.embedded.push(account_id, region, "acme/edge", "1.0")
    registry = Registry.objects.create(
        name=f"{account_id} {region}",
        account_id=account_id,
        region=region,
        role_arn=role_arn(account_id),
        external_id=EXTERNAL_ID,
        boundary_arn=boundary_arn(account_id),
        endpoint_url=aws.url,
    )
    return Repository.objects.create(registry=registry, name="acme/edge")


def test_customer_has_a_pull_user_in_each_account(aws: Aws, cast: Cast) -> None:
    cast.server.repositories.add(repository_elsewhere(aws, OTHER, "us-east-1"))
    approved(cast)
    take_turns()
    users = {user.account_id: user for user in PullUser.objects.all()}
    assert users.keys() == {demo.ACCOUNT_ID, OTHER}
    there = reveal(users[OTHER], by=Actor(cast.alice))
    machine = aws.machine(there.access_key_id, there.secret_access_key, region="us-east-1")
    machine.pull("acme/edge", "1.0")
    withdraw(Entitlement.objects.get(), by=Actor(cast.sandra), reason="Contract ended")
    take_turns()
    assert set(PullUser.objects.values_list("status", flat=True)) == {"gone"}


def test_two_regions_of_one_account_share_the_pull_user_and_its_key(aws: Aws, cast: Cast) -> None:
    cast.server.repositories.add(repository_elsewhere(aws, demo.ACCOUNT_ID, "eu-west-1"))
    approved(cast)
    take_turns()
    credentials = reveal(PullUser.objects.get(), by=Actor(cast.alice))
    assert_pulls(aws, credentials)
    machine = aws.machine(
        credentials.access_key_id, credentials.secret_access_key, region="eu-west-1"
    )
    machine.pull("acme/edge", "1.0")


def test_role_of_another_account_is_never_used(aws: Aws, cast: Cast) -> None:
    Registry.objects.update(role_arn=role_arn(OTHER))
    aws.embedded.create_account(OTHER)
    approved(cast)
    take_turns()
    assert "belongs to another AWS account than 123456789012" in PullUser.objects.get().attention
    assert aws.users() == []


# --- Products ----------------------------------------------------------------------


def test_change_of_a_product_reaches_its_customers(aws: Aws, cast: Cast) -> None:
    _, credentials = revealed(cast)
    cast.server.repositories.set(Repository.objects.filter(name="acme/reports"))
    grants.product_changed(cast.server)
    take_turns()
    assert_pulls(aws, credentials, "acme/reports")
    assert_refused(aws, credentials)
    assert admitted(aws.repository_policy("acme/server")) == set()


def test_entitlement_that_cannot_be_synced_delays_no_other(
    aws: Aws, cast: Cast, caplog: pytest.LogCaptureFixture
) -> None:
    broken, sound = approved(cast), approved(cast, customer=cast.cedar)
    long = timezone.now() - timedelta(days=2)
    Entitlement.objects.update(starts_at=long, ends_at=long + timedelta(days=1), due_at=long)
    # Its pull user would need a name that is too long for IAM.
    Entitlement.objects.filter(pk=broken.pk).update(ends_at=None)
    PullUser.objects.filter(customer=cast.birch).delete()
    type(cast.birch).objects.filter(pk=cast.birch.pk).update(slug="x" * 40)
    Label.objects.create(customer=cast.birch, name="y" * 30)
    entitlement_dates.apply_due()
    sound.refresh_from_db()
    assert sound.state == "expired"
    assert f"entitlement {broken.pk} could not be applied" in caplog.text


def test_leaked_key_is_deleted_although_everything_else_fails(aws: Aws, cast: Cast) -> None:
    _, credentials = revealed(cast)
    reissue(PullUser.objects.get(), by=Actor(cast.otto), reason="Leaked", overlap=timedelta(0))
    aws.iam.put_role_policy(
        RoleName="ecr-portal",
        PolicyName="deny",
        PolicyDocument=(
            '{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Resource":"*",'
            '"Action":["iam:CreateAccessKey","iam:AttachUserPolicy"]}]}'
        ),
    )
    take_turns()
    assert aws.keys("birch-bank") == {}
    assert_refused(aws, credentials)


def test_approval_is_looked_at_again_on_its_next_date_and_at_once_where_no_turn_follows(
    cast: Cast,
) -> None:
    ends_at = timezone.now() + timedelta(days=30)
    first = request(cast.birch, cast.server, by=Actor(cast.alice))
    approve(first, by=Actor(cast.sandra), ends_at=ends_at)
    first.refresh_from_db()
    assert first.due_at == ends_at
    same = Product.objects.create(name="The same", slug="same", is_listed=True)
    same.repositories.set(cast.server.repositories.all())
    second = request(cast.birch, same, by=Actor(cast.alice))
    approve(second, by=Actor(cast.sandra), ends_at=ends_at)
    second.refresh_from_db()
    assert second.due_at == second.starts_at


# --- Removal that IAM does not show yet ---------------------------------------------


def test_user_that_iam_still_shows_is_not_recorded_as_gone(aws: Aws, cast: Cast) -> None:
    entitlement, _ = revealed(cast)
    tags = [{"Key": k, "Value": v} for k, v in names.user_tags("birch-bank", "default").items()]

    def create_again(moment: str, call: Call) -> None:
        if (moment, call.operation) == ("after", "DeleteUser"):
            aws.embedded.watch = lambda moment, call: None
            backend = identities.iam(demo.ACCOUNT_ID)
            backend.create_user("us-east-1", "birch-bank", "/ecr-portal/", tags)

    aws.embedded.watch = create_again
    withdraw(entitlement, by=Actor(cast.sandra), reason="Contract ended")
    take_turns()
    assert PullUser.objects.get().status != "gone"
    run_until_settled()
    assert aws.users() == []
    assert PullUser.objects.get().status == "gone"


def test_user_that_was_just_created_and_is_not_shown_yet_is_not_forgotten(
    aws: Aws, cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("botocore.retries.standard.ExponentialBackoff.delay_amount", lambda *_: 0)
    hidden = Fault("GetUser", Kind.REFUSED, 1_000, 404, "NoSuchEntity", "Not yet.")
    aws.embedded.faults.lay(Fault("CreateUser", Kind.LOST))
    aws.embedded.faults.lay(hidden)
    entitlement = approved(cast)
    take_turns()
    withdraw(entitlement, by=Actor(cast.sandra), reason="By mistake")
    take_turns()
    assert aws.users() == ["birch-bank"]
    assert PullUser.objects.get().status != "gone"
    hidden.times = 0
    run_until_settled()
    assert aws.users() == []
    assert PullUser.objects.get().status == "gone"
