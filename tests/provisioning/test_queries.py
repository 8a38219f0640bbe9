"""The read side by itself: what is on offer, and how a row's state is told."""

from datetime import timedelta

import pytest
from django.db import connection
from django.db.models import Model
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.models import Membership
from provisioning import queries
from provisioning.demo.cast import Cast
from provisioning.flows import By
from provisioning.flows.decide import reject, withdraw
from provisioning.flows.reissue import reissue
from provisioning.flows.request import request
from provisioning.models import AccessKey, Entitlement, Grant, PullUser, Registry, Repository
from provisioning.queries import Step
from tests.provisioned import add_key, approved, provision


def progress() -> queries.Progress:
    return queries.progress(queries.entitlements().get())


def step(name: str) -> Step:
    return next(step for step in progress().steps if step.name == name)


# --- Offers ------------------------------------------------------------------------


def offered(cast: Cast) -> list[str]:
    (offer,) = queries.on_offer(cast.alice)
    return [product.name for product in offer.products]


def test_what_is_asked_for_or_had_is_not_offered_again(cast: Cast) -> None:
    assert offered(cast) == ["Acme Reports", "Acme Server"]
    entitlement = request(cast.birch, cast.server, by=By(cast.alice))
    assert offered(cast) == ["Acme Reports"]
    reject(entitlement, by=By(cast.sandra), note="No.")
    assert offered(cast) == ["Acme Reports", "Acme Server"]
    approved(cast)
    assert offered(cast) == ["Acme Reports"]
    withdraw(Entitlement.objects.open().get(), by=By(cast.sandra), reason="End")
    assert offered(cast) == ["Acme Reports", "Acme Server"]


def test_what_another_customer_has_is_offered_all_the_same(cast: Cast) -> None:
    request(cast.cedar, cast.server, by=By(cast.charlie))
    assert offered(cast) == ["Acme Reports", "Acme Server"]


def test_what_is_not_listed_is_not_offered(cast: Cast) -> None:
    cast.server.is_listed = False
    cast.server.save()
    assert offered(cast) == ["Acme Reports"]


def test_member_of_two_has_an_offer_for_each_by_its_role_there(cast: Cast) -> None:
    Membership.objects.create(user=cast.bob, customer=cast.cedar, role="engineer")
    offers = queries.on_offer(cast.bob)
    assert [(offer.customer, offer.may_request) for offer in offers] == [
        (cast.birch, False),
        (cast.cedar, True),
    ]


# --- Progress ----------------------------------------------------------------------


def test_progress_costs_no_query(cast: Cast) -> None:
    approved(cast)
    provision(cast.birch)
    entitlement = queries.entitlements().get()
    with CaptureQueriesContext(connection) as captured:
        queries.progress(entitlement)
        queries.pull_users(entitlement)
        queries.open_repositories(entitlement)
        queries.stuck_repositories(entitlement)
    assert len(captured) == 0


def test_steps_tell_when_they_were_done(cast: Cast) -> None:
    approved(cast)
    pull_user = provision(cast.birch)
    assert step("Access key made").at == AccessKey.objects.get().created_at
    grant = pull_user.grants.get(repository__name="acme/server")
    assert step("Repository acme/server opened").at == grant.changed_at


@pytest.mark.parametrize(
    ("model", "change"),
    [
        (PullUser, {"status": "waiting"}),
        (AccessKey, {"wanted": "Deleted"}),
        (Grant, {"status": "waiting"}),
    ],
)
def test_ready_is_every_step_and_no_fewer(
    cast: Cast, model: type[Model], change: dict[str, str]
) -> None:
    approved(cast)
    assert progress().state == "working"
    provision(cast.birch)
    assert progress().state == "ready"
    model._default_manager.filter(pk=model._default_manager.values("pk")[:1]).update(**change)
    assert progress().state == "working"


def test_failed_turn_tells_its_error_and_its_next_try(cast: Cast) -> None:
    approved(cast)
    soon = timezone.now() + timedelta(seconds=8)
    PullUser.objects.update(failures=1, last_error="AWS does not answer.", due_at=soon)
    made = step("Pull user made")
    assert (made.state, made.error, made.at) == ("working", "AWS does not answer.", soon)
    # The repositories wait for the user; it is not they that fail.
    assert step("Repository acme/server opened").state == "waiting"


def test_what_needs_a_person_goes_before_what_is_tried_again(cast: Cast) -> None:
    approved(cast)
    PullUser.objects.update(attention="Rename the other user.", failures=1, last_error="x")
    made = step("Pull user made")
    assert (made.state, made.error) == ("attention", "Rename the other user.")
    assert progress().state == "attention"
    assert step("Access key made").state == "waiting"


def test_trouble_of_a_user_that_was_ready_is_not_hidden(cast: Cast) -> None:
    approved(cast)
    provision(cast.birch)
    PullUser.objects.update(attention="Somebody renamed it.")
    assert progress().state == "attention"


def test_trouble_of_a_repository_is_not_that_of_who_is_in_it_already(cast: Cast) -> None:
    approved(cast)
    provision(cast.birch)
    Repository.objects.filter(name="acme/agent").update(attention="The policy is full.")
    Repository.objects.filter(name="acme/server").update(failures=3)
    assert progress().state == "ready"
    entitlement = queries.entitlements().get()
    assert [row.name for row in queries.stuck_repositories(entitlement)] == [
        "acme/agent",
        "acme/server",
    ]


def test_product_in_two_accounts_has_a_pull_user_in_each(cast: Cast) -> None:
    other = Registry.objects.create(name="Other", account_id="210987654321", region="eu-west-1")
    cast.server.repositories.add(Repository.objects.create(registry=other, name="acme/gpu"))
    entitlement = approved(cast)
    accounts = [
        pull_user.account_id
        for pull_user in queries.pull_users(queries.entitlements().get(pk=entitlement.pk))
    ]
    assert accounts == ["123456789012", "210987654321"]
    assert [s.name for s in progress().steps].count("Pull user made") == 2


# --- Keys and open repositories ----------------------------------------------------


def test_key_that_retires_is_not_the_current_one(cast: Cast) -> None:
    approved(cast)
    pull_user = provision(cast.birch)
    old = queries.current_key(pull_user)
    reissue(pull_user, by=By(cast.otto), reason="Rotation")
    assert queries.current_key(pull_user) is None
    assert step("Access key made").state == "working"
    new = add_key(pull_user)
    assert queries.current_key(pull_user) == new != old


@pytest.mark.parametrize("change", [{"status": "waiting"}, {"wanted": "absent"}])
def test_repository_is_open_when_its_grant_is_there_and_wanted(
    cast: Cast, change: dict[str, str]
) -> None:
    approved(cast)
    provision(cast.birch)
    names = ["acme/agent", "acme/server"]
    entitlement = queries.entitlements().get()
    assert [row.name for row in queries.open_repositories(entitlement)] == names
    Grant.objects.filter(repository__name="acme/agent").update(**change)
    entitlement = queries.entitlements().get()
    assert [row.name for row in queries.open_repositories(entitlement)] == names[1:]


def test_progress_moves_while_something_is_under_way() -> None:
    moving = {
        state
        for state in queries.LABELS
        if queries.Progress(state=state, words="", steps=[]).is_moving
    }
    assert moving == {"working", "ending", "attention"}
