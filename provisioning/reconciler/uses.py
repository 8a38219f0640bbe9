"""When each access key was last used: read from IAM apart from the turns, on a clock of its own.
Only pages need it."""

import logging
from datetime import timedelta

from django.db.models import Q

from accounts import clock
from provisioning.aws import boto, errors
from provisioning.aws.gateway import KeyUse
from provisioning.models import AccessKey, PullUser, Registry, update_in_order
from provisioning.states import Desired, Status

log = logging.getLogger(__name__)

# AWS itself reports a use hours late. While a key retires, its customer waits to see it silent.
EVERY, WHILE_ROTATING = timedelta(days=1), timedelta(hours=1)
# A reading that does not end is due again after this time.
RETRY = timedelta(minutes=10)


def take_due(limit: int) -> set[int]:
    """Pull users the uses of whose keys should be read now."""
    now = clock.now()
    paused = Registry.objects.filter(paused_at__isnull=False).filter(
        Q(paused_for="") | Q(paused_for=PullUser.kind)
    )
    due = PullUser.objects.filter(
        desired=Desired.PRESENT, status=Status.READY, uses_due_at__lte=now
    ).exclude(account_id__in=paused.values("account_id"))
    taken = set(due.order_by("uses_due_at").values_list("pk", flat=True)[:limit])
    if taken:
        update_in_order(PullUser.objects.filter(pk__in=taken), uses_due_at=now + RETRY)
    return taken


def read(pk: int) -> None:
    """Read and record when each key of a pull user was last used."""
    row = PullUser.objects.filter(pk=pk).first()
    registry = row.registry_in_charge if row else None
    if row is None or registry is None:
        return
    keys, began = list(row.access_keys.living()), clock.now()
    try:
        gateway = boto.connect(registry)
        for key in keys:
            if use := gateway.key_use(key.access_key_id):
                seen = {"last_used_at": use.at, "last_used_for": purpose(use)}
                AccessKey.objects.filter(pk=key.pk).update(**seen)
    except errors.AwsError as error:
        log.warning("The last use of the keys of %s could not be read: %s", row, error)
        if isinstance(error, errors.SessionExpired):
            boto.renew_sessions()
        return
    is_rotating = any(key.retires_at for key in keys)
    next_due = began + (WHILE_ROTATING if is_rotating else EVERY)
    PullUser.objects.filter(pk=pk).update(uses_read_at=began, uses_due_at=next_due)


def purpose(use: KeyUse) -> str:
    return f"{use.service} in {use.region}"
