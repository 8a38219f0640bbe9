"""The tab “Pull”: the choices, and the commands that follow them."""

from typing import Any

import pytest
from bs4 import BeautifulSoup
from django.test import Client
from pytest_django import Settings

from accounts.actor import Actor
from provisioning.demo.seed import Cast
from provisioning.flows.labels import add_label
from provisioning.instructions.proofs import proofs
from provisioning.models import AccessKey, Image, PullUser, Repository
from tests.entitlements import approved
from tests.images import HOST, digest, pushed
from tests.portal.pages.pages import as_user, words
from tests.provisioned import add_key, change, collect, days, provision

WHERE = "--profile acme-software --region eu-central-1"


@pytest.fixture
def address(cast: Cast) -> str:
    """Of Acme Server, ready and revealed, with images in both repositories."""
    cast.registry.endpoint_url = ""
    cast.registry.save()
    entitlement = approved(cast)
    collect(cast, provision(cast.birch).access_keys.get(), days(-7))
    pushed("acme/agent", 2)
    pushed("acme/server", 3)
    return f"/access/{entitlement.pk}/"


@pytest.fixture
def alice(cast: Cast) -> Client:
    return as_user(cast.alice)


def soup(response: Any) -> BeautifulSoup:
    assert response.status_code == 200
    return BeautifulSoup(response.content, "html.parser")


def commands(response: Any) -> list[str]:
    return [code.get_text() for code in soup(response).select(".numbered pre")]


def offered(response: Any, name: str) -> list[str]:
    return [option.get_text() for option in soup(response).select(f"select[name={name}] option")]


def chosen(response: Any, name: str) -> str:
    (option,) = soup(response).select(f"select[name={name}] option[selected]")
    return str(option["value"])


def test_first_choice_is_docker_with_the_newest_image(alice: Client, address: str) -> None:
    sign_in = f"aws ecr get-login-password {WHERE} | docker login --username AWS "
    assert commands(alice.get(address)) == [
        "aws configure --profile acme-software",
        f"{sign_in}--password-stdin {HOST}",
        f"docker pull {HOST}/acme/agent:1.2",
    ]


def test_every_choice_is_in_the_address(alice: Client, address: str) -> None:
    choice = {"repository": "acme/server", "version": "1.2", "where": "machine", "tool": "podman"}
    shown = alice.get(address, choice)
    assert commands(shown)[-1] == f"podman pull {HOST}/acme/server:1.2"
    assert {name: chosen(shown, name) for name in choice} == choice
    (link,) = [
        code.get_text()
        for code in soup(shown).select(".base code")
        if code.get_text().startswith("http://testserver/")
    ]
    assert commands(alice.get(link)) == commands(shown)


def test_version_can_be_a_digest_or_older_than_those_that_are_offered(
    alice: Client, address: str
) -> None:
    Image.objects.filter(repository__name="acme/agent").delete()
    pushed("acme/agent", 40)
    shown = alice.get(address)
    assert offered(shown, "version")[:2] == ["1.40 (newest)", "1.39"]
    assert len(offered(shown, "version")) == 21
    for version, address_of_image in (
        (digest(40), f"acme/agent@{digest(40)}"),
        (digest(3), f"acme/agent@{digest(3)}"),
        ("1.3", "acme/agent:1.3"),
    ):
        shown = alice.get(address, {"version": version})
        assert commands(shown)[-1] == f"docker pull {HOST}/{address_of_image}"
        assert chosen(shown, "version") == version


@pytest.mark.parametrize(
    "wrong",
    [
        {"repository": "acme/reports"},
        {"version": "9.9"},
        {"version": "1"},
        {"version": '1.1" OR "'},
        {"where": "moon"},
        {"tool": "helm"},
        {"where": "cluster", "tool": "docker"},
        {"credential": "999999"},
    ],
)
def test_wrong_choice_counts_as_none(alice: Client, address: str, wrong: dict[str, str]) -> None:
    right = {"where": wrong["where"]} if wrong.get("where") == "cluster" else {}
    assert commands(alice.get(address, wrong)) == commands(alice.get(address, right))


