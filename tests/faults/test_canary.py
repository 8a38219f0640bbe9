"""A full run, after which the secrets that AWS created are searched for everywhere: each is found
once, in the answer that reveals it, and nowhere else."""

import logging
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.test import Client
from django.urls import reverse

from accounts.emails import delivery
from provisioning import tasks
from provisioning.demo.seed import ACCOUNT_ID, Cast
from provisioning.embedded_aws import identities
from provisioning.embedded_aws.faults import Fault, Kind
from provisioning.flows import Actor
from provisioning.flows.credentials import reissue
from provisioning.flows.entitlements import approve, request, withdraw
from provisioning.models import PullUser, Repository
from tests.aws import Aws
from tests.portal.pages.captured_state import capture_everything
from tests.portal.pages.pages import as_user, confirm
from tests.worker import run_until_settled, take_turns


def secrets_of_aws() -> set[str]:
    keys = identities.iam(ACCOUNT_ID).access_keys.values()
    return {key.secret_access_key for key in keys if key.user_name == "birch-bank"}


def broker_messages() -> str:
    folder = Path(django_settings.BROKER_DIR)
    return "\n".join(file.read_text() for file in folder.rglob("*") if file.is_file())


def pages(client: Client, *addresses: str) -> list[Any]:
    found = [client.get(address) for address in addresses]
    assert [page.status_code for page in found] == [200] * len(found)
    return found


@pytest.mark.django_db
def test_each_secret_is_shown_once_and_nowhere_else(
    aws: Aws, cast: Cast, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("botocore.retries.standard.ExponentialBackoff.delay_amount", lambda *_: 0)
    # As in production: below this level, botocore logs whole answers.
    caplog.set_level(logging.WARNING, logger="botocore")
    canaries: set[str] = set()
    aws.embedded.watch = lambda moment, call: canaries.update(secrets_of_aws())
    shown: list[str] = []
    alice, otto = as_user(cast.alice), as_user(cast.otto)
    with capture_everything(caplog) as captured:
        entitlement = request(cast.birch, cast.server, by=Actor(cast.alice))
        approve(entitlement, by=Actor(cast.sandra))
        # One key's answer is lost, one's is an error, and the third's arrives.
        for kind in (Kind.LOST, Kind.FAILED):
            aws.embedded.faults.lay(Fault("CreateAccessKey", kind))
        take_turns()
        run_until_settled()
        for number in range(2):
            pull_user = PullUser.objects.get()
            tasks.enqueue(PullUser, {pull_user.pk})
            tasks.enqueue(Repository, set(Repository.objects.values_list("pk", flat=True)))
            address = reverse("customer:reveal", args=[pull_user.pk])
            if number == 0:
                confirm(alice, address)
            answers = [alice.post(address), alice.post(address, follow=True)]
            answers += pages(
                alice, "/", f"/access/{entitlement.pk}/", f"/customers/{cast.birch.pk}/"
            )
            answers += pages(otto, "/ops/", "/ops/audit/", "/ops/drift/", "/ops/audit.csv")
            shown += [answer.getvalue().decode() for answer in answers]
            if number == 0:
                reissue(pull_user, by=Actor(cast.otto), reason="Leaked", overlap=timedelta(0))
                run_until_settled()
        withdraw(entitlement, by=Actor(cast.sandra), reason="Contract ended")
        run_until_settled()
        delivery.send_due()
        kept = captured.text() + broker_messages()
    aws.embedded.watch = lambda moment, call: None
    assert len(canaries) == 4
    seen = [canary for page in shown for canary in canaries if canary in page]
    assert len(seen) == len(set(seen)) == 2
    for canary in canaries:
        assert canary not in kept
        assert canary[:20] not in kept
