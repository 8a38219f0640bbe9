"""Life after provisioning: ends, pauses, ageing keys, further pull users, several accounts."""

from datetime import timedelta

import pytest
from django.utils import timezone
from pytest_django.fixtures import Settings

from provisioning import names, policies, wanted
from provisioning.demo import cast as demo
from provisioning.demo.cast import Cast
from provisioning.embedded_aws import EXTERNAL_ID, boundary_arn, directory, role_arn
from provisioning.embedded_aws.calls import Call
from provisioning.embedded_aws.faults import Fault, Kind
from provisioning.flows import By, NotAllowed, Refused
from provisioning.flows.deactivate import activate, deactivate
from provisioning.flows.decide import approve, extend, resume, suspend, withdraw
from provisioning.flows.label import add_label, remove_label
from provisioning.flows.reissue import reissue, rotate
from provisioning.flows.request import request
from provisioning.flows.reveal import Credentials, reveal
from provisioning.flows.suspend import resume_customer, suspend_customer
from provisioning.models import (
    AccessKey,
    Entitlement,
    Finding,
    OneTimeSecret,
    PullUser,
    Registry,
    Repository,
)
from tests.aws import Aws
from tests.provisioning.test_reconcile import approved
from tests.turns import settle_down, take_turns

REFUSED = "not authorized|security token"


def revealed(cast: Cast) -> tuple[Entitlement, Credentials]:
    entitlement = approved(cast)
    take_turns()
    return entitlement, reveal(PullUser.objects.get(), by=By(cast.alice))


def pulls(aws: Aws, credentials: Credentials, repository: str = "acme/server") -> None:
    machine = aws.machine(credentials.access_key_id, credentials.secret_access_key)
    machine.pull(repository, demo.IMAGES[repository][-1])


def is_refused(aws: Aws, credentials: Credentials, repository: str = "acme/server") -> None:
    machine = aws.machine(credentials.access_key_id, credentials.secret_access_key)
    aws.assert_refused(machine, repository, demo.IMAGES[repository][-1], REFUSED)


# --- Terms -------------------------------------------------------------------------


def test_access_ends_by_itself_at_its_date(aws: Aws, cast: Cast) -> None:
    entitlement, credentials = revealed(cast)
    extend(
        entitlement, by=By(cast.sandra), ends_at=timezone.now() + timedelta(days=1), reason="Trial"
    )
    take_turns()
    pulls(aws, credentials)
    past = timezone.now() - timedelta(seconds=1)
    Entitlement.objects.update(starts_at=past - timedelta(days=1), ends_at=past, due_at=past)
    take_turns()
    entitlement.refresh_from_db()
    assert entitlement.state == "expired"
    assert aws.users() == []
    is_refused(aws, credentials)


def test_extended_term_does_not_end_at_the_old_date(aws: Aws, cast: Cast) -> None:
    entitlement, credentials = revealed(cast)
    Entitlement.objects.update(ends_at=timezone.now() + timedelta(seconds=1))
    extend(entitlement, by=By(cast.sandra), ends_at=None, reason="Renewed")
    Entitlement.objects.update(due_at=timezone.now())
    take_turns()
    pulls(aws, credentials)
    entitlement.refresh_from_db()
    assert (entitlement.state, entitlement.ends_at) == ("approved", None)


@pytest.mark.parametrize("days", [-1, 0])
def test_term_is_not_moved_into_the_past(cast: Cast, days: int) -> None:
    entitlement = approved(cast)
    ends_at = timezone.now() + timedelta(days=days)
    with pytest.raises(Refused, match="in the future"):
        extend(entitlement, by=By(cast.sandra), ends_at=ends_at, reason="Mistake")


def test_end_of_what_was_never_approved_cannot_be_moved(cast: Cast) -> None:
    entitlement = request(cast.birch, cast.server, by=By(cast.alice))
    with pytest.raises(Refused, match="not approved"):
        extend(entitlement, by=By(cast.sandra), ends_at=None, reason="Mistake")