def test_chart_is_offered_helm_and_nothing_else_is(alice: Client, address: str) -> None:
    for kind, tools in ((Image.Kind.CHART, True), (Image.Kind.IMAGE, False)):
        Image.objects.update(kind=kind)
        shown = alice.get(address)
        assert (offered(shown, "tool") == ["Helm"]) is tools
        assert ("Helm" in offered(shown, "tool")) is tools
    Image.objects.update(kind=Image.Kind.CHART)
    shown = alice.get(address)
    assert commands(shown)[-1] == f"helm pull oci://{HOST}/acme/agent --version 1.2"
    assert offered(shown, "where") == ["On a machine"]
    assert not any("digest" in version for version in offered(shown, "version"))


def test_empty_repository_has_no_commands_and_says_who_fills_it(
    alice: Client, address: str
) -> None:
    Image.objects.all().delete()
    shown = alice.get(address)
    assert commands(shown) == []
    assert "Your vendor has not pushed anything to this repository." in words(shown)
    assert offered(shown, "tool") == []
    Repository.objects.update(images_read_at=None)
    assert "Reload this page in a minute." in words(alice.get(address))


def test_product_with_one_repository_offers_that_one(cast: Cast, alice: Client) -> None:
    entitlement = approved(cast, cast.reports)
    provision(cast.birch)
    pushed("acme/reports", 1)
    shown = alice.get(f"/access/{entitlement.pk}/")
    assert offered(shown, "repository") == ["acme/reports"]


def test_two_registries_may_have_repositories_of_one_name(
    cast: Cast, alice: Client, address: str
) -> None:
    virginia = type(cast.registry).objects.create(
        name="Virginia", account_id=cast.registry.account_id, region="us-east-1"
    )
    agent = Repository.objects.create(registry=virginia, name="acme/agent")
    cast.server.repositories.add(agent)
    provision(cast.birch)
    user = PullUser.objects.get()
    user.grants.get_or_create(repository=agent, defaults={"desired": "present"})
    user.grants.update(in_repository_policy=True, desired="present")
    Image.objects.create(repository=agent, digest=digest(9), tags=["9"], pushed_at=days(-1))
    names = offered(alice.get(address), "repository")
    assert names == ["acme/agent", "acme/agent (us-east-1)", "acme/server"]
    shown = alice.get(address, {"repository": names[1]})
    assert "--region us-east-1" in commands(shown)[1]
    moved = alice.get(f"{address}repositories/{agent.pk}/", follow=True)
    assert chosen(moved, "repository") == names[1]
    assert "dkr.ecr.us-east-1.amazonaws.com/acme/agent:9" in commands(shown)[-1]


# --- Credentials -------------------------------------------------------------------


def test_chosen_credential_decides_profile_and_key(cast: Cast, alice: Client, address: str) -> None:
    add_label(cast.birch, "ci", by=Actor(cast.alice))
    PullUser.objects.filter(label="ci").update(status="ready", arn="arn:aws:iam::1:user/ci")
    key = add_key(PullUser.objects.get(label="ci"))
    shown = alice.get(address, {"credential": str(key.pk)})
    assert any(
        "ci" in each and "(waiting to be revealed)" in each for each in offered(shown, "credential")
    )
    assert "--profile acme-software-ci" not in words(shown)
    collect(cast, key, days(-1))
    shown = alice.get(address, {"credential": str(key.pk), "tool": "env-file"})
    assert commands(shown)[0].startswith(f"AWS_ACCESS_KEY_ID={key}\n")
    assert "acme-software-ci.env" in words(shown)


def test_key_that_retires_can_be_chosen_and_is_not_the_first(
    cast: Cast, alice: Client, address: str
) -> None:
    old = AccessKey.objects.get()
    change(old, retires_at=days(5))
    new = add_key(PullUser.objects.get())
    collect(cast, new, days(-1))
    shown = alice.get(address)
    assert chosen(shown, "credential") == str(new.pk)
    assert offered(shown, "credential")[1].endswith("(retires in 4 days)")
    shown = alice.get(address, {"credential": old.pk})
    assert chosen(shown, "credential") == str(old.pk)


def test_page_says_first_that_credentials_wait(cast: Cast, alice: Client, address: str) -> None:
    change(AccessKey.objects.get(), retires_at=days(-1), desired="Deleted", status="Deleted")
    add_key(PullUser.objects.get())
    shown = words(alice.get(address))
    assert "The credentials are waiting to be revealed" in shown
    assert "Reveal the credentials" in shown
    bob = words(as_user(cast.bob).get(address))
    assert "An owner or an engineer can reveal them, once; then you can pull." in bob
    assert "Reveal the credentials" not in bob


# --- Kubernetes, downloads ---------------------------------------------------------


