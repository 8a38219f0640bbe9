"""Whether the database is as new as what AWS has seen. One that was restored from a backup is not:
then the portal is held, instead of taking away what it does not know.

Each account keeps the epoch of the installation, a number that only grows, as a tag of its sign-in
policy. A turn compares the two, unless that was done a short while ago, before it looks at anything
else; then both count on, first in the database. So the account's is never ahead of the database
that wrote it.
"""

import logging
from datetime import timedelta

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


def look(registry: Registry | None) -> Installation:
    """The installation, held if the registry's account has seen a newer database. A role that may
    not read or tag the policy stops nothing here: the registry's own turn says so."""
    installation = Installation.get()
    recently = clock.now() - EPOCH_EVERY
    if registry is None or (registry.epoch_at and registry.epoch_at > recently):
        return installation
    try:
        compare(installation, registry, boto.connect(registry))
    except errors.Denied as error:
        log.warning("The epoch of registry %s is not compared: %s", registry, error)
    of_account = Registry.objects.filter(account_id=registry.account_id)
    of_account.update(epoch_at=clock.now())
    return Installation.get()


def compare(installation: Installation, registry: Registry, gateway: Gateway) -> None:
    """Raises Denied where the role lacks ``iam:GetPolicy`` or ``iam:TagPolicy``."""
    row = Installation.objects.filter(pk=installation.pk)
    arn, tag = login_policy_arn(registry.account_id), names.epoch_tag(installation.identifier)
    tags = gateway.policy_tags(arn)
    if tags is None:
        # Before the account's first pull user.
        row.update(epoch_at=clock.now())
        return
    seen = int(tags.get(tag, 0))
    if seen > installation.epoch:
        row.update(epoch=Greatest(F("epoch"), seen), epoch_at=clock.now())
        if hold.begin(
            f"AWS account {registry.account_id} has seen a newer database than this one, so this "
            "one was probably restored from a backup."
        ):
            log.error("The portal is held: the database is older than what AWS has seen.")
    elif installation.held_at is None:
        row.update(epoch=F("epoch") + 1, epoch_at=clock.now())
        gateway.tag_policy(arn, {tag: str(Installation.get().epoch)})


def is_trusted() -> bool:
    """Whether what the dates of entitlements bring may be applied: the portal is not held, and an
    account was compared lately, if there is one. Right after a restore, none was."""
    installation = Installation.get()
    if installation.held_at is not None:
        return False
    if not Registry.objects.exists():
        return True
    at = installation.epoch_at
    return at is not None and at > clock.now() - TRUSTED_FOR


def to_compare() -> set[int]:
    """The registries, one of each account, whose epoch is to be compared."""
    stale = Registry.objects.exclude(epoch_at__gt=clock.now() - EPOCH_EVERY)
    by_account = {row.account_id: row.pk for row in stale.order_by("-pk")}
    return set(by_account.values())
