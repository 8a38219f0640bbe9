"""The steps of an access key's life."""

from typing import TYPE_CHECKING

from django.conf import settings
from django.utils import timezone

from provisioning import vault
from provisioning.models import AccessKey
from provisioning.models.pull_user import AccessKeyQuerySet
from provisioning.plan import Step
from provisioning.states import KeyStatus, Status, Wanted

if TYPE_CHECKING:
    from provisioning.steps.pull_user import UserTurn


def ensure_access_key(turn: "UserTurn", step: Step) -> None:
    """A new access key, its secret sealed at once.

    The one step that cannot be repeated: whatever happens between AWS's answer and the
    end of the transaction leaves a key that the database does not know, and the next
    turn deletes it.
    """
    key = turn.gateway.create_access_key(turn.pull_user.name)
    now = timezone.now()
    expires_at = now + settings.KEY_LIFETIME if settings.KEY_LIFETIME else None
    with turn.lease.writing():
        row = AccessKey.objects.create(
            pull_user=turn.pull_user,
            access_key_id=key.access_key_id,
            created_at=now,
            expires_at=expires_at,
        )
        vault.seal(key.secret_access_key, access_key=row)


def set_key_status(turn: "UserTurn", step: Step) -> None:
    """Switch a key on or off."""
    turn.gateway.set_key_status(turn.pull_user.name, step.access_key_id, step.status)
    with turn.lease.writing():
        AccessKey.objects.filter(access_key_id=step.access_key_id).update(status=step.status)


def remove_access_key(turn: "UserTurn", step: Step) -> None:
    """A key that should not live: retired, withdrawn, or unknown to the database."""
    turn.gateway.delete_access_key(turn.pull_user.name, step.access_key_id)
    with turn.lease.writing():
        forget(AccessKey.objects.filter(access_key_id=step.access_key_id))


def try_access_key(turn: "UserTurn", step: Step) -> None:
    """Sign in to the registry with a key that is still sealed, and read the manifest of an
    image that it should open, as the customer's machine will.

    Raises KeyNotAccepted.
    """
    key = AccessKey.objects.get(access_key_id=step.access_key_id)
    grants = turn.pull_user.grants.filter(wanted=Wanted.PRESENT, status=Status.READY)
    grant = grants.select_related("repository__registry").order_by("pk").first()
    secret = vault.open_sealed(key)
    if grant is None or secret is None:
        return
    gateway = turn.gateway_of(grant.repository.registry)
    gateway.try_key(key.access_key_id, secret, grant.repository.name, grant.repository.newest_tag)
    with turn.lease.writing():
        AccessKey.objects.filter(pk=key.pk).update(tested_at=timezone.now())


def forget(keys: AccessKeyQuerySet) -> int:
    """Write down that AWS no longer has these keys, and burn what is sealed of them.
    Returns how many were thought to live."""
    vault.burn(*keys)
    return keys.living().update(status=KeyStatus.DELETED, wanted=KeyStatus.DELETED)
