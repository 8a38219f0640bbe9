"""A backup that is restored while AWS is newer, in one database: a savepoint is the backup."""

from collections.abc import Callable
from datetime import timedelta
from io import StringIO

from django.core.management import call_command
from django.db import transaction
from django.utils import timezone

from accounts.models import Customer
from provisioning.demo.seed import Cast
from provisioning.documents import policies
from provisioning.flows import Actor
from provisioning.flows.drift import resolve_drift
from provisioning.flows.entitlements import (
    approve,
    prepare,
)
from provisioning.flows.hold import release
from provisioning.models import (
    Drift,
    Entitlement,
    Installation,
    Product,
    Registry,
)
from tests.agreement import disagreements
from tests.aws import Aws
from tests.worker import long_ago, run_until_settled, take_turns


def time_passes() -> None:
    """Until the epoch is counted on."""
    the_epoch_is_old()
    Registry.objects.update(due_at=timezone.now())
    take_turns()


def restored(after_the_backup: Callable[[], object]) -> None:
    """A backup is made, then something happens, and then the backup is restored."""
    time_passes()
    backup = transaction.savepoint()
    after_the_backup()
    run_until_settled()
    time_passes()
    transaction.savepoint_rollback(backup)
    long_ago()
    the_epoch_is_old()


def the_epoch_is_old() -> None:
    before = timezone.now() - timedelta(hours=1)
    Installation.objects.update(epoch_at=before)
    Registry.objects.update(epoch_at=before, epoch_due_at=before)


def decide(cast: Cast, choice: str, *kinds: str) -> None:
    """Otto decides about every open difference of these kinds, and the portal looks again."""
    for drift in Drift.objects.open().filter(kind__in=kinds, choice=""):
        resolve_drift(drift, choice, by=Actor(cast.otto), reason="As it was")
    take_turns()


def found() -> set[tuple[str, str]]:
    """What is different: the kind, and of whom."""
    return {(drift.kind, drift.user_name) for drift in Drift.objects.open()}


def released(aws: Aws, cast: Cast) -> None:
    """The hold ends, and AWS has what is desired."""
    release(by=Actor(cast.otto), reason="All decided")
    run_until_settled()
    assert disagreements(aws) == []


def approved_for(cast: Cast, customer: Customer, product: Product | None = None) -> Entitlement:
    entitlement = Entitlement(customer=customer, product=product or cast.server)
    prepare(entitlement, by=Actor(cast.sandra))
    approve(entitlement, by=Actor(cast.sandra))
    return entitlement


def restore_plan(*options: str) -> str:
    output = StringIO()
    call_command("restore_plan", *options, stdout=output)
    return output.getvalue()


def own_policy(aws: Aws) -> frozenset[str]:
    document = aws.iam.get_user_policy(UserName="birch-bank", PolicyName="EcrPortalPull")
    content = policies.content_of(document["PolicyDocument"])
    assert content is not None
    return content.repositories