def test_namespace_is_in_every_command_and_a_wrong_one_in_none(alice: Client, address: str) -> None:
    choice = {"where": "cluster", "tool": "kubernetes-cronjob", "namespace": "build-farm"}
    lines = [line for line in commands(alice.get(address, choice)) if "kubectl " in line]
    assert all("--namespace build-farm" in line for line in lines)
    for wrong in ("Build Farm", "-x", "x;reboot", "x" * 64):
        shown = alice.get(address, choice | {"namespace": wrong})
        assert "A namespace consists of a-z, 0-9 and inner hyphens" in words(shown)
        assert not any("--namespace" in line for line in commands(shown))
        # What was typed is kept.
        (field,) = soup(shown).select("input[name=namespace]")
        assert field["value"] == wrong


def test_each_file_of_an_instruction_can_be_downloaded(alice: Client, address: str) -> None:
    for where in ("machine", "cluster", "pipeline"):
        for link in soup(alice.get(address, {"where": where})).select(".segments a"):
            shown = alice.get(address + str(link["href"]))
            for way in soup(shown).select("a[href*='/files/']"):
                answer = alice.get(str(way["href"]))
                name = str(way["href"]).partition("?")[0].rpartition("/")[2]
                assert answer["Content-Disposition"] == f'attachment; filename="{name}"'
                assert name in way.get_text()


def test_script_has_all_steps_and_asks_only_once(alice: Client, address: str) -> None:
    script = alice.get(f"{address}files/pull.sh").content.decode()
    assert script.startswith("#!/bin/sh\nset -eu\n")
    assert "--profile acme-software > /dev/null || aws configure --profile" in script
    assert script.rstrip().endswith(f"docker pull {HOST}/acme/agent:1.2")


@pytest.mark.parametrize(
    "tool", ["credential-helper", "env-file", "environment-variables", "powershell"]
)
def test_what_a_script_cannot_do_has_none(alice: Client, address: str, tool: str) -> None:
    assert alice.get(f"{address}files/pull.sh", {"tool": tool}).status_code == 404
    assert "pull.sh" not in words(alice.get(address, {"tool": tool}))


def test_unknown_file_is_not_found(alice: Client, address: str) -> None:
    for name in ("pull.sh.bak", "x", ".env"):
        assert alice.get(f"{address}files/{name}").status_code == 404


def test_old_address_of_a_repository_leads_to_its_choice(alice: Client, address: str) -> None:
    server = Repository.objects.get(name="acme/server")
    moved = alice.get(f"{address}repositories/{server.pk}/", follow=True)
    assert chosen(moved, "repository") == "acme/server"
    reports = Repository.objects.get(name="acme/reports")
    assert alice.get(f"{address}repositories/{reports.pk}/").status_code == 404


# --- Words -------------------------------------------------------------------------


def test_each_tool_says_when_it_was_last_run_or_why_not(alice: Client, address: str) -> None:
    proof = proofs()["docker"]
    shown = words(alice.get(address))
    assert f"Run as it stands on {proof.on:%-d %B %Y} with {proof.tools}." in shown
    shown = words(alice.get(address, {"tool": "powershell"}))
    assert "Not run by our tests. It needs Windows; our tests run on Linux." in shown


def test_commands_name_the_endpoint_of_a_registry_that_has_one(
    cast: Cast, alice: Client, address: str
) -> None:
    cast.registry.endpoint_url = "http://127.0.0.1:5000"
    cast.registry.save()
    assert "--endpoint-url http://127.0.0.1:5000 |" in commands(alice.get(address))[1]


@pytest.mark.parametrize("vendor", ["Акме", "株式会社アクメ", "شركة", "3M & Söhne", "A" * 200])
def test_names_are_valid_for_any_vendor(
    settings: Settings, alice: Client, address: str, vendor: str
) -> None:
    settings.VENDOR_NAME = vendor
    configure = commands(alice.get(address))[0]
    name = configure.removeprefix("aws configure --profile ")
    assert name
    assert len(name) <= 46
    assert set(name) <= set("abcdefghijklmnopqrstuvwxyz0123456789-")


def test_what_the_choices_put_in_is_marked_and_copied_without_the_marks(
    alice: Client, address: str
) -> None:
    page = soup(alice.get(address))
    marked = [var.get_text() for var in page.select(".numbered var")]
    assert marked[0] == "acme-software"
    assert marked[-1] == f"{HOST}/acme/agent:1.2"