def test_how_long_it_took_until_access_was_gone_is_recorded(aws: Aws, cast: Cast) -> None:
    entitlement, _ = revealed(cast)
    withdraw(entitlement, by=By(cast.sandra), reason="Contract ended")
    entitlement.refresh_from_db()
    assert entitlement.closed_at is None
    take_turns()
    entitlement.refresh_from_db()
    assert entitlement.closed_at is not None
    assert entitlement.ended_at is not None
    assert entitlement.closed_at > entitlement.ended_at
    assert aws.users() == []


def test_access_that_aws_still_has_is_not_said_to_be_gone(aws: Aws, cast: Cast) -> None:
    entitlement, _ = revealed(cast)
    withdraw(entitlement, by=By(cast.sandra), reason="Contract ended")
    cast.registry.endpoint_url = "http://127.0.0.1:9"
    cast.registry.save()
    take_turns()
    entitlement.refresh_from_db()
    assert entitlement.closed_at is None


# --- Suspension --------------------------------------------------------------------


def test_suspended_entitlement_is_closed_and_comes_back_with_the_same_key(
    aws: Aws, cast: Cast
) -> None:
    entitlement, credentials = revealed(cast)
    suspend(entitlement, by=By(cast.sandra), reason="Unpaid")
    take_turns()
    is_refused(aws, credentials)
    assert aws.keys("birch-bank") == {credentials.access_key_id: "Inactive"}
    assert PullUser.objects.get().status == "suspended"
    entitlement.refresh_from_db()
    resume(entitlement, by=By(cast.sandra), reason="Paid")
    take_turns()
    pulls(aws, credentials)
    assert PullUser.objects.get().status == "ready"


def test_suspended_customer_loses_all_and_gets_it_back(aws: Aws, cast: Cast) -> None:
    _, credentials = revealed(cast)
    approved(cast, product="reports")
    take_turns()
    pulls(aws, credentials, "acme/reports")
    suspend_customer(cast.birch, by=By(cast.sandra), reason="Unpaid")
    take_turns()
    is_refused(aws, credentials)
    is_refused(aws, credentials, "acme/reports")
    resume_customer(cast.birch, by=By(cast.sandra), reason="Paid")
    take_turns()
    pulls(aws, credentials)
    pulls(aws, credentials, "acme/reports")


def test_suspending_one_product_leaves_the_other_open(aws: Aws, cast: Cast) -> None:
    entitlement, credentials = revealed(cast)
    approved(cast, product="reports")
    take_turns()
    suspend(entitlement, by=By(cast.sandra), reason="In doubt")
    take_turns()
    is_refused(aws, credentials)
    pulls(aws, credentials, "acme/reports")


def test_what_is_suspended_can_be_withdrawn(aws: Aws, cast: Cast) -> None:
    entitlement, _ = revealed(cast)
    suspend(entitlement, by=By(cast.sandra), reason="Unpaid")
    take_turns()
    withdraw(entitlement, by=By(cast.sandra), reason="Never paid")
    take_turns()
    assert aws.users() == []
    assert PullUser.objects.get().status == "gone"


def test_approval_during_a_suspension_opens_nothing_until_it_ends(aws: Aws, cast: Cast) -> None:
    suspend_customer(cast.birch, by=By(cast.sandra), reason="Unpaid")
    approved(cast)
    take_turns()
    assert aws.users() == []
    resume_customer(cast.birch, by=By(cast.sandra), reason="Paid")
    take_turns()
    assert aws.users() == ["birch-bank"]


def test_suspension_is_told_once_and_needs_a_reason_and_sales(cast: Cast) -> None:
    with pytest.raises(NotAllowed):
        suspend_customer(cast.birch, by=By(cast.otto), reason="Unpaid")
    with pytest.raises(Refused, match="reason"):
        suspend_customer(cast.birch, by=By(cast.sandra), reason=" ")
    suspend_customer(cast.birch, by=By(cast.sandra), reason="Unpaid")
    with pytest.raises(Refused, match="already"):
        suspend_customer(cast.birch, by=By(cast.sandra), reason="Unpaid")


# --- Keys --------------------------------------------------------------------------


