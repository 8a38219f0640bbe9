"""The read side: what is on offer, and how the state of a row is described."""

from datetime import timedelta

import pytest
from django.db import connection
from django.db.models import Model
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.models import Membership
from provisioning import queries
from provisioning.demo.seed import Cast
from provisioning.flows import Actor
from provisioning.flows.credentials import reissue
from provisioning.flows.entitlements import reject, request, withdraw
from provisioning.models import AccessKey, Entitlement, Grant, PullUser, Registry, Repository
from provisioning.queries import ProgressStep, wording
from tests.entitlements import approved
from tests.provisioned import add_key, provision


def progress() -> queries.Progress:
    return queries.progress(queries.entitlements().get())


def step(name: str) -> ProgressStep:
    return next(step for step in progress().steps if step.name == name)


# --- Offers ------------------------------------------------------------------------


def offered(cast: Cast) -> list[str]:
    (offer,) = queries.on_offer(cast.alice)
    return [product.name for product in offer.products]


def test_requested_or_approved_product_is_not_offered_again(cast: Cast) -> None:
    assert offered(cast) == ["Acme Reports", "Acme Server"]
    entitlement = request(cast.birch, cast.server, by=Actor(cast.alice))
    assert offered(cast) == ["Acme Reports"]
    reject(entitlement, by=Actor(cast.sandra), note="No.")
    assert offered(cast) == ["Acme Reports", "Acme Server"]
    approved(cast)
    assert offered(cast) == ["Acme Reports"]
    withdraw(Entitlement.objects.open().get(), by=Actor(cast.sandra), reason="End")
    assert offered(cast) == ["Acme Reports", "Acme Server"]


def test_product_of_another_customer_is_still_offered(cast: Cast) -> None:
    request(cast.cedar, cast.server, by=Actor(cast.charlie))
    assert offered(cast) == ["Acme Reports", "Acme Server"]


def test_unlisted_product_is_not_offered(cast: Cast) -> None:
    cast.server.is_listed = False
    cast.server.save()
    assert offered(cast) == ["Acme Reports"]


def test_member_of_two_customers_has_an_offer_for_each_by_the_role_there(cast: Cast) -> None:
    Membership.objects.create(user=cast.bob, customer=cast.cedar, role="engineer")
    offers = queries.on_offer(cast.bob)
    assert [(offer.customer, offer.may_request) for offer in offers] == [
        (cast.birch, False),
        (cast.cedar, True),
    ]


# --- Progress ----------------------------------------------------------------------


def test_progress_makes_no_query(cast: Cast) -> None:
    approved(cast)
    provision(cast.birch)
    entitlement = queries.entitlements().get()
    with CaptureQueriesContext(connection) as captured:
        queries.progress(entitlement)
        queries.pull_users(entitlement)
        queries.open_repositories(entitlement)
        queries.stuck_repositories(entitlement)
    assert len(captured) == 0


def test_steps_show_when_they_were_done(cast: Cast) -> None:
    approved(cast)
    pull_user = provision(cast.birch)
    assert step("Access key created").at == AccessKey.objects.get().created_at
    grant = pull_user.grants.get(repository__name="acme/server")
    assert step("Repository acme/server opened").at == grant.changed_at


@pytest.mark.parametrize(
    ("model", "change"),
    [
        (PullUser, {"status": "waiting"}),
        (AccessKey, {"desired": "Deleted"}),
        (Grant, {"in_repository_policy": False}),
    ],
)
def test_ready_means_that_every_step_is_done(
    cast: Cast, model: type[Model], change: dict[str, object]
) -> None:
    approved(cast)
    assert progress().state.slug == "setting-up"
    provision(cast.birch)
    assert progress().state.slug == "to-reveal"
    model._default_manager.filter(pk=model._default_manager.values("pk")[:1]).update(**change)
    assert progress().state.slug == "setting-up"


def test_failed_turn_shows_its_error_and_when_it_is_retried(cast: Cast) -> None:
    approved(cast)
    soon = timezone.now() + timedelta(seconds=8)
    PullUser.objects.update(failures=1, last_error="AWS does not answer.", due_at=soon)
    created = step("Pull user created")
    assert (created.state, created.error, created.at) == ("working", "AWS does not answer.", soon)
    # The repositories wait for the user; they have not failed themselves.
    assert step("Repository acme/server opened").state == "waiting"


def test_step_that_needs_a_person_is_shown_so_even_if_it_is_retried(cast: Cast) -> None:
    approved(cast)
    PullUser.objects.update(attention="Rename the other user.", failures=1, last_error="x")
    created = step("Pull user created")
    assert (created.state, created.error) == ("attention", "Rename the other user.")
    assert progress().state.slug == "attention"
    assert step("Access key created").state == "waiting"


def test_pull_user_that_needs_attention_is_not_ready_any_longer(cast: Cast) -> None:
    approved(cast)
    provision(cast.birch)
    PullUser.objects.update(attention="Someone renamed it.")
    assert progress().state.slug == "attention"


def test_customer_whose_grant_is_open_stays_ready_if_the_repository_fails(cast: Cast) -> None:
    approved(cast)
    provision(cast.birch)
    Repository.objects.filter(name="acme/agent").update(attention="The policy is full.")
    Repository.objects.filter(name="acme/server").update(failures=3)
    assert progress().state.slug == "to-reveal"
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
    assert [s.name for s in progress().steps].count("Pull user created") == 2


# --- Keys and open repositories ----------------------------------------------------


def test_retiring_key_is_not_the_current_one(cast: Cast) -> None:
    approved(cast)
    pull_user = provision(cast.birch)
    old = queries.current_key(pull_user)
    reissue(pull_user, by=Actor(cast.otto), reason="Rotation")
    assert queries.current_key(pull_user) is None
    assert step("Access key created").state == "working"
    new = add_key(pull_user)
    assert queries.current_key(pull_user) == new != old


@pytest.mark.parametrize("change", [{"in_repository_policy": False}, {"desired": "absent"}])
def test_repository_is_open_when_its_grant_is_in_aws_and_desired(
    cast: Cast, change: dict[str, object]
) -> None:
    approved(cast)
    provision(cast.birch)
    names = ["acme/agent", "acme/server"]
    entitlement = queries.entitlements().get()
    assert [row.name for row in queries.open_repositories(entitlement)] == names
    Grant.objects.filter(repository__name="acme/agent").update(**change)
    entitlement = queries.entitlements().get()
    assert [row.name for row in queries.open_repositories(entitlement)] == names[1:]


def test_page_asks_again_only_while_something_will_change_by_itself() -> None:
    states = [value for value in vars(wording).values() if isinstance(value, wording.State)]
    asking = {state.label for state in states if queries.Progress(state, []).asks_again}
    assert asking == {
        "Requested",
        "Being set up",
        "Ready",
        "Delayed",
        "Needs attention",
        "Being suspended",
        "Being removed",
    }
