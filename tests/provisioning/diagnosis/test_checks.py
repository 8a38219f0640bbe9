"""The diagnosis of a customer's access, from the database alone."""

from datetime import timedelta

import pytest
from django.utils import timezone

from provisioning import queries
from provisioning.demo.seed import Cast
from provisioning.diagnosis.checks import Diagnosis, diagnose
from provisioning.flows import Actor
from provisioning.flows.entitlements import approve, request, withdraw
from provisioning.models import Entitlement, Grant, Repository
from provisioning.vault import reveal_once
from tests.entitlements import approved
from tests.provisioned import add_key, end, provision


def check(entitlement: Entitlement) -> dict[str, Diagnosis]:
    loaded = queries.entitlements().get(pk=entitlement.pk)
    return {diagnosis.about: diagnosis for diagnosis in diagnose(loaded)}


def test_everything_is_done_when_a_revealed_key_can_pull_an_open_repository(cast: Cast) -> None:
    entitlement = approved(cast)
    pull_user = provision(cast.birch)
    reveal_once(pull_user.access_keys.get(), by=cast.alice)
    checked = check(entitlement)
    others = checked.pop("Other access keys of birch-bank")
    assert (others.state, others.words) == ("waiting", "no longer valid")
    assert others.remedy == "Machines that use one need AKIAEXAMPLE1."
    assert {diagnosis.state for diagnosis in checked.values()} == {"done", "ready"}
    assert [diagnosis.remedy for diagnosis in checked.values() if diagnosis.remedy] == []
    assert list(checked) == [
        "Your right to pull",
        "Pull user birch-bank",
        "Access key AKIAEXAMPLE1",
        "Repository acme/agent",
        "Repository acme/server",
        "Image of acme/agent",
        "Image of acme/server",
        "Registry 123456789012.dkr.ecr.eu-central-1.amazonaws.com",
    ]
    image = checked["Image of acme/server"]
    assert image.words == "the newest tag is 1.1, read from ECR"
    assert image.at == Repository.objects.get(name="acme/server").images_read_at


def test_request_waits_for_sales(cast: Cast) -> None:
    entitlement = request(cast.birch, cast.server, by=Actor(cast.alice))
    right = check(entitlement)["Your right to pull"]
    words = "Waiting for your vendor's sales team to approve the request made"
    assert (right.state, right.words) == ("waiting", words)


def test_access_that_starts_later_or_has_ended_shows_when(cast: Cast) -> None:
    entitlement = request(cast.birch, cast.server, by=Actor(cast.alice))
    start = timezone.now() + timedelta(days=3)
    approve(entitlement, by=Actor(cast.sandra), starts_at=start)
    right = check(entitlement)["Your right to pull"]
    assert (right.state, right.words, right.at) == ("waiting", "Access starts", start)

    now = timezone.now()
    dates = {"starts_at": now - timedelta(days=2), "ends_at": now - timedelta(days=1)}
    Entitlement.objects.update(**dates)
    right = check(entitlement)["Your right to pull"]
    assert (right.state, right.words) == ("working", "Access is being removed")

    over = {"state": "expired", "ended_at": dates["ends_at"]}
    Entitlement.objects.update(**over)
    right = check(entitlement)["Your right to pull"]
    assert (right.state, right.words, right.at) == ("attention", "Access ended", dates["ends_at"])
    assert "can request the product again" in right.remedy

    Entitlement.objects.update(state="approved", ended_at=None, ends_at=now + timedelta(days=1))
    right = check(entitlement)["Your right to pull"]
    assert (right.state, right.words) == ("done", "approved, until")


def test_withdrawn_access_is_not_open_and_its_key_is_not_valid(cast: Cast) -> None:
    entitlement = approved(cast)
    provision(cast.birch)
    withdraw(entitlement, by=Actor(cast.sandra), reason="Contract ended")
    end(cast.birch)
    checked = check(entitlement)
    assert checked["Your right to pull"].words == "Your vendor withdrew access"
    assert checked["Pull user birch-bank"].words == "deleted"
    assert "Access key AKIAEXAMPLE1" not in checked
    assert checked["Repository acme/server"].words == "not opened by this product"
    assert "done" not in {diagnosis.state for diagnosis in checked.values()}


def test_unrevealed_key_needs_attention(cast: Cast) -> None:
    entitlement = approved(cast)
    provision(cast.birch)
    key = check(entitlement)["Access key AKIAEXAMPLE1"]
    words = "waiting to be revealed; if nobody reveals it, it is destroyed with its key"
    assert (key.state, key.words) == ("attention", words)
    assert key.remedy.startswith("An owner or an engineer can reveal it")