def test_deactivated_key_is_refused_at_once_and_can_be_activated_again(
    aws: Aws, cast: Cast
) -> None:
    _, credentials = revealed(cast)
    key = AccessKey.objects.get()
    deactivate(key, by=By(cast.alice))
    take_turns()
    is_refused(aws, credentials)
    # It is still the one that stands for the user: no other is made in its place.
    assert list(aws.keys("birch-bank")) == [credentials.access_key_id]
    activate(AccessKey.objects.get(), by=By(cast.otto))
    take_turns()
    pulls(aws, credentials)


@pytest.mark.parametrize("who", ["bob", "charlie", "sandra"])
def test_only_owners_engineers_and_ops_switch_keys(aws: Aws, cast: Cast, who: str) -> None:
    revealed(cast)
    with pytest.raises(NotAllowed):
        deactivate(AccessKey.objects.get(), by=By(getattr(cast, who)))


def test_customer_rotates_her_key_with_both_working_meanwhile(aws: Aws, cast: Cast) -> None:
    _, old = revealed(cast)
    rotate(PullUser.objects.get(), by=By(cast.alice))
    take_turns()
    new = reveal(PullUser.objects.get(), by=By(cast.alice))
    pulls(aws, old)
    pulls(aws, new)
    with pytest.raises(NotAllowed):
        rotate(PullUser.objects.get(), by=By(cast.bob))


def test_key_that_has_grown_too_old_is_replaced(aws: Aws, cast: Cast, settings: Settings) -> None:
    settings.KEY_LIFETIME = timedelta(days=90)
    _, old = revealed(cast)
    key = AccessKey.objects.get()
    assert key.expires_at == key.created_at + timedelta(days=90)
    AccessKey.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    settle_down()
    is_refused(aws, old)
    new = reveal(PullUser.objects.get(), by=By(cast.alice))
    assert list(aws.keys("birch-bank")) == [new.access_key_id]


def test_keys_grow_as_old_as_they_like_where_no_age_is_set(
    aws: Aws, cast: Cast, settings: Settings
) -> None:
    settings.KEY_LIFETIME = timedelta(0)
    revealed(cast)
    assert AccessKey.objects.get().expires_at is None


def test_secret_that_nobody_collects_is_burned_with_its_key_and_made_anew_when_asked(
    aws: Aws, cast: Cast
) -> None:
    approved(cast)
    take_turns()
    OneTimeSecret.objects.update(made_at=timezone.now() - timedelta(days=8))
    settle_down()
    assert aws.keys("birch-bank") == {}
    secret = OneTimeSecret.objects.get()
    assert (secret.sealed, secret.revealed_at) == (None, None)
    assert PullUser.objects.get().unclaimed_at is not None
    with pytest.raises(Refused):
        reveal(PullUser.objects.get(), by=By(cast.alice))
    rotate(PullUser.objects.get(), by=By(cast.alice))
    take_turns()
    pulls(aws, reveal(PullUser.objects.get(), by=By(cast.alice)))


def test_row_is_due_when_its_key_next_changes(aws: Aws, cast: Cast, settings: Settings) -> None:
    settings.OBSERVE_EVERY = timedelta(days=400)
    approved(cast)
    take_turns()
    made_at = OneTimeSecret.objects.get().made_at
    assert PullUser.objects.get().due_at == made_at + settings.UNCLAIMED_AFTER


# --- Tried before it is shown ------------------------------------------------------


def test_new_key_is_tried_before_it_is_offered(aws: Aws, cast: Cast) -> None:
    approved(cast)
    aws.embedded.rules.key_propagation_seconds = 3600
    take_turns()
    key = AccessKey.objects.get()
    assert (key.tested_at, key.is_offered) == (None, False)
    with pytest.raises(Refused, match="not ready yet"):
        reveal(PullUser.objects.get(), by=By(cast.alice))
    aws.embedded.rules.key_propagation_seconds = 0
    take_turns(even_if_not_due=True)
    key.refresh_from_db()
    assert key.tested_at is not None
    reveal(PullUser.objects.get(), by=By(cast.alice))


