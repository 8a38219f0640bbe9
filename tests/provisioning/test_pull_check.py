"""What the check says, from the database alone."""

from datetime import timedelta

from django.utils import timezone

from provisioning import queries
from provisioning.demo.cast import Cast
from provisioning.flows import By
from provisioning.flows.decide import approve, withdraw
from provisioning.flows.request import request
from provisioning.models import Entitlement, Repository
from provisioning.pull_check import Finding, findings
from provisioning.vault import reveal_once
from tests.provisioned import add_key, approved, end, provision


def check(entitlement: Entitlement) -> dict[str, Finding]:
    loaded = queries.entitlements().get(pk=entitlement.pk)
    return {finding.about: finding for finding in findings(loaded)}


def test_all_is_well_when_a_revealed_key_meets_an_open_repository(cast: Cast) -> None:
    entitlement = approved(cast)
    pull_user = provision(cast.birch)
    reveal_once(pull_user.access_keys.get(), by=cast.alice)
    checked = check(entitlement)
    assert {finding.state for finding in checked.values()} == {"done"}
    assert [finding.remedy for finding in checked.values() if finding.remedy] == []
    assert list(checked) == [
        "Your right to pull",
        "Pull user birch-bank",
        "Access key AKIAEXAMPLE1K1",
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
    entitlement = request(cast.birch, cast.server, by=By(cast.alice))
    right = check(entitlement)["Your right to pull"]
    assert (right.state, right.words) == ("waiting", "requested")
    assert "Your vendor's sales approve it" in right.remedy


def test_access_that_begins_later_or_has_ended_says_when(cast: Cast) -> None:
    entitlement = request(cast.birch, cast.server, by=By(cast.alice))
    begin = timezone.now() + timedelta(days=3)
    approve(entitlement, by=By(cast.sandra), starts_at=begin)
    right = check(entitlement)["Your right to pull"]
    assert (right.state, right.words, right.at) == ("waiting", "begins", begin)

    now = timezone.now()
    dates = {"starts_at": now - timedelta(days=2), "ends_at": now - timedelta(days=1)}
    Entitlement.objects.update(**dates)
    right = check(entitlement)["Your right to pull"]
    assert (right.state, right.words, right.at) == ("attention", "ended", dates["ends_at"])
    assert "requests the product again" in right.remedy

    Entitlement.objects.update(ends_at=now + timedelta(days=1))
    right = check(entitlement)["Your right to pull"]
    assert (right.state, right.words) == ("done", "approved, until")


def test_withdrawn_access_is_not_open_and_its_key_is_not_valid(cast: Cast) -> None:
    entitlement = approved(cast)
    provision(cast.birch)
    withdraw(entitlement, by=By(cast.sandra), reason="Contract ended")
    end(cast.birch)
    checked = check(entitlement)
    assert checked["Your right to pull"].words == "withdrawn"
    assert checked["Pull user birch-bank"].words == "deleted"
    assert checked["Access key AKIAEXAMPLE1K1"].words == "no longer valid"
    assert checked["Repository acme/server"].words == "not open by this product"
    assert "done" not in {finding.state for finding in checked.values()}


def test_key_that_nobody_revealed_is_the_reason_itself(cast: Cast) -> None:
    entitlement = approved(cast)
    provision(cast.birch)
    key = check(entitlement)["Access key AKIAEXAMPLE1K1"]
    assert (key.state, key.words) == ("attention", "active, but nobody has its secret yet")
    assert key.remedy.startswith("An owner or an engineer reveals it")


def test_older_keys_say_until_when_they_work_and_what_follows_them(cast: Cast) -> None:
    entitlement = approved(cast)
    pull_user = provision(cast.birch)
    retires_at = timezone.now() + timedelta(days=7)
    pull_user.access_keys.update(retires_at=retires_at)
    add_key(pull_user)
    old = check(entitlement)["Access key AKIAEXAMPLE1K1"]
    assert (old.state, old.words, old.at) == ("waiting", "retires", retires_at)
    assert old.remedy == "Machines that still have it need AKIAEXAMPLE1K2."

    pull_user.access_keys.filter(retires_at=retires_at).update(wanted="Deleted", status="Deleted")
    old = check(entitlement)["Access key AKIAEXAMPLE1K1"]
    assert (old.state, old.words) == ("attention", "no longer valid")


def test_key_that_aws_has_inactive_is_for_the_vendor(cast: Cast) -> None:
    entitlement = approved(cast)
    provision(cast.birch).access_keys.update(status="Inactive")
    key = check(entitlement)["Access key AKIAEXAMPLE1K1"]
    assert (key.state, key.words) == ("attention", "not active in AWS")
    assert key.remedy == "Your vendor can activate or reissue it."


def test_repository_that_is_stuck_says_that_the_vendor_knows(cast: Cast) -> None:
    entitlement = approved(cast)
    pull_user = provision(cast.birch)
    agent = Repository.objects.filter(name="acme/agent")
    agent.update(attention="Create it in ECR.")
    pull_user.grants.filter(repository__in=agent).update(status="waiting")
    checked = check(entitlement)
    assert checked["Repository acme/agent"].state == "attention"
    assert "Your vendor has been told" in checked["Repository acme/agent"].remedy
    assert "Create it in ECR." not in str(checked)
    assert checked["Repository acme/server"].state == "done"
    assert "Image of acme/agent" not in checked


def test_repository_in_which_nothing_is_pushed_is_the_vendors_to_fill(cast: Cast) -> None:
    entitlement = approved(cast)
    provision(cast.birch)
    Repository.objects.update(newest_tag="")
    image = check(entitlement)["Image of acme/server"]
    assert (image.state, image.words) == ("attention", "there was none yet when ECR was read")
    assert "Your vendor pushes it" in image.remedy


def test_images_that_were_not_read_yet_stop_nobody_who_knows_the_tag(cast: Cast) -> None:
    entitlement = approved(cast)
    provision(cast.birch)
    Repository.objects.update(newest_tag="", images_read_at=None)
    image = check(entitlement)["Image of acme/server"]
    assert (image.state, image.words) == ("working", "not read from ECR yet")
    assert "If you know the tag" in image.remedy


def test_what_is_being_made_goes_on_by_itself(cast: Cast) -> None:
    checked = check(approved(cast))
    assert checked["Pull user birch-bank"].words == "not in AWS yet"
    assert checked["Access key"].words == "being made"
    assert checked["Repository acme/server"].words == "not open yet"
    for about in ("Pull user birch-bank", "Access key", "Repository acme/server"):
        assert checked[about].state == "working"
        assert "by itself" in checked[about].remedy
