"""A full run, in which the secrets that AWS made are looked for everywhere: each is found once,
on the one reveal, and nowhere else."""

import logging
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.test import Client
from django.urls import reverse

from accounts import sending
from provisioning import tasks
from provisioning.demo.cast import ACCOUNT_ID, Cast
from provisioning.embedded_aws import directory
from provisioning.embedded_aws.faults import Fault, Kind
from provisioning.flows import By
from provisioning.flows.decide import approve, withdraw
from provisioning.flows.reissue import reissue
from provisioning.flows.request import request
from provisioning.models import PullUser, Repository
from provisioning.wanted import Due
from tests.aws import Aws
from tests.portal.pages.everywhere import everything_said
from tests.portal.pages.reading import as_user, confirm
from tests.turns import settle_down, take_turns


def secrets_of_aws() -> set[str]:
    keys = directory.iam(ACCOUNT_ID).access_keys.values()
    return {key.secret_access_key for key in keys if key.user_name == "birch-bank"}


def broker_messages() -> str:
    folder = Path(django_settings.BROKER_DIR)
    return "\n".join(file.read_text() for file in folder.rglob("*") if file.is_file())


def pages(client: Client, *addresses: str) -> list[Any]:
    return [client.get(address) for address in addresses]


@pytest.mark.django_db
def test_each_secret_is_seen_once_and_nowhere_else(
    aws: Aws, cast: Cast, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("botocore.retries.standard.ExponentialBackoff.delay_amount", lambda *_: 0)
    # As in production: botocore tells whole answers below this level.
    caplog.set_level(logging.WARNING, logger="botocore")
    canaries: set[str] = set()
    aws.embedded.watch = lambda moment, call: canaries.update(secrets_of_aws())
    shown: list[str] = []
    alice, otto = as_user(cast.alice), as_user(cast.otto)
    with everything_said(caplog) as said:
        entitlement = request(cast.birch, cast.server, by=By(cast.alice))
        approve(entitlement, by=By(cast.sandra))
        # A key whose answer is lost, one whose answer is an error, and one that comes through.
        for kind in (Kind.LOST, Kind.FAILED):
            aws.embedded.faults.lay(Fault("CreateAccessKey", kind))
        take_turns()
        settle_down()
        for number in range(2):
            pull_user = PullUser.objects.get()
            tasks.enqueue(Due({pull_user.pk}, set(Repository.objects.values_list("pk", flat=True))))
            address = reverse("customer:reveal", args=[pull_user.pk])
            if number == 0:
                confirm(alice, address)
            answers = [alice.post(address), alice.post(address, follow=True)]
            answers += pages(
                alice, "/", f"/access/{entitlement.pk}/", f"/customers/{cast.birch.pk}/"
            )
            answers += pages(otto, "/ops/", "/ops/audit/", "/ops/findings/", "/ops/audit.csv")
            shown += [answer.getvalue().decode() for answer in answers]
            if number == 0:
                reissue(pull_user, by=By(cast.otto), reason="Leaked", overlap=timedelta(0))
                settle_down()
        withdraw(entitlement, by=By(cast.sandra), reason="Contract ended")
        settle_down()
        sending.send_due()
        kept = said.text() + broker_messages()
    aws.embedded.watch = lambda moment, call: None
    assert len(canaries) == 4
    seen = [canary for page in shown for canary in canaries if canary in page]
    assert len(seen) == len(set(seen)) == 2
    for canary in canaries:
        assert canary not in kept
        assert canary[:20] not in kept