def test_key_that_aws_never_accepts_is_a_finding_and_no_failure(aws: Aws, cast: Cast) -> None:
    approved(cast)
    aws.embedded.rules.key_propagation_seconds = 3600
    take_turns()
    AccessKey.objects.update(created_at=timezone.now() - timedelta(seconds=61))
    settle_down()
    pull_user = PullUser.objects.get()
    assert (pull_user.status, pull_user.failures) == ("ready", 0)
    assert Finding.objects.open().get().kind == "key_unusable"
    assert AccessKey.objects.get().is_offered
    aws.embedded.rules.key_propagation_seconds = 0
    settle_down()
    assert not Finding.objects.open().exists()


def test_try_needs_the_grant_and_not_only_the_key(aws: Aws, cast: Cast) -> None:
    aws.embedded.rules.propagation_seconds = 3600
    approved(cast)
    take_turns()
    assert AccessKey.objects.get().tested_at is None
    aws.embedded.rules.propagation_seconds = 0
    settle_down()
    assert AccessKey.objects.get().tested_at is not None


# --- Labels ------------------------------------------------------------------------


def test_label_is_a_pull_user_of_its_own_that_opens_the_same(aws: Aws, cast: Cast) -> None:
    _, credentials = revealed(cast)
    label = add_label(cast.birch, "ci", by=By(cast.alice))
    take_turns()
    assert aws.users() == ["birch-bank", "birch-bank.ci"]
    ci = reveal(PullUser.objects.get(label="ci"), by=By(cast.alice))
    pulls(aws, ci)
    remove_label(label, by=By(cast.alice))
    take_turns()
    is_refused(aws, ci)
    pulls(aws, credentials)
    assert aws.users() == ["birch-bank"]


@pytest.mark.parametrize("name", ["default", "CI", "a b", "", "x" * 21, "-ci"])
def test_label_that_cannot_be_a_name_is_refused(cast: Cast, name: str) -> None:
    with pytest.raises(Refused):
        add_label(cast.birch, name, by=By(cast.alice))
    assert not cast.birch.labels.exists()


def test_label_is_there_once(cast: Cast) -> None:
    add_label(cast.birch, "ci", by=By(cast.alice))
    with pytest.raises(Refused, match="has a pull user labelled ci"):
        add_label(cast.birch, "ci", by=By(cast.alice))
    with pytest.raises(NotAllowed):
        add_label(cast.birch, "prod", by=By(cast.bob))


# --- Several registries ------------------------------------------------------------

OTHER = "210987654321"


def other_registry(aws: Aws, account_id: str, region: str) -> Repository:
    if account_id != demo.ACCOUNT_ID:
        aws.embedded.found_account(account_id)
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


def test_customer_has_a_pull_user_in_each_account_through_its_own_role(
    aws: Aws, cast: Cast
) -> None:
    cast.server.repositories.add(other_registry(aws, OTHER, "us-east-1"))
    approved(cast)
    take_turns()
    users = {user.account_id: user for user in PullUser.objects.all()}
    assert users.keys() == {demo.ACCOUNT_ID, OTHER}
    there = reveal(users[OTHER], by=By(cast.alice))
    machine = aws.machine(there.access_key_id, there.secret_access_key, region="us-east-1")
    machine.pull("acme/edge", "1.0")
    withdraw(Entitlement.objects.get(), by=By(cast.sandra), reason="Contract ended")
    take_turns()
    assert set(PullUser.objects.values_list("status", flat=True)) == {"gone"}


def test_two_regions_of_one_account_share_the_pull_user_and_its_key(aws: Aws, cast: Cast) -> None:
    cast.server.repositories.add(other_registry(aws, demo.ACCOUNT_ID, "eu-west-1"))
    approved(cast)
    take_turns()
    credentials = reveal(PullUser.objects.get(), by=By(cast.alice))
    pulls(aws, credentials)
    machine = aws.machine(
        credentials.access_key_id, credentials.secret_access_key, region="eu-west-1"
    )
    machine.pull("acme/edge", "1.0")


