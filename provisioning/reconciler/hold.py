"""Whether the database is as new as what AWS has seen. One that was restored from a backup is not:
then the portal is held, instead of taking away what it does not know.

Each account keeps the epoch of the installation, a number that only grows, as a tag of its sign-in
policy. A turn compares the two, unless that was done a short while ago, before it looks at anything
else; then both count on, first in the database. So the account's is never ahead of the database
that wrote it.
"""

import logging
from datetime import datetime, timedelta

from django.db.models import F
from django.db.models.functions import Greatest

from accounts import clock
from provisioning.aws import boto, errors
from provisioning.aws.gateway import Gateway
from provisioning.desired import hold
from provisioning.documents import names
from provisioning.models import Installation, Registry
from provisioning.reconciler.pull_user.context import login_policy_arn

log = logging.getLogger(__name__)

# A backup that is restored within this time may not be noticed.
EPOCH_EVERY = timedelta(minutes=5)
# As long as no account has been compared for this long, the database is not trusted.
TRUSTED_FOR = 3 * EPOCH_EVERY
RETRY = timedelta(minutes=1)


def look(registry: Registry | None) -> Installation:
    """The installation, held if the registry's account has seen a newer database. A role that may
    not read or tag the policy stops nothing here: the registry's own turn says so. Nor does an AWS
    that does not answer, while the database is trusted."""
    installation = Installation.get()
    if registry is None or _is_since(registry.epoch_at, EPOCH_EVERY):
        return installation
    try:
        compare(registry, boto.connect(registry))
    except errors.Denied as error:
        log.warning("The epoch of registry %s is not compared: %s", registry, error)
    except errors.AwsError:
        if not _is_since(registry.epoch_at, TRUSTED_FOR):
            raise
        return installation
    of_account = Registry.objects.filter(account_id=registry.account_id)
    of_account.update(epoch_at=clock.now())
    return Installation.get()


def _is_since(at: datetime | None, duration: timedelta) -> bool:
    return at is not None and at > clock.now() - duration


def compare(registry: Registry, gateway: Gateway) -> None:
    """Raises Denied where the role lacks ``iam:GetPolicy`` or ``iam:TagPolicy``."""
    arn = login_policy_arn(registry.account_id)
    tags = gateway.policy_tags(arn)
    # Read after the tag: another worker may just have counted on, first here and then there.
    installation = Installation.get()
    row = Installation.objects.filter(pk=installation.pk)
    tag = names.epoch_tag(installation.identifier)
    if tags is None:
        # Before the account's first pull user.
        row.update(epoch_at=clock.now())
        return
    seen = int(tags[tag]) if tags.get(tag, "").isdigit() else 0
    if seen > installation.epoch:
        row.update(epoch=Greatest(F("epoch"), seen), epoch_at=clock.now())
        if hold.begin(
            f"AWS account {registry.account_id} has seen a newer database than this one, so this "
            "one was probably restored from a backup."
        ):
            log.error("The portal is held: the database is older than what AWS has seen.")
    elif installation.held_at is None:
        counted = installation.epoch + 1
        # Of two turns that count on at the same time, one does.
        if row.filter(epoch=installation.epoch).update(epoch=counted, epoch_at=clock.now()):
            gateway.tag_policy(arn, {tag: str(counted)})


def is_trusted() -> bool:
    """Whether what the dates of entitlements bring may be applied: the portal is not held, and an
    account was compared lately, if there is one. Right after a restore, none was."""
    installation = Installation.get()
    if installation.held_at is not None:
        return False
    return _is_since(installation.epoch_at, TRUSTED_FOR) or not Registry.objects.exists()


def take_due() -> set[int]:
    """The registries, one of each account, whose epoch is to be compared; if that fails, it is due
    again after RETRY."""
    now = clock.now()
    due = Registry.objects.filter(epoch_due_at__lte=now).exclude(epoch_at__gt=now - EPOCH_EVERY)
    taken = {row.account_id: row.pk for row in due.order_by("-pk")}
    Registry.objects.filter(account_id__in=taken).update(epoch_due_at=now + RETRY)
    return set(taken.values())