def test_older_key_shows_when_it_retires_and_which_key_replaces_it(cast: Cast) -> None:
    entitlement = approved(cast)
    pull_user = provision(cast.birch)
    retires_at = timezone.now() + timedelta(days=7, hours=1)
    pull_user.access_keys.update(retires_at=retires_at)
    add_key(pull_user)
    checked = check(entitlement)
    old = checked["Access key AKIAEXAMPLE1"]
    assert (old.state, old.words) == ("waiting", "retires in 7 days; nobody has revealed it")
    assert checked["Other access keys of birch-bank"].remedy.endswith("need AKIAEXAMPLE2.")

    pull_user.access_keys.filter(retires_at=retires_at).update(desired="Deleted", status="Deleted")
    assert "Access key AKIAEXAMPLE1" not in check(entitlement)


@pytest.mark.parametrize(
    ("desired", "words", "who"),
    [
        ("Inactive", "deactivated; nobody has revealed it", "An owner or an engineer"),
        ("Active", "deactivated in AWS; nobody has revealed it", "Your vendor"),
    ],
)
def test_inactive_key_can_be_activated_by_those_who_decide_about_it_or_replaced(
    cast: Cast, desired: str, words: str, who: str
) -> None:
    entitlement = approved(cast)
    provision(cast.birch).access_keys.update(status="Inactive", desired=desired)
    key = check(entitlement)["Access key AKIAEXAMPLE1"]
    assert (key.state, key.words) == ("attention", words)
    assert key.remedy.startswith(who)
    assert "create a new key" in key.remedy


def test_stuck_repository_shows_that_the_vendor_can_see_it(cast: Cast) -> None:
    entitlement = approved(cast)
    pull_user = provision(cast.birch)
    agent = Repository.objects.filter(name="acme/agent")
    agent.update(attention="Create it in ECR.")
    pull_user.grants.filter(repository__in=agent).update(in_repository_policy=False)
    checked = check(entitlement)
    assert checked["Repository acme/agent"].state == "attention"
    assert "Your vendor can see what is needed." in checked["Repository acme/agent"].remedy
    assert "Create it in ECR." not in str(checked)
    assert checked["Repository acme/server"].state == "done"
    assert "Image of acme/agent" not in checked


def test_empty_repository_waits_for_the_vendor_to_push(cast: Cast) -> None:
    entitlement = approved(cast)
    provision(cast.birch)
    Repository.objects.update(newest_tag="")
    image = check(entitlement)["Image of acme/server"]
    assert (image.state, image.words) == ("attention", "there was none when ECR was last read")
    assert "Once your vendor pushes one" in image.remedy


def test_image_that_was_not_read_yet_will_be_soon(cast: Cast) -> None:
    entitlement = approved(cast)
    provision(cast.birch)
    Repository.objects.update(newest_tag="", images_read_at=None)
    image = check(entitlement)["Image of acme/server"]
    assert (image.state, image.words) == ("working", "not read from ECR yet")
    assert "It is read within a minute" in image.remedy


def test_setup_in_progress_needs_nothing_from_the_customer(cast: Cast) -> None:
    checked = check(approved(cast))
    assert checked["Pull user birch-bank"].words == "not in AWS yet"
    assert checked["Access key"].words.startswith("being created; ")
    assert checked["Repository acme/server"].words == "not open yet"
    assert checked["Access key"].state == "working"
    for about in ("Pull user birch-bank", "Repository acme/server"):
        assert checked[about].state == "working"
        assert checked[about].remedy.startswith("Nothing to do")


def test_many_repositories_that_are_alike_are_one_line(cast: Cast) -> None:
    for number in range(10):
        cast.server.repositories.create(registry=cast.registry, name=f"more/{number}")
    entitlement = approved(cast)
    provision(cast.birch)
    Repository.objects.filter(name="more/3").update(attention="Create it in ECR.")
    stuck = Grant.objects.filter(repository__name="more/3")
    stuck.update(in_repository_policy=False)
    checked = check(entitlement)
    assert checked["11 repositories"].words == "open to you"
    assert checked["Repository more/3"].state == "attention"
    assert "Repository more/4" not in checked
    assert checked["Images of 11 repositories"].words == "the newest tag is 1.1, read from ECR"
    Repository.objects.filter(name="acme/agent").update(newest_tag="2.0")
    Repository.objects.filter(name="acme/server").update(newest_tag="", images_read_at=None)
    checked = check(entitlement)
    assert checked["Images of 10 repositories"].words == "as they should be"
    assert checked["Image of acme/server"].words == "not read from ECR yet"