def test_role_of_another_account_is_never_used(aws: Aws, cast: Cast) -> None:
    Registry.objects.update(role_arn=role_arn(OTHER))
    aws.embedded.found_account(OTHER)
    approved(cast)
    take_turns()
    assert "of another AWS account" in PullUser.objects.get().attention
    assert aws.users() == []


# --- Products ----------------------------------------------------------------------


def test_change_of_a_product_reaches_those_who_have_it(aws: Aws, cast: Cast) -> None:
    _, credentials = revealed(cast)
    cast.server.repositories.set(Repository.objects.filter(name="acme/reports"))
    wanted.product_changed(cast.server)
    take_turns()
    pulls(aws, credentials, "acme/reports")
    is_refused(aws, credentials)
    assert policies.principals(aws.repository_policy("acme/server")) == set()


def test_one_entitlement_that_cannot_be_settled_holds_up_no_other(
    aws: Aws, cast: Cast, caplog: pytest.LogCaptureFixture
) -> None:
    broken, sound = approved(cast), approved(cast, customer="cedar")
    long = timezone.now() - timedelta(days=2)
    Entitlement.objects.update(starts_at=long, ends_at=long + timedelta(days=1), due_at=long)
    # A name that IAM cannot have.
    Entitlement.objects.filter(pk=broken.pk).update(ends_at=None)
    PullUser.objects.filter(customer=cast.birch).delete()
    type(cast.birch).objects.filter(pk=cast.birch.pk).update(slug="x" * 40)
    add_long_label(cast)
    wanted.settle_dates()
    sound.refresh_from_db()
    assert sound.state == "expired"
    assert "could not be settled" in caplog.text


def add_long_label(cast: Cast) -> None:
    from provisioning.models import Label

    Label.objects.create(customer=cast.birch, name="y" * 30)


def test_leaked_key_goes_though_everything_else_fails(aws: Aws, cast: Cast) -> None:
    _, credentials = revealed(cast)
    reissue(PullUser.objects.get(), by=By(cast.otto), reason="Leaked", overlap=timedelta(0))
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
    is_refused(aws, credentials)


def test_approve_looks_once_more_at_a_product_that_changed_beside_it(cast: Cast) -> None:
    entitlement = request(cast.birch, cast.server, by=By(cast.alice))
    approve(entitlement, by=By(cast.sandra))
    entitlement.refresh_from_db()
    assert entitlement.due_at == entitlement.starts_at


# --- Gone is said when it is seen ----------------------------------------------------


def test_user_that_iam_still_shows_is_not_said_to_be_gone(aws: Aws, cast: Cast) -> None:
    entitlement, _ = revealed(cast)
    tags = [{"Key": k, "Value": v} for k, v in names.user_tags("birch-bank", "default").items()]

    def make_it_again(moment: str, call: Call) -> None:
        if (moment, call.operation) == ("after", "DeleteUser"):
            aws.embedded.watch = lambda moment, call: None
            backend = directory.iam(demo.ACCOUNT_ID)
            backend.create_user("us-east-1", "birch-bank", "/ecr-portal/", tags)

    aws.embedded.watch = make_it_again
    withdraw(entitlement, by=By(cast.sandra), reason="Contract ended")
    take_turns()
    assert PullUser.objects.get().status != "gone"
    settle_down()
    assert aws.users() == []
    assert PullUser.objects.get().status == "gone"


def test_user_that_was_just_made_and_is_not_shown_yet_is_not_forgotten(
    aws: Aws, cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("botocore.retries.standard.ExponentialBackoff.delay_amount", lambda *_: 0)
    hidden = Fault("GetUser", Kind.REFUSED, 1_000, 404, "NoSuchEntity", "Not yet.")
    aws.embedded.faults.lay(Fault("CreateUser", Kind.LOST))
    aws.embedded.faults.lay(hidden)
    entitlement = approved(cast)
    take_turns()
    withdraw(entitlement, by=By(cast.sandra), reason="By mistake")
    take_turns()
    assert aws.users() == ["birch-bank"]
    assert PullUser.objects.get().status != "gone"
    hidden.times = 0
    settle_down()
    assert aws.users() == []
    assert PullUser.objects.get().status == "gone"
